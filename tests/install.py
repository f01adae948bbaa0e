"""Install embzip by the README's pip commands into fresh environments, and use it; no test itself.

`make install-check` runs it. pip begins with an empty cache, since a wheel of YouTokenToMe in there
would hide that its build fails. Each environment downloads its packages anew.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.models import tiny_classifier

ROOT = Path(__file__).parent.parent
# The page has these lines as they stand here: tests/test_install.py.
BARE = ("pip install .",)
TRAIN = (
    "pip install cython setuptools wheel hatchling",
    "CPPFLAGS=-DDETERMINISTIC_QUEUE pip install --no-build-isolation '.[train]'",
)
PYTHONS = ("3.11", "3.12", "3.13")  # pyproject.toml says so too


@dataclass(frozen=True)
class Installed:
    """An environment that is none of the clone's, and the folder of a user who has it active."""

    folder: Path

    def run(self, command: str, *, cwd: Path | None = None) -> str:
        """Return what a shell's command prints."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "UV_"))}
        own = {
            "VIRTUAL_ENV": str(self.folder / "env"),
            "PATH": f"{self.folder / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_CACHE_DIR": str(self.folder / "cache"),
            "PIP_NO_COMPILE": "1",  # half a minute of writing .pyc files that are read once
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=cwd or self.folder,
            env=inherited | own,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout


def install(folder: Path, commands: tuple[str, ...], python: str = sys.executable) -> Installed:
    """Return a new environment in which commands have run, in the clone."""
    subprocess.run([python, "-m", "venv", folder / "env"], check=True)
    installed = Installed(folder)
    for command in commands:
        begun = time.monotonic()
        installed.run(command, cwd=ROOT)
        print(f"{time.monotonic() - begun:4.0f} s  {command}", flush=True)
    return installed


def check_bare(
    folder: Path, commands: tuple[str, ...] = BARE, python: str = sys.executable
) -> None:
    """A server without extras reads a classifier, and answers as this environment does."""
    server = install(folder, commands, python)
    model = tiny_classifier("svd:4|int8")
    model.save(folder / "model.embz")
    texts = ["lion zoo tiger", "people say"]
    (folder / "texts.txt").write_text("\n".join(texts), "utf-8")
    answered = json.loads(server.run("embzip predict model.embz texts.txt --json"))
    expected = [(found.label, round(found.probability, 4)) for found in model.predict(texts)]
    assert [(a["label"], round(a["probability"], 4)) for a in answered["predictions"]] == expected
    assert "svd:4|int8" in server.run("embzip inspect model.embz")
    (folder / "table.vec").write_text("2 3\na 1 2 3\nb 3 2 1\n")
    made = json.loads(server.run("embzip compress table.vec --codec int8 --json"))
    assert made["codec"] == "int8", made
    begun = time.monotonic()
    server.run("python -c 'import embzip; embzip.load_model'")
    seconds = time.monotonic() - begun
    packages = sum(f.stat().st_size for f in (folder / "env/lib").rglob("*") if f.is_file())
    print(f"       {packages / 1e6:.0f} MB, {seconds:.2f} s until load_model is there", flush=True)


def check_wheel(folder: Path) -> None:
    """The wheel alone does the same under the other Pythons that are supported and here."""
    install(folder, (f"pip wheel --quiet --no-deps --wheel-dir {folder} .",))
    (wheel,) = folder.glob("embzip-*.whl")
    own = f"{sys.version_info.major}.{sys.version_info.minor}"  # `check_bare` has it
    for version in PYTHONS:
        if version == own:
            continue
        python = _python(version)
        if python is None:
            print(f"       Python {version} is not on this machine")
            continue
        with TemporaryDirectory() as apart:
            check_bare(Path(apart), (f"pip install --quiet {wheel}",), python)


def _python(version: str) -> str | None:
    """Return an interpreter of this machine, on PATH or of pyenv, as uv finds it."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places = [*map(str, pyenv.glob(f"versions/{version}.*/bin")), os.environ["PATH"]]
    found = subprocess.run(
        [ROOT / ".uv/bin/uv", "python", "find", "--no-project", "--no-python-downloads", version],
        env=os.environ | {"PATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def check_train(folder: Path) -> None:
    """What trains is there, and YouTokenToMe is built so that the same text gives the same ids."""
    trainer = install(folder, TRAIN)
    (folder / "corpus.txt").write_text("the cat sat on the mat\n" * 50, "utf-8")
    found = json.loads(trainer.run("embzip build-bpe corpus.txt --vocab 20 --json"))
    assert found["reproducible"] is True, found
    trainer.run("python -c 'import embzip.tf, gensim'")


if __name__ == "__main__":
    for check in (check_bare, check_wheel, check_train):
        with TemporaryDirectory() as folder:
            check(Path(folder))
