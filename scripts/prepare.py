"""What the Makefile asks of the machine, looked for before anything is downloaded or tested.

Runs on the system's Python, before there is an environment: it imports the standard library only.

    python3 scripts/prepare.py tools      # what an environment is built with
    python3 scripts/prepare.py browser    # what the report's page is tested in
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


def fetch_browser() -> None:
    """Install the distribution's Chromium where there is no browser and that is allowed."""
    if any(map(shutil.which, BROWSERS)):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            f"the report's page is tested in a browser, and none of {', '.join(BROWSERS)} was "
            "found: `sudo apt-get install chromium`, or your system's way to install one"
        )
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update -qq", "apt-get install -y -qq chromium"):
        print(f"The report's page is tested in a browser: {command}", flush=True)
        done = subprocess.run(command.split(), env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            sys.exit(f"`{command}` failed with exit code {done.returncode}: install a browser")


if __name__ == "__main__":
    {"tools": check_tools, "browser": fetch_browser}[sys.argv[1]]()
