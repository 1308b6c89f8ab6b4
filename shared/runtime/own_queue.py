"""A queue of one process alone: for the answers to what it asked, or for what every process is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import aiormq
import structlog
from aio_pika import Channel
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from shared.runtime import topology
from shared.runtime.messaging import RabbitMessenger, Unreachable, lost_is_not_cancelled

_log = structlog.get_logger(__name__)

_LISTEN_TIMEOUT = 5.0
"""Seconds until the broker must have made the queue."""
_PAUSE = 1.0
"""Seconds between two tries to make one."""
_BOUND_FOR = 5.0
"""Seconds until it is bound once more."""


class OwnQueue:
    """Exclusive, not durable, bound to all events under one key, and made anew whenever the connection comes back.

    It is bound again and again: nobody is told where the exchange is deleted, and one that is made anew knows of no
    queue. What is asked would be answered from then on, and no answer come.
    """

    def __init__(
        self,
        messenger: RabbitMessenger,
        kind: str,
        heard: Callable[[AbstractIncomingMessage], Awaitable[None]],
        *,
        topic: str | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Hear what is told under `topic`, else what is sent to it by its name; `lost` is called when it goes."""
        self._messenger = messenger
        self._kind = kind
        self._heard = heard
        self._topic = topic
        self._lost = lost
        self.name: str | None = None
        """Its name, while there is one."""
        self._channel: Channel | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen until `close`, anew whenever the connection comes back. Raises `Unreachable`.

        Each time under another name, which the broker gives it: the old queue goes with the old connection, and under
        the same name a new one would be refused where the broker has not yet noticed that the old connection is dead.
        And a name of one's own would have to be permitted, to exchanges with it (`ops.privileges`).
        """
        if self._listening is None:
            queue, lost = await self._listen()
            self._listening = asyncio.create_task(self._keep_listening(queue, lost))

    async def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        self._give_up()
        await self._leave()

    async def _listen(self) -> tuple[AbstractQueue, asyncio.Event]:
        """Make the queue and read it; the event is set when it is lost.

        On a channel that aio-pika does not restore by itself, since it would come back without its queue; and not from
        its callbacks, which swallow an error: one try that failed, and nothing would be heard any more.
        """
        await self._leave()
        lost = asyncio.Event()
        try:
            with lost_is_not_cancelled():
                async with asyncio.timeout(_LISTEN_TIMEOUT):
                    connection = self._messenger.connection
                    await connection.ready()
                    self._channel = channel = Channel(connection)
                    channel.close_callbacks.add(lambda *_: lost.set())
                    await channel.initialize()
                    underlay = cast("aiormq.Channel", await channel.get_underlay_channel())
                    underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
                    queue = await channel.declare_queue(exclusive=True, auto_delete=True)
                    await queue.bind(topology.EVENTS, self._topic or queue.name)
                    await queue.consume(self._heard, no_ack=True)
        except Exception as error:  # aiormq raises a bare one where the connection goes while a channel is opened
            raise Unreachable(f"no queue of one's own: {type(error).__name__}") from error
        self.name = queue.name
        return queue, lost

    async def _keep_listening(self, queue: AbstractQueue, lost: asyncio.Event) -> None:
        while True:
            while not await self._is_lost(lost):
                await self._bind_again(queue.name)
            self._give_up()
            try:
                queue, lost = await self._listen()
            except Unreachable as reason:
                _log.warning("cannot listen", kind=self._kind, reason=str(reason))
                await asyncio.sleep(_PAUSE)

    async def _bind_again(self, name: str) -> None:
        """Bind it once more, through another channel: who waits for a broker that takes nothing loses his channel."""
        with suppress(Exception), lost_is_not_cancelled():  # there is a next time
            async with asyncio.timeout(_LISTEN_TIMEOUT), Channel(self._messenger.connection) as channel:
                await (await channel.get_queue(name, ensure=False)).bind(topology.EVENTS, self._topic or name)

    async def _is_lost(self, lost: asyncio.Event) -> bool:
        """Whether the queue is lost before it has to be bound once more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_BOUND_FOR):
                await lost.wait()
        return lost.is_set()

    async def _leave(self) -> None:
        """Close the channel, if it is still there, and its queue goes with it.

        aiormq waits a heartbeat for the broker's word and gives up a line after three: it is not lost in the middle.
        """
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            with suppress(Exception):  # it goes with its connection at the latest
                async with asyncio.timeout(_LISTEN_TIMEOUT):
                    await channel.close()

    def _give_up(self) -> None:
        """The queue is gone, and what would have come to it."""
        self.name = None
        self._lost()
