"""The faults that are tried: what happens, for how long, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import combinations

from shared.contracts.vocabulary import Service
from tests.chaos.lab import Lab

Deed = Callable[[Lab], Awaitable[None]]

_STEP = 90
"""Seconds by which a clock is wrong."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and is put right again."""

    name: str
    begin: Deed
    end: Deed
    lasts: float = 3.0
    """Seconds between the two."""
    loses_requests: bool = False
    """Whether a gateway may die with requests in its hand."""


def killed(service: Service) -> Fault:
    """All instances of a service killed, and started again."""

    async def begin(lab: Lab) -> None:
        for instance in lab.system.of(service):
            instance.kill()

    async def end(lab: Lab) -> None:
        await lab.system.start(service)

    return Fault(f"{service} killed", begin, end, loses_requests=service is Service.GATEWAY)


async def _kill_rabbitmq(lab: Lab) -> None:
    assert lab.servers.rabbitmq is not None
    await asyncio.to_thread(lab.servers.rabbitmq.kill)


async def _start_rabbitmq(lab: Lab) -> None:
    assert lab.servers.rabbitmq is not None
    await asyncio.to_thread(lab.servers.rabbitmq.start)


async def _kill_mongodb(lab: Lab) -> None:
    assert lab.servers.mongodb is not None
    await asyncio.to_thread(lab.servers.mongodb.kill)


async def _start_mongodb(lab: Lab) -> None:
    assert lab.servers.mongodb is not None
    await asyncio.to_thread(lab.servers.mongodb.start)


def both(one: Fault, other: Fault) -> Fault:
    """Two at once."""

    async def begin(lab: Lab) -> None:
        await asyncio.gather(one.begin(lab), other.begin(lab))

    async def end(lab: Lab) -> None:
        await asyncio.gather(one.end(lab), other.end(lab))

    name = f"{one.name.removesuffix(' killed')} and {other.name}"
    return Fault(name, begin, end, max(one.lasts, other.lasts), one.loses_requests or other.loses_requests)


def out_of_step(seconds: int) -> Fault:
    """The clock of enrollment stepped, and set right again."""

    async def begin(lab: Lab) -> None:
        lab.clock.step(seconds)

    async def end(lab: Lab) -> None:
        lab.clock.step(0)

    return Fault(f"clock of enrollment {seconds:+d} s", begin, end, lasts=10.0)


RABBITMQ = Fault("RabbitMQ killed", _kill_rabbitmq, _start_rabbitmq)
MONGODB = Fault("MongoDB killed", _kill_mongodb, _start_mongodb)
CUT = Fault("gateways cut off from RabbitMQ", lambda lab: lab.cable.cut(), lambda lab: lab.cable.mend())
LONG_CUT = replace(CUT, name=f"{CUT.name} for 20 s", lasts=20.0)
ALARM = Fault(
    "RabbitMQ short of memory",
    lambda lab: lab.node.run_short_of_memory(),
    lambda lab: lab.node.have_memory(),
    lasts=8.0,
)
SINGLE = (*map(killed, Service), RABBITMQ, MONGODB)
DOUBLE = tuple(both(one, other) for one, other in combinations(SINGLE, 2))
CLOCKS = (out_of_step(_STEP), out_of_step(-_STEP))
ALL = (*SINGLE, CUT, LONG_CUT, ALARM, *CLOCKS, *DOUBLE)
