"""Asking a question over the broker and waiting for its answer: what the gateway and the command line do.

Never FastStream's `broker.request()`, which asks one question at a time (ag2ai/faststream#1318).
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Protocol, cast
from uuid import uuid4

import aiormq
import structlog
from aio_pika import Channel
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.contracts.catalogue import ANSWERS
from shared.contracts.message import Command, Event
from shared.runtime import topology
from shared.runtime.clock import Clock
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger, Unreachable
from shared.runtime.metrics import ANSWER_SECONDS, LATE_ANSWERS, UNANSWERED, WAITING

_log = structlog.get_logger(__name__)

_LISTEN_TIMEOUT = 5.0
"""Seconds until the broker must have made a reply queue."""
_PAUSE = 1.0
"""Seconds between two tries to make one."""

_seconds = cache(ANSWER_SECONDS.labels)


class Asks(Protocol):
    """Whoever brings a question to the service that can answer it."""

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes in time, or none can."""


class Caller:
    """Asks commands on behalf of those who wait, any number at once, each with a deadline."""

    def __init__(
        self,
        messenger: RabbitMessenger,
        clock: Clock,
        *,
        patience: timedelta = timedelta(seconds=8),
        room: int = 2_000,
    ) -> None:
        """Wait for an answer at most `patience`, with at most `room` questions open at a time."""
        self._messenger = messenger
        self._clock = clock
        self._patience = patience
        self._room = room
        self._waiting: dict[tuple[str, str], asyncio.Future[Event | Unreachable]] = {}
        self.reply_to: str | None = None
        """The reply queue, while there is one."""
        self._channel: Channel | None = None
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen for answers until `close`, anew whenever the connection comes back. Raises `Unreachable`.

        Each time under another name: the old queue goes with the old connection, and under the same name a new one
        would be refused where the broker has not yet noticed that the old connection is dead.
        """
        if self._listening is None:
            lost = await self._listen()
            self._listening = asyncio.create_task(self._keep_listening(lost))

    async def close(self) -> None:
        """Listen no more; whoever still waits is told so."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        self._give_up()
        await self._leave()

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes in time, or none can.

        A refusal is an answer too (`RequestRefused`).
        """
        began = time.perf_counter()
        try:
            answer = await self._answer(command, correlation_id, patience or self._patience)
        except Unreachable:
            UNANSWERED.labels(command.topic).inc()
            raise
        _seconds(command.topic).observe(time.perf_counter() - began)
        return answer

    async def _answer(self, command: Command, correlation_id: str, patience: timedelta) -> Event:
        reply_to = self.reply_to
        if reply_to is None:
            raise Unreachable("not connected to RabbitMQ")
        if len(self._waiting) >= self._room:
            raise Unreachable("too many requests wait for an answer")
        attempt = uuid4().hex
        future: asyncio.Future[Event | Unreachable] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id, attempt] = future
        WAITING.set(len(self._waiting))
        envelope = Envelope(correlation_id, None, reply_to, attempt, self._clock() + patience)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await self._messenger.send(Letter.of(command, envelope))
                answer = await future
        except TimeoutError:
            raise Unreachable(f"no answer to {command.topic} in time") from None
        finally:
            del self._waiting[correlation_id, attempt]
            WAITING.set(len(self._waiting))
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    async def _listen(self) -> asyncio.Event:
        """Make a reply queue and read it; what is returned is set when it is lost.

        On a channel that aio-pika does not restore by itself, since it would come back without its queue; and not from
        its callbacks, which swallow an error: one try that failed, and no answer would be heard any more.
        """
        await self._leave()
        lost = asyncio.Event()
        name = f"wardgate.replies.{uuid4()}"
        try:
            async with asyncio.timeout(_LISTEN_TIMEOUT):
                connection = self._messenger.connection
                await connection.ready()
                self._channel = channel = Channel(connection)
                channel.close_callbacks.add(lambda *_: lost.set())
                await channel.initialize()
                underlay = cast("aiormq.Channel", await channel.get_underlay_channel())
                underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
                queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
                await queue.bind(topology.EVENTS, name)
                await queue.consume(self._answered, no_ack=True)
        except Exception as error:  # aiormq raises a bare one where the connection goes while a channel is opened
            raise Unreachable(f"no reply queue: {type(error).__name__}") from error
        self.reply_to = name
        return lost

    async def _keep_listening(self, lost: asyncio.Event) -> None:
        while True:
            await lost.wait()
            self._give_up()
            try:
                lost = await self._listen()
            except Unreachable as reason:
                _log.warning("cannot listen for answers", reason=str(reason))
                await asyncio.sleep(_PAUSE)

    async def _leave(self) -> None:
        """Close the channel, if it is still there, and its queue goes with it."""
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            with suppress(Exception):  # it goes with its connection at the latest
                async with asyncio.timeout(_LISTEN_TIMEOUT):
                    await channel.close()

    def _give_up(self) -> None:
        """The reply queue is gone: no answer to what is open can come any more."""
        self.reply_to = None
        for future in self._waiting.values():
            if not future.done():
                future.set_result(Unreachable("the connection to RabbitMQ was lost"))

    async def _answered(self, incoming: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get((incoming.correlation_id or "", str(incoming.headers.get("x-attempt"))))
        kind = ANSWERS.get(incoming.routing_key or "")
        if waiting is None or waiting.done():
            LATE_ANSWERS.inc()
        elif kind is None:
            _log.error("an answer of an unknown kind", topic=incoming.routing_key)
        else:
            try:
                waiting.set_result(kind.model_validate_json(incoming.body))
            except ValidationError as error:
                _log.error("malformed answer", topic=incoming.routing_key, errors=error.error_count())
