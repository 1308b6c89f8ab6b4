"""The parked messages on the broker: looked at one by one, given back to their readers, or thrown away.

Only one operator does so at a time: what one holds in his hands another would not see.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity

from ops.legible import LegibleConnection
from ops.parked_message import ParkedMessage
from shared.runtime import topology
from shared.runtime.messaging import RabbitMessenger, TransportError, Unreachable
from shared.runtime.origin import BrokerUsers

_CONNECTS_WITHIN = 10.0


class Occupied(Exception):  # noqa: N818 - says what is the matter
    """Somebody else is at the parked messages."""


class Fate(StrEnum):
    """What is to become of a parked message."""

    STAY = "stay"
    REPLAY = "replay"
    DISCARD = "discard"


class ParkingLot:
    """The queue of parked messages."""

    def __init__(self, channel: AbstractChannel, messenger: RabbitMessenger) -> None:
        """Look at it through this channel, and give back through this messenger."""
        self._channel = channel
        self._messenger = messenger

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, users: BrokerUsers = BrokerUsers.OWN) -> AsyncIterator["ParkingLot"]:
        """Hold the place until the block ends; what is neither given back nor thrown away then stays.

        Raises `Unreachable` and `Occupied`.
        """
        messenger = RabbitMessenger(users)
        connection: AbstractConnection | None = None
        try:
            try:
                async with asyncio.timeout(_CONNECTS_WITHIN):
                    await messenger.open(url)
                    connection = await aio_pika.connect(url, connection_class=LegibleConnection)
                    channel = await connection.channel()
                    await channel.declare_queue(topology.PARKED_TURN, exclusive=True, auto_delete=True)
            except ChannelLockedResource:
                raise Occupied from None
            except TransportError as error:
                raise Unreachable(f"RabbitMQ cannot be reached ({type(error).__name__})") from None
            yield cls(channel, messenger)
        finally:
            if connection is not None:
                await connection.close()
            await messenger.close()

    async def each(self, fate: Callable[[ParkedMessage], Fate]) -> AsyncIterator[tuple[ParkedMessage, Fate]]:
        """Every message that is parked now, in the order in which the broker hands them out, and what became of it.

        That is the order of their coming until somebody looks at them: what comes back from him has no order.
        One that is given back is taken out only when its queue has it: where this process dies between the two it is
        there twice, with one id. One whose queue is gone stays. Raises `Unreachable`.
        """
        try:
            queue = await self._channel.declare_queue(topology.PARKED, passive=True)
            # Those alone that are there now: a message that is given back may be parked again at once.
            for _ in range(queue.declaration_result.message_count or 0):
                if (incoming := await queue.get(fail=False)) is None:
                    return
                message = ParkedMessage.of(incoming)
                decided = fate(message)
                if decided is Fate.REPLAY and not await self._is_given_back(message):
                    decided = Fate.STAY
                if decided is not Fate.STAY:
                    await incoming.ack()
                yield message, decided
        except ChannelNotFoundEntity:
            return
        except TransportError as error:
            raise Unreachable(f"RabbitMQ cannot be reached ({type(error).__name__})") from None

    async def _is_given_back(self, message: ParkedMessage) -> bool:
        if not message.queue:
            return False
        try:
            await self._messenger.send(message.again())
        except Unreachable:
            if not self._messenger.is_open:
                raise
            return False
        return True
