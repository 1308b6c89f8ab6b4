"""What becomes of a message: done, refused, late, malformed, tried again or parked. Never dropped in silence.

An *outcome* is told. A *refusal* is answered and never retried. What is *malformed* is parked at once, and what it
says is never logged. A *fault* is tried again after a delay, then parked.
"""

import asyncio
import time
from enum import StrEnum
from typing import Any

import structlog
from faststream.rabbit.annotations import RabbitMessage

from shared.contracts.message import Message, OfUser
from shared.contracts.refusals import Refused, RequestRefused
from shared.contracts.vocabulary import OPERATOR, FlowId, Service
from shared.crypto.sealing import SealBroken
from shared.runtime import topology, tracing
from shared.runtime.clock import Clock
from shared.runtime.messaging import Envelope, Forbidden, Letter, Messenger, Unreachable, conversing
from shared.runtime.metrics import MESSAGE_SECONDS, MESSAGES, count_told
from shared.runtime.origin import BrokerUsers, publisher
from shared.runtime.parking import BEGUN, parked, vouched, wrong_fields
from shared.runtime.router import Reading

_log = structlog.get_logger(__name__)

_DETAIL = 200
"""Characters of what is said of a forged message: its routing key is whatever somebody liked."""


class Outcome(StrEnum):
    """What became of a message."""

    DONE = "done"
    REFUSED = "refused"
    LATE = "late"
    MALFORMED = "malformed"
    FORGED = "forged"
    RETRIED = "retried"
    PARKED = "parked"


