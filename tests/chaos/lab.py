"""What faults are tried on: the whole system, with servers to kill, a cable to cut and a clock to step."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from ops.stack import Stack
from shared.contracts.vocabulary import Service
from tests.chaos.cables import Cable, Link
from tests.chaos.clockwork import Clockwork
from tests.chaos.node import Node
from tests.chaos.notes import NotedBrowser, Notes
from tests.chaos.people import Codes, Somebody
from tests.examples import somebody
from tests.keys import Keys
from tests.system import System

_ADDRESSES = [f"127.0.0.{number}" for number in range(2, 18)]
"""Where people come from: each address may fail so often and no more."""


@dataclass
class Lab:
    """The system, and what can be done to it."""

    servers: Stack
    system: System
    node: Node
    cable: Cable
    """Between the gateways and the broker."""
    clock: Clockwork
    """Of enrollment."""
    _wires: list[httpx.AsyncHTTPTransport] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def at(
        cls,
        servers: Stack,
        state: Path,
        *,
        instances: int,
        cable: type[Cable] | type[Link] = Cable,
        **settings: str,
    ) -> AsyncIterator[Self]:
        """Start the system on private servers whose data is in `state`."""
        clock = Clockwork(state)
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(cable.to(servers.rabbitmq_url))

            def retell(service: Service, told: dict[str, str]) -> dict[str, str]:
                is_cut = service is Service.GATEWAY
                return told | ({"RABBITMQ_URL": line.through(told["RABBITMQ_URL"])} if is_cut else {})

            run = {Service.ENROLLMENT: ("tests.chaos.clockwork", str(clock.file))}
            system = await stack.enter_async_context(
                System.running(servers, Keys(), state, instances=instances, retell=retell, run=run, **settings)
            )
            wires = [
                await stack.enter_async_context(httpx.AsyncHTTPTransport(local_address=address, limits=_NO_LIMIT))
                for address in _ADDRESSES
            ]
            yield cls(servers, system, Node(state / "rabbitmq"), line, clock, wires)

    def browser(self, number: int, notes: Notes) -> NotedBrowser:
        """A browser at one of the addresses."""
        return NotedBrowser(self._wires[number % len(self._wires)], self.system.gateways, notes)

    async def warm_up(self, people: int) -> None:
        """Let so many people sign in while all is well."""
        await asyncio.gather(*(each.sign_in() for each in await self.crowd(people, Notes())))

    async def crowd(self, size: int, notes: Notes) -> list[Somebody]:
        """People who have never been here, one half with an app that they brought along, the other with none."""
        people = [somebody() for _ in range(size)]
        uris = await self.system.bring_all(*people[::2])
        await self.system.hire(*people[1::2])
        apps = dict(zip(people[::2], uris, strict=True))
        return [
            Somebody(person, self.browser(number, notes), Codes(apps[person]) if person in apps else None)
            for number, person in enumerate(people)
        ]


_NO_LIMIT = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""A connection for each request: of those that are kept, httpcore closes some that it has just given to somebody."""
