"""The broker as a test sees it: what lies in a queue, a message put there by hand, everything cleared away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity

from ops.privileges import ADMINISTRATOR
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Message
from shared.contracts.vocabulary import Service
from shared.runtime import topology
from shared.runtime.messaging import Envelope, Letter

QUEUES_OF_SERVICES = (
    *(
        topology.work_queue(service, message).name
        for service in Service
        for message in (*COMMANDS.values(), *EVENTS.values())
    ),
    *(topology.everything_queue(service)[0] for service in Service),
)


class Heard:
    """What was published since somebody began to listen."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

    async def next(self, within: float = 10.0) -> AbstractIncomingMessage:
        """The next message. Raises `TimeoutError` where none comes within so many seconds."""
        async with asyncio.timeout(within):
            return await self.messages.get()


class Broker:
    """A connection of the test's own to the broker that the services use."""

    def __init__(self, url: str, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self.url = url
        self._impersonates = urlsplit(url).username == ADMINISTRATOR
        self._connection = connection
        self._channel = channel

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Connect, with the exchanges declared, until the block ends."""
        async with await aio_pika.connect(url) as connection, connection.channel(on_return_raises=True) as channel:
            await topology.declare(channel)
            yield cls(url, connection, channel)

    @classmethod
    @asynccontextmanager
    async def cleared(cls, url: str) -> AsyncIterator[Self]:
        """Connect to a broker that has no queue of any service, and leave it so."""
        async with cls.at(url) as broker:
            await broker.clear()
            yield broker
            await broker.clear()

    async def clear(self) -> None:
        """Delete the queues of all services and empty the shared ones, so that the next test finds nothing."""
        async with self._connection.channel() as channel:
            await asyncio.gather(*(channel.queue_delete(name) for name in QUEUES_OF_SERVICES))
            await topology.declare_everything(channel, Service.AUDIT)  # it is there before anybody starts
            for shared in (topology.RETRY, topology.PARKED):
                await (await channel.get_queue(shared)).purge()

    async def declare(self, reader: Service, message: type[Message]) -> None:
        """Make the queue of a reader that is not there yet, as he will."""
        await topology.declare_work_queue(self._channel, reader, message)

    async def send(self, message: Message, envelope: Envelope | None = None) -> None:
        """Publish a message as whoever may."""
        letter = Letter.of(message, envelope or Envelope(correlation_id=getattr(message, "flow_id", "")))
        user = min(message.by)
        await self.put(letter.exchange, letter.routing_key, letter.body, user=user, **self._properties(letter))

    async def put(
        self, exchange: str, routing_key: str, body: bytes, user: str | None = None, **properties: Any
    ) -> None:
        """Publish anything at all, well-formed or not, in this user's name where the servers are our own."""
        if self._impersonates:
            properties["user_id"] = user
        found = await self._channel.get_exchange(exchange, ensure=False) if exchange else self._channel.default_exchange
        await found.publish(aio_pika.Message(body, **properties), routing_key, mandatory=False)

    async def count(self, queue: str) -> int:
        """How many messages wait in a queue; none where there is no such queue."""
        async with self._connection.channel() as channel:
            try:
                declared = await channel.declare_queue(queue, passive=True)
            except ChannelNotFoundEntity:
                return 0
            return declared.declaration_result.message_count or 0

    async def waiting(self, queues: Sequence[str]) -> int:
        """How many messages wait in these queues together, and to be tried again; all of the queues are there."""
        async with self._connection.channel() as channel:
            declared = await asyncio.gather(
                *(channel.declare_queue(name, passive=True) for name in (*queues, topology.RETRY))
            )
            return sum(queue.declaration_result.message_count or 0 for queue in declared)

    async def refuse(self, queue: str) -> None:
        """Take the first message of a queue and give it back, as a reader that dies of it does."""
        async with self._connection.channel() as channel:
            await (await channel.get_queue(queue, ensure=False)).get(fail=False)

    async def take(self, queue: str) -> list[AbstractIncomingMessage]:
        """Take out everything that waits in a queue now."""
        taken = []
        found = await self._channel.get_queue(queue, ensure=False)
        while (message := await found.get(fail=False)) is not None:
            await message.ack()
            taken.append(message)
        return taken

    @asynccontextmanager
    async def hearing(self, *topics: str, exchange: str = topology.EVENTS) -> AsyncIterator["Heard"]:
        """Listen to an exchange with a queue of one's own, from now on until the block ends."""
        heard = Heard()
        async with self._connection.channel() as channel:
            queue = await channel.declare_queue(exclusive=True)
            for topic in topics or ("#",):
                await queue.bind(exchange, topic)
            await queue.consume(heard.messages.put, no_ack=True)
            yield heard

    @staticmethod
    def _properties(letter: Letter) -> dict[str, Any]:
        return {
            "correlation_id": letter.correlation_id,
            "reply_to": letter.reply_to,
            "headers": letter.headers,
            "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
        }
