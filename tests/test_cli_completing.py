"""`embzip completion`: what a real bash makes of it."""

import subprocess
from pathlib import Path

import pytest

from tests.commands import outcome, stdout_of


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["embzip", "pred"], "predict"),
        (["embzip", "predict", "--thr"], "--threshold"),
        (["embzip", "export", "m.embz", "--to", "lite"], "litert"),
    ],
)
def test_bash_completes(words: list[str], expected: str, tmp_path: Path) -> None:
    script = tmp_path / "embzip.bash"
    script.write_text(stdout_of("completion", "bash"))
    typed = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["bash", "-c", f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
         'complete -p embzip; "$(complete -p embzip | sed "s/.*-F \\([^ ]*\\).*/\\1/")"; '
         'echo "${COMPREPLY[@]}"'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].split() == [expected]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str) -> None:
    assert "predict" in stdout_of("completion", shell)


def test_an_unknown_shell_is_told_the_known_ones() -> None:
    done = outcome("completion", "tcsh")
    assert done.code == 2
    assert "unknown value 'tcsh'" in done.stderr
    assert "bash, zsh, fish" in done.stderr
