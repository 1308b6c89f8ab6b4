"""Measuring: the same thing done by so many at a time, how long each took, and what it cost which process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.processes import Processes

SETTLES_WITHIN = 0.5
"""Seconds until what was only told is written down as well: audit waits 0.2 for a batch to fill."""
IDLE = 0.15
"""Seconds of CPU in a second that all processes together take for doing nothing, at most."""
IDLE_FOR = 12
"""Seconds without anything else until nothing more is to come: what an import leaves in outboxes waits there for five
seconds, and for the relay to come by, which takes as long again."""

Tool = TypeVar("Tool")
Task = TypeVar("Task")


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    what: str
    at_once: int
    seconds: float
    latencies: list[float] = field(repr=False)
    cpu: dict[str, float]
    """Seconds of CPU by process, until everything had settled."""
    driver: float
    """Seconds of CPU of the driver, until the last was done."""

    @property
    def rate(self) -> float:
        """How many were done in a second."""
        return len(self.latencies) / self.seconds

    def milliseconds_of(self, process: str) -> float:
        """CPU of a process for each that was done."""
        return 1000 * self.cpu.get(process, 0.0) / len(self.latencies)

    @property
    def milliseconds(self) -> float:
        """CPU of all processes, without the driver, for each that was done."""
        return 1000 * sum(self.cpu.values()) / len(self.latencies)

    def percentile(self, percent: int) -> float:
        """Milliseconds within which so many percent were done."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


async def settled(processes: Processes) -> None:
    """Return when they have nothing to do any more: what an import brings is told for a while after its end."""
    idle, before = 0, sum(processes.used().values())
    while idle < IDLE_FOR:
        await asyncio.sleep(1)
        after = sum(processes.used().values())
        idle = idle + 1 if after - before < IDLE else 0
        before = after


async def measured(  # noqa: PLR0913 (what a measurement is made of)
    what: str,
    processes: Processes,
    tasks: Iterable[Task],
    *,
    at_once: int,
    tool: Callable[[], AbstractAsyncContextManager[Tool]],
    do: Callable[[Tool, Task], Awaitable[None]],
) -> Measured:
    """Have these tasks done, so many at once, each worker with a tool of its own."""
    waiting = iter(tasks)
    latencies: list[float] = []
    ready = asyncio.Barrier(at_once + 1)

    async def work() -> None:
        async with tool() as own:
            await ready.wait()
            for task in waiting:
                began = time.perf_counter()
                await do(own, task)
                latencies.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(work())
        await asyncio.sleep(0)
        before, driven, began = processes.used(), time.process_time(), time.perf_counter()
        await ready.wait()
    seconds, driver = time.perf_counter() - began, time.process_time() - driven
    await asyncio.sleep(SETTLES_WITHIN)
    after = processes.used()
    cpu = {name: after[name] - before[name] for name in after}
    return Measured(what, at_once, seconds, latencies, cpu, driver)
