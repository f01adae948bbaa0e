"""What is installed by pip is what the page says; `make install-check` runs it."""

import re
from pathlib import Path

from tests.install import BARE, TRAIN

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def test_the_page_has_the_commands_that_are_run() -> None:
    lines = [re.sub(r"\s+# .*", "", line).strip() for line in README.splitlines()]
    for command in (*BARE, *TRAIN):
        assert command in lines
