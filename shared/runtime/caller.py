"""Asking a question over the broker and waiting for its answer: what the gateway and the command line do.

Never FastStream's `broker.request()`, which asks one question at a time (ag2ai/faststream#1318).
"""

import asyncio
import time
from datetime import timedelta
from functools import cache
from typing import Protocol
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.contracts.catalogue import ANSWERS
from shared.contracts.message import Command, Event
from shared.runtime import tracing
from shared.runtime.clock import Clock
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger, Unreachable
from shared.runtime.metrics import ANSWER_SECONDS, FORGED_ANSWERS, LATE_ANSWERS, UNANSWERED, WAITING
from shared.runtime.own_queue import OwnQueue
from shared.runtime.parking import wrong_fields

_log = structlog.get_logger(__name__)

_BEGUN_WITHIN = 0.75
"""The part of the patience within which a command must have been taken up.

Where more is asked than can be done, each command waits in its queue until it is all but late; then all the work is
for answers that come too late, and whoever asks again keeps it so. What is dropped early enough leaves time for the
others.
"""

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
        self._replies = OwnQueue(messenger, "replies", self._answered, lost=self._give_up)

    @property
    def reply_to(self) -> str | None:
        """The reply queue, while there is one."""
        return self._replies.name

    async def open(self) -> None:
        """Listen for answers until `close`, anew whenever the connection comes back. Raises `Unreachable`."""
        await self._replies.open()

    async def close(self) -> None:
        """Listen no more; whoever still waits is told so."""
        await self._replies.close()

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes in time, or none can.

        A refusal is an answer too (`RequestRefused`).
        """
        began = time.perf_counter()
        try:
            with tracing.asking(command.topic):
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
        asked = self._clock()
        begin_by = asked + patience * _BEGUN_WITHIN
        envelope = Envelope(correlation_id, None, reply_to, attempt, asked + patience, tracing.traceparent(), begin_by)
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

    def _give_up(self) -> None:
        """The reply queue is gone: no answer to what is open can come any more."""
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
        elif not self._messenger.users.trust(kind, incoming.routing_key, incoming.user_id):
            FORGED_ANSWERS.inc()
            _log.critical("a forged answer is passed over", topic=incoming.routing_key, publisher=incoming.user_id)
        else:
            try:
                waiting.set_result(kind.read(incoming.body))
            except ValueError as error:
                _log.error("malformed answer", topic=incoming.routing_key, fields=wrong_fields(error))