class Reader:
    """Reads one queue and answers for each message that comes out of it."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a reader is made of
        self,
        service: Service,
        reading: Reading,
        messenger: Messenger,
        clock: Clock,
        retry_limit: int,
        users: BrokerUsers,
    ) -> None:
        """Read for a service what `reading` says."""
        self._service = service
        self._queue = topology.work_queue(service, reading.message).name
        self._users = users
        self._kind = reading.message
        self._handler = reading.handler
        self._messenger = messenger
        self._clock = clock
        self._retry_limit = retry_limit
        self._counters = {outcome: MESSAGES.labels(self._kind.topic, outcome) for outcome in Outcome}
        self._seconds = MESSAGE_SECONDS.labels(self._kind.topic)

    async def read(self, incoming: RabbitMessage) -> None:
        """See to one message, and acknowledge it when what became of it is safe with the broker.

        While the broker takes no answer the message stays in hand and is handled anew: sent back it would come again at
        once, and ten times at once is the delivery limit. Where the connection is gone, so is this task.
        """
        began = time.perf_counter()
        is_begun = bool(incoming.raw_message.redelivered) or BEGUN in incoming.headers
        while True:
            try:
                outcome = await self._outcome(incoming, is_begun=is_begun)
            except Unreachable as reason:
                is_begun = True
                _log.warning("message waits for the broker", queue=self._queue, reason=str(reason))
                await asyncio.sleep(topology.RETRY_DELAY.total_seconds())
            else:
                break
        self._counters[outcome].inc()
        self._seconds.observe(time.perf_counter() - began)
        await incoming.ack()

    async def _outcome(self, incoming: RabbitMessage, *, is_begun: bool) -> Outcome:
        """See to it once. What was begun is finished, however late: it may have been told in part.

        Where the broker dies, the browser may have had its answer already, and the audit trail has not
        (docs/decisions/0022).
        """
        if not self._is_genuine(incoming):
            return await self._forged(incoming)
        try:
            envelope = Envelope.of(incoming.raw_message, incoming.headers)
            message = self._kind.read(incoming.body)
        except ValueError as error:
            return await self._malformed(incoming, error)
        if envelope.is_late(self._clock()) and not message.outlasts_its_deadline(is_begun=is_begun):
            return Outcome.LATE
        if is_begun:
            incoming.headers[BEGUN] = True  # tried again after a fault it is a new message to the broker
        with tracing.reading(self._queue, envelope) as traced, conversing(traced):
            return await self._handle(message, traced, incoming)

    def _is_genuine(self, incoming: RabbitMessage) -> bool:
        raw = incoming.raw_message
        if self._users.trust(self._kind, raw.routing_key, raw.user_id):
            return True
        # Tried again, or given back by the operator: sent to this queue by its name.
        is_sent_here = raw.routing_key == self._queue and raw.user_id in {self._service, OPERATOR}
        return is_sent_here and self._publisher(incoming) in self._kind.by

    def _publisher(self, incoming: RabbitMessage) -> str | None:
        return publisher(incoming.raw_message.user_id, incoming.headers, self._service)

    async def _forged(self, incoming: RabbitMessage) -> Outcome:
        """Park it with the name of whoever published it, and the key under which he did."""
        told = f"published by {self._publisher(incoming)} as {incoming.raw_message.routing_key}"[:_DETAIL]
        _log.critical("forged message is parked", queue=self._queue, told=told)
        await self._park(incoming, "forged", told)
        return Outcome.FORGED

    async def _handle(self, message: Message, envelope: Envelope, incoming: RabbitMessage) -> Outcome:
        try:
            told = await self._handler(message)
            for event in told if isinstance(told, tuple) else (told,):
                if event is not None:
                    await self._messenger.send(Letter.telling(event))
                    count_told(event)
        except Refused as refusal:
            await self._refuse(refusal, message, envelope)
            return Outcome.REFUSED
        except (SealBroken, OverflowError) as error:  # or a number that no database takes
            return await self._malformed(incoming, error)
        except Forbidden as forbidden:  # the broker is there, and will say the same again
            return await self._fault(incoming, forbidden)
        except Unreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the message comes again and is parked in the end
            return await self._fault(incoming, fault)
        return Outcome.DONE

    async def _refuse(self, refusal: Refused, message: Message, envelope: Envelope) -> None:
        answer = RequestRefused(
            occurred_at=self._clock(),
            flow_id=FlowId(envelope.correlation_id),
            tenant_id=message.tenant_id if isinstance(message, OfUser) else None,
            user_id=message.user_id if isinstance(message, OfUser) else None,
            code=refusal.code,
            detail=refusal.detail,
            retry_after_seconds=refusal.retry_after_seconds,
            problems=refusal.problems,
        )
        await self._messenger.send(Letter.telling(answer))
        count_told(answer)

    async def _malformed(self, incoming: RabbitMessage, error: Exception) -> Outcome:
        """Park it with the names of the fields that are wrong."""
        fields = wrong_fields(error)
        _log.error("malformed message is parked", queue=self._queue, fields=fields)
        await self._park(incoming, "malformed", fields)
        return Outcome.MALFORMED

    async def _fault(self, incoming: RabbitMessage, fault: Exception) -> Outcome:
        counted = incoming.headers.get("x-retries")
        retries = max(0, counted) if isinstance(counted, int) else 0
        _log.error("fault", queue=self._queue, retries=retries, fault=type(fault).__name__, exc_info=fault)
        if retries >= self._retry_limit:
            await self._park(incoming, "fault", type(fault).__name__)
            return Outcome.PARKED
        await self._messenger.send(self._again(incoming, topology.RETRY, {"x-retries": retries + 1}))
        return Outcome.RETRIED

    async def _park(self, incoming: RabbitMessage, reason: str, detail: str) -> None:
        letter = self._again(incoming, topology.PARKED, {})
        await self._messenger.send(parked(letter, self._queue, reason, detail, self._clock()))

    def _again(self, incoming: RabbitMessage, exchange: str, headers: dict[str, Any]) -> Letter:
        """The same message, for another exchange; the retry queue gives it back to the queue its routing key names."""
        return Letter(
            exchange=exchange,
            routing_key=self._queue,
            body=incoming.body,
            correlation_id=incoming.raw_message.correlation_id or "",
            reply_to=incoming.reply_to or None,
            headers=vouched(incoming.headers, self._publisher(incoming)) | headers,
            must_arrive=True,
        )
