"""Doubles, each verified against the real thing in tests/contract/test_fakes.py.

They do not simulate acknowledgement, redelivery, retry delays and competing readers: what depends on those is an
integration test.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Self

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, TestRabbitBroker

from shared.contracts.catalogue import ANSWERS
from shared.contracts.message import Command, Event
from shared.runtime import topology
from shared.runtime.messaging import Envelope, Letter, Unreachable
from shared.runtime.router import Router
from shared.runtime.service import attach
from shared.runtime.settings import Settings

_REPLIES = f"{topology.OWN_QUEUE}of-the-test"


class FakeMessenger:
    """Keeps the letters that are sent to it; while `is_away` it takes none, as a broker that is down."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.is_away = False

    async def send(self, letter: Letter) -> None:
        """Keep the letter."""
        if self.is_away:
            raise Unreachable("the fake broker is away")
        self.letters.append(letter)

    @property
    def topics(self) -> list[str]:
        """The routing keys of all letters, in the order in which they were sent."""
        return [letter.routing_key for letter in self.letters]


class FakeWire(FakeMessenger):
    """Services joined in memory: a letter is brought to every service that reads its kind, one letter after the other.

    It has both sides of the wire: `send`, as the services see it, and `ask`, as a caller sees it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._broker = RabbitBroker(apply_types=False, logger=None)
        self._read: set[str] = set()
        self._waiting: deque[Letter] = deque()

    @asynccontextmanager
    async def joining(self, *routers: Router, settings: Settings) -> AsyncIterator[Self]:
        """Join these services until the block ends."""
        for router in routers:
            attach(router, self._broker, self, settings)
            self._read |= {reading.message.topic for reading in router.readings}
        async with TestRabbitBroker(self._broker):
            yield self

    async def send(self, letter: Letter) -> None:
        """Take the letter; `settle` brings it on. Raises `Unreachable` for a command that no service reads."""
        is_shared = letter.exchange in {topology.RETRY, topology.PARKED}
        if letter.must_arrive and not is_shared and letter.routing_key not in self._read:
            raise Unreachable(f"no service reads {letter.routing_key}")
        await super().send(letter)
        if letter.routing_key in self._read:
            self._waiting.append(letter)

    async def settle(self) -> None:
        """Bring letters on until none waits."""
        while self._waiting:
            letter = self._waiting.popleft()
            await self._broker.publish(
                letter.body,
                exchange=RabbitExchange(letter.exchange, type=ExchangeType.TOPIC, durable=True),
                routing_key=letter.routing_key,
                correlation_id=letter.correlation_id,
                reply_to=letter.reply_to,
                headers={name: value for name, value in letter.headers.items() if name != "CC"},
            )

    async def ask(self, command: Command, correlation_id: str) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes."""
        before = len(self.letters)
        await self.send(Letter.of(command, Envelope(correlation_id, reply_to=_REPLIES, attempt=str(command.id))))
        await self.settle()
        for letter in self.letters[before:]:
            if _REPLIES in letter.headers.get("CC", ()):
                return ANSWERS[letter.routing_key].model_validate_json(letter.body)
        raise Unreachable(f"no answer to {command.topic}")


class ToldClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        """The time that was told last."""
        return self.moment

    def pass_by(self, time: timedelta) -> None:
        """Let time go by."""
        self.moment += time
