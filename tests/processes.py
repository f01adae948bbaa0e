"""Children of tests that have imported TensorFlow already, and nothing of embzip; no test itself.

Importing TensorFlow takes longer than most of what is then run: one process does, and is forked.
"""

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tensorflow"])


# Presses Ctrl-C when a function is first entered, as often as told.
PRESSED = """
import signal, sys
from embzip.cli import main
import embzip.tf

def press(frame, event, _):
    if event == "call" and frame.f_code.co_qualname == where:
        sys.setprofile(None)
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.setprofile(press)
try:
    main(command)
except SystemExit as end:
    found = end.code, sys.getprofile()
"""


def _run(code: str, names: dict[str, Any], folder: Path, answer: Connection) -> None:
    os.chdir(folder)
    exec(code, names)
    answer.send(names.get("found"))


def run_tensorflow(code: str, folder: Path, **names: Any) -> Any:
    """Run code in a folder, in a process of its own, and return what it calls `found`."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_run, args=(code, names, folder, sender))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise AssertionError("the child failed: its traceback is on stderr") from None
    finally:
        child.join()
