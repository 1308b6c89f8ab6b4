"""Being told to stop: Ctrl-C, SIGTERM, a closed terminal."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody asked the launcher to stop."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted where the main thread is, once; told a second time, end everything at once."""

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # no person's second wish: it follows the loss of the terminal
        signal.signal(signal.SIGINT, give_up)
        signal.signal(signal.SIGTERM, give_up)
        raise Interrupted(number)

    def give_up(number: int, _: FrameType | None) -> NoReturn:
        os._exit(128 + number)  # the kernel then ends every child, see tether.py

    before = {stop: signal.signal(stop, interrupt) for stop in STOPS}
    try:
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
