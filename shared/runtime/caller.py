"""Asking a question over the broker and waiting for its answer: what the gateway and the command line do.

Never FastStream's `broker.request()`, which asks one question at a time (ag2ai/faststream#1318).
"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.contracts.catalogue import ANSWERS
from shared.contracts.message import Command, Event
from shared.runtime import topology
from shared.runtime.clock import Clock
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger, Unreachable
from shared.runtime.metrics import LATE_ANSWERS, WAITING

_log = structlog.get_logger(__name__)


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
        self._waiting: dict[tuple[str, str], asyncio.Future[Event]] = {}
        self._reply_to: str | None = None

    async def open(self) -> None:
        """Declare the reply queue of this process; anew, under another name, whenever the connection comes back.

        The old queue goes with the old connection. Under the same name it would be refused where the broker has not
        yet noticed that the old connection is dead.
        """
        await self._listen()
        connection = self._messenger.connection
        connection.reconnect_callbacks.add(self._reopen)
        connection.close_callbacks.add(self._give_up)

    async def ask(self, command: Command, correlation_id: str) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes in time, or none can.

        A refusal is an answer too (`RequestRefused`).
        """
        reply_to = self._reply_to
        if reply_to is None:
            raise Unreachable("not connected to RabbitMQ")
        if len(self._waiting) >= self._room:
            raise Unreachable("too many requests wait for an answer")
        attempt = uuid4().hex
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id, attempt] = future
        WAITING.set(len(self._waiting))
        envelope = Envelope(correlation_id, None, reply_to, attempt, self._clock() + self._patience)
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await self._messenger.send(Letter.of(command, envelope))
                return await future
        except TimeoutError:
            raise Unreachable(f"no answer to {command.topic} in time") from None
        finally:
            del self._waiting[correlation_id, attempt]
            WAITING.set(len(self._waiting))

    async def _listen(self) -> None:
        channel = await self._messenger.connection.channel()
        name = f"wardgate.replies.{uuid4()}"
        queue = await channel.declare_queue(name, exclusive=True, auto_delete=True, robust=False)
        await queue.bind(topology.EVENTS, name, robust=False)
        await queue.consume(self._answered, no_ack=True, robust=False)
        self._reply_to = name

    async def _reopen(self, *_: Any) -> None:
        await self._listen()

    def _give_up(self, *_: Any) -> None:
        """The reply queue is gone: no answer to what is open can come any more."""
        self._reply_to = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Unreachable("the connection to RabbitMQ was lost"))

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
