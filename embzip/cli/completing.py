"""The command that teaches a shell to complete commands and options: completion."""

from typing import Annotated, Literal

from cyclopts import Parameter

from embzip.cli.choices import CHOICE
from embzip.cli.parameters import Json
from embzip.cli.terminal import show, write


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], CHOICE, Parameter(name="SHELL")],
    /,
    *,
    as_json: Json = False,
) -> None:
    """Print what completes embzip's commands and options in a shell.

    bash: `embzip completion bash > ~/.local/share/bash-completion/completions/embzip`; zsh: a file
    `_embzip` in a folder of `fpath`; fish: `~/.config/fish/completions/embzip.fish`.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    from embzip.cli import app

    script = app.generate_completion(shell=shell)
    if as_json:
        show({"shell": shell, "script": script}, as_json=True)
    else:
        write([script])
