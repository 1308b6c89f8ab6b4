"""The processor's cores, for what keeps them busy: hashing, beside the event loop and never on it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from shared.runtime.metrics import HASHING

P = ParamSpec("P")
T = TypeVar("T")


class Cores:
    """So many threads, and no more work at a time: more would only wait for a core, with 19 MiB each in hand."""

    def __init__(self, threads: int) -> None:
        """Take how many threads may work at a time."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        # An import brings thousands of passwords. It queues here and not before the threads, and leaves one of them to
        # the logins: who signs in meanwhile waits for one hash at most.
        self._aside = asyncio.Semaphore(max(1, threads - 1))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do this work while somebody waits for it."""
        with HASHING.track_inprogress():
            return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    async def run_aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do this work without keeping from the cores those who wait."""
        async with self._aside:
            return await self.run(work, *args, **kwargs)
