"""What the Makefile asks of the machine, looked for before anything is downloaded or tested.

Runs on the system's Python, before there is an environment: it imports the standard library only.

    python3 scripts/prepare.py tools       # what an environment is built with
    python3 scripts/prepare.py programs    # what the tests run
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def check_tools() -> None:
    """Exit in one line that names every package which is missing.

    YouTokenToMe has no wheels: it is compiled, with the headers of the Python it will run in.
    """
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        sys.exit(
            f"embzip needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}, and this is "
            f"{version[0]}.{version[1]}: name another, as in `make PYTHON=python3.12 demo`"
        )
    found = {
        "python3-venv": importlib.util.find_spec("ensurepip"),
        "python3-dev": Path(sysconfig.get_path("include"), "Python.h").is_file(),
        "g++": shutil.which("g++"),
    }
    if missing := [package for package, there in found.items() if not there]:
        packages = " ".join(missing)
        sys.exit(f"embzip is set up with {packages}, not found here: `apt-get install {packages}`")


def fetch_programs() -> None:
    """Install what the tests run and this machine lacks, where that is allowed."""
    wanted = {
        "chromium": BROWSERS,
        "unzip": ("unzip",),
        "nodejs": ("node",),
        "gcc": ("gcc",),
        "clang": ("clang",),
    }
    missing = [package for package, names in wanted.items() if not any(map(shutil.which, names))]
    if not missing:
        return
    install = f"apt-get install -y -qq {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            f"the tests open pages in a browser ({', '.join(BROWSERS)}), archives with unzip, and "
            "exported sources with Node, gcc and clang; not found here: "
            f"{' and '.join(missing)}. As root: `{install}`"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update -qq", install):
        print(f"{' and '.join(missing)}, for the tests: {command}", flush=True)
        done = subprocess.run(command.split(), env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            sys.exit(f"`{command}` failed with exit code {done.returncode}: see above")


if __name__ == "__main__":
    {"tools": check_tools, "programs": fetch_programs}[sys.argv[1]]()
