"""One process among several of the same service: it answers for itself where an operator asks all of them."""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.contracts.readiness import InstanceReported, StatusAsked
from shared.contracts.vocabulary import Service
from shared.runtime.clock import Clock
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger, Unreachable, conversing
from shared.runtime.metrics import consumed
from shared.runtime.outbox import Outbox
from shared.runtime.own_queue import OwnQueue
from shared.runtime.version import VERSION

_log = structlog.get_logger(__name__)


class Instance:
    """One process, as an operator sees it."""

    def __init__(
        self,
        service: Service,
        messenger: RabbitMessenger,
        missing: Callable[[], Awaitable[tuple[str, ...]]],
        outboxes: Sequence[Outbox],
        clock: Clock,
    ) -> None:
        """Say of it what it is `missing` and how old its `outboxes` are."""
        self._service = service
        self._messenger = messenger
        self._missing = missing
        self._outboxes = outboxes
        self._clock = clock
        self._name = str(uuid4())
        self._started_at = clock()
        self._questions = OwnQueue(messenger, "instances", self._asked, topic=StatusAsked.topic)

    async def open(self) -> None:
        """Answer until `close`. Raises `Unreachable`."""
        await self._questions.open()

    async def close(self) -> None:
        """Answer no more."""
        await self._questions.close()

    async def _asked(self, incoming: AbstractIncomingMessage) -> None:
        if not self._messenger.users.trust(StatusAsked, incoming.routing_key, incoming.user_id):
            _log.critical("a forged question is passed over", topic=incoming.routing_key, publisher=incoming.user_id)
            return
        try:
            envelope = Envelope.of(incoming, incoming.headers)
            asked = StatusAsked.read(incoming.body)
        except ValueError as error:
            _log.error("malformed question", topic=StatusAsked.topic, error=type(error).__name__)
            return
        with conversing(envelope):
            letter = Letter.telling(await self._report(asked))
        try:
            await self._messenger.send(letter)
        except Unreachable as reason:
            _log.warning("cannot answer", topic=StatusAsked.topic, reason=str(reason))

    async def _report(self, asked: StatusAsked) -> InstanceReported:
        return InstanceReported(
            occurred_at=self._clock(),
            flow_id=asked.flow_id,
            service=self._service,
            instance=self._name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at=self._started_at,
            missing=await self._missing(),
            untold_seconds=max((outbox.age() for outbox in self._outboxes), default=0.0),
            consumed=consumed(),
        )
