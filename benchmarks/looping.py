"""The event loop of a benchmark, which Ctrl-C ends: the exception of a signal is lost in a callback of the loop."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from ops.interruption import STOPS, Interrupted

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end. Raises Interrupted where somebody asks to stop meanwhile."""
    before = {stop: signal.getsignal(stop) for stop in STOPS}
    try:
        return uvloop.run(_until_stopped(work))
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)


async def _until_stopped(work: Coroutine[Any, Any, Result]) -> Result:
    loop, doing = asyncio.get_running_loop(), asyncio.ensure_future(work)
    for stop in STOPS:
        loop.add_signal_handler(stop, doing.cancel)
    try:
        return await doing
    except asyncio.CancelledError:
        raise Interrupted from None
