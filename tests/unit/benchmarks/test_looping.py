"""A benchmark that is told to stop stops, also while it measures."""

import asyncio
import os
import signal

import pytest

from benchmarks.looping import run
from ops.interruption import Interrupted


async def told_to_stop() -> None:
    """Work that has no end, and somebody who has enough of it."""
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


def test_a_signal_ends_what_is_measured() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(told_to_stop())

    assert signal.getsignal(signal.SIGTERM) is before


async def _seven() -> int:
    return 7


def test_what_comes_to_its_end_is_returned() -> None:
    assert run(_seven()) == 7
