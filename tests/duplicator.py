"""Everything twice: each message that is published is published once more at once, as a broker that delivers again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from aio_pika.abc import AbstractIncomingMessage

from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.runtime import topology
from tests.broker import Broker, Heard

_COPY = "x-copy-of-the-test"


class Duplicator:
    """Copies what it hears, to whoever reads it; the caller's reply queue gets no copy, for it is no work queue."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.seen: list[AbstractIncomingMessage] = []

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Copy until the block ends."""
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(Broker.at(url))
            commands = await stack.enter_async_context(broker.hearing(*COMMANDS, exchange=topology.COMMANDS))
            events = await stack.enter_async_context(broker.hearing(*EVENTS))
            duplicator = cls(broker)
            copying = [asyncio.create_task(duplicator._copy(heard)) for heard in (commands, events)]
            yield duplicator
            for task in copying:
                task.cancel()

    @property
    def topics(self) -> set[str]:
        """The kinds of messages that were copied."""
        return {message.routing_key or "" for message in self.seen}

    def ids(self) -> Counter[str]:
        """How many different messages of each kind there were, however often each of them was told."""
        return Counter(topic for topic, _ in {(m.routing_key or "", str(m.headers["x-message-id"])) for m in self.seen})

    async def _copy(self, heard: Heard) -> None:
        while True:
            message = await heard.messages.get()
            self.seen.append(message)
            if _COPY in message.headers:
                continue
            headers = {name: value for name, value in message.headers.items() if name != "CC"} | {_COPY: True}
            await self._broker.put(
                message.exchange or "",
                message.routing_key or "",
                message.body,
                user=message.user_id,
                headers=headers,
                correlation_id=message.correlation_id,
                reply_to=message.reply_to,
            )
