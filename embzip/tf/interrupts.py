"""Ctrl-C between the steps of a training, and while its result is made and written."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed_interrupts(wanted: bool) -> Iterator[Callable[[], bool]]:
    """Notice Ctrl-C while the block runs, instead of raising KeyboardInterrupt anywhere in it.

    An exception that is raised while Python deletes an object is lost, and training deletes many.
    A second Ctrl-C raises. Only a process's main thread has a say in this; in others, and where it
    is not wanted, nothing changes.

    Yields
    ------
    Callable
        Says whether Ctrl-C was pressed.
    """
    pressed: list[int] = []

    def notice(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    if not wanted or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, notice)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
