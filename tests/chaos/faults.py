"""The faults that are tried: what happens, for how long, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import combinations

from ops.servers import Server
from ops.stack import Stack
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


def server_killed(name: str, of: Callable[[Stack], Server | None]) -> Fault:
    """RabbitMQ or MongoDB killed, and started again."""

    def server(lab: Lab) -> Server:
        found = of(lab.servers)
        assert found is not None
        return found

    return Fault(
        f"{name} killed",
        lambda lab: asyncio.to_thread(server(lab).kill),
        lambda lab: asyncio.to_thread(server(lab).start),
    )


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


RABBITMQ = server_killed("RabbitMQ", lambda servers: servers.rabbitmq)
MONGODB = server_killed("MongoDB", lambda servers: servers.mongodb)
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
