"""How messages are sent: the envelope that travels with a conversation, and the one way onto the broker."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self, cast
from uuid import UUID

import aio_pika
import aiormq
import aiormq.exceptions
import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.connection import make_url
from pamqp.commands import Basic

from shared.contracts.message import Command, Event, Message, MessageId
from shared.runtime import topology
from shared.runtime.origin import BrokerUsers

_log = structlog.get_logger(__name__)

_HEARTBEAT = 5
"""Seconds between two signs of life: the broker gives up after two that do not come, the client after three."""
PUBLISH_TIMEOUT = 5.0
"""Seconds until the broker must have confirmed a message."""

TransportError = (
    aiormq.exceptions.AMQPError,
    RuntimeError,  # a channel or a connection that is closed, in the words of aiormq and of aio-pika
    OSError,
    TimeoutError,
)


def _is_of_transport(error: Exception) -> bool:
    """Whether the broker is what is wrong. aiormq ends what is under way on a lost connection with a bare one."""
    return isinstance(error, TransportError) or type(error) is Exception


BEGIN_BY = "x-begin-by"

TRACEPARENT = "traceparent"
"""The header of W3C Trace Context, here as over HTTP."""


class Unreachable(Exception):  # noqa: N818 - says what is the matter, not that it is an error
    """The broker, or a reader of what was published, cannot be had now. Nothing was done; it can be tried again."""


class Forbidden(Unreachable):
    """The broker does not let us publish this: no contract does, or its rights are those of another version."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What travels unchanged over every hop of a conversation, and the id of the message that is being answered."""

    correlation_id: str
    cause: MessageId | None = None
    reply_to: str | None = None
    attempt: str | None = None
    """Which request of the caller is being served: a flow has several, one after the other or at once."""
    deadline: datetime | None = None
    traceparent: str | None = None
    """Where in a trace the message was sent, if it is traced."""
    begin_by: datetime | None = None
    """Until when a command must be taken up, for what follows from it to come in time: events do not carry it on."""

    @classmethod
    def of(cls, properties: Any, headers: Mapping[str, Any]) -> Self:
        """Read the envelope of a message. Raises `ValueError` for one that no service of ours wrote."""
        deadline, begin_by = headers.get("x-deadline"), headers.get(BEGIN_BY)
        attempt = headers.get("x-attempt")
        traceparent = headers.get(TRACEPARENT)
        reply_to = properties.reply_to or None
        # The answer is copied to wherever `reply_to` says, in the name of whoever answers: to a queue of whoever asks,
        # and never to the key of another event, where `otp.rejected` would be read as what it is not.
        if not (reply_to or topology.OWN_QUEUE).startswith(topology.OWN_QUEUE):
            raise ValueError("an answer to no queue of a caller")
        times_are_times = isinstance(deadline, int | None) and isinstance(begin_by, int | None)
        if not times_are_times or not isinstance(attempt, str | None):
            raise ValueError("headers of another form")
        return cls(
            correlation_id=properties.correlation_id or "",
            cause=MessageId(UUID(str(headers.get("x-message-id")))),
            reply_to=reply_to,
            attempt=attempt,
            deadline=_moment(deadline),
            traceparent=traceparent if isinstance(traceparent, str) else None,
            begin_by=_moment(begin_by),
        )

    def is_late(self, now: datetime) -> bool:
        """Whether nobody waits for the answer any more, or will when there is one."""
        last = self.begin_by or self.deadline
        return last is not None and now >= last


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


_NOWHERE = Envelope(correlation_id="")
_current: ContextVar[Envelope] = ContextVar("envelope", default=_NOWHERE)


@contextmanager
def conversing(envelope: Envelope) -> Iterator[None]:
    """Everything told inside belongs to this conversation."""
    token = _current.set(envelope)
    try:
        yield
    finally:
        _current.reset(token)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready to be sent, or to be kept until it is."""

    exchange: str
    routing_key: str
    body: bytes
    correlation_id: str
    reply_to: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    must_arrive: bool = False
    """Whether it is an error that no queue takes it: a command without a service, a retry without a queue."""

    @classmethod
    def of(cls, message: Message, envelope: Envelope) -> Self:
        """Write a message in its conversation. An answer is copied to the caller's reply queue by the broker (`CC`)."""
        headers: dict[str, Any] = {"x-message-id": str(message.id)}
        if envelope.deadline is not None:
            headers["x-deadline"] = _milliseconds(envelope.deadline)
        if envelope.begin_by is not None and isinstance(message, Command):
            headers[BEGIN_BY] = _milliseconds(envelope.begin_by)
        if envelope.attempt is not None:
            headers["x-attempt"] = envelope.attempt
        if envelope.traceparent is not None:
            headers[TRACEPARENT] = envelope.traceparent
        if isinstance(message, Event) and message.answer and envelope.reply_to is not None:
            headers["CC"] = [envelope.reply_to]
        return cls(
            exchange=topology.exchange_of(type(message)),
            routing_key=message.topic,
            body=message.__pydantic_serializer__.to_json(message),
            correlation_id=envelope.correlation_id,
            reply_to=envelope.reply_to,
            headers=headers,
            must_arrive=isinstance(message, Command),
        )

    @classmethod
    def telling(cls, event: Event) -> Self:
        """Write an event into the conversation that is being served, with the id that its cause gives it."""
        envelope = _current.get()
        return cls.of(event if envelope.cause is None else event.caused_by(envelope.cause), envelope)


def address(url: str) -> str:
    """Where and how to connect, for every connection.

    Where a line is cut neither end is told: whoever is silent for some heartbeats is gone. With those of a minute,
    which are the default, what a reader who was cut off had in his hands would lie there for two; and a caller whose
    line is mended would wait for as long again as the cut had lasted, which is how TCP tries again. What the URL itself
    says of heartbeats holds.
    """
    told = make_url(url, reconnect_interval=1)
    return str(told if "heartbeat" in told.query else make_url(told, heartbeat=_HEARTBEAT))


@contextmanager
def lost_is_not_cancelled() -> Iterator[None]:
    """Raise `ConnectionError` where the line is lost.

    Where heartbeats fail to come, aiormq ends its own reader, and hands the `CancelledError` of that to everybody who
    waits for the broker. Nobody has cancelled them: as it is, it would pass all that deals with errors, and a browser
    be told nothing that it understands.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the line was lost") from error


class Messenger(Protocol):
    """Whatever brings letters to the broker."""

    async def send(self, letter: Letter) -> None:
        """Return when the broker has taken it. Raises `Unreachable`."""


class RabbitMessenger:
    """Brings letters to RabbitMQ, on a connection and a channel that nobody consumes from.

    A broker that is short of memory blocks the connections that publish; a reader on its own connection goes on.
    Written through aiormq without waiting for the socket to drain: the confirm is awaited in any case, and the
    drain costs a quarter of a hop (docs/decisions/0004).
    """

    def __init__(self, users: BrokerUsers = BrokerUsers.OWN) -> None:
        """Stand by; `open` connects."""
        self.users = users
        self._user: str | None = None
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None

    async def open(self, url: str) -> None:
        """Connect, and see that what all services share is there; who shares a user with all others declares it."""
        where = make_url(address(url))
        connection = aio_pika.RobustConnection(where)
        try:
            await connection.connect()
            connection.close_callbacks.add(self._say_lost)
            connection.reconnect_callbacks.add(self._say_back)
            async with connection.channel() as channel:
                if self.users is BrokerUsers.SHARED:
                    await topology.declare(channel)
                for thing in topology.needed():
                    await topology.find(channel, thing)
            opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
        except BaseException:
            await connection.close()
            raise
        self._connection, self._channel, self._user = connection, opened, where.user

    def _say_lost(self, _: object, reason: BaseException | None) -> None:
        if reason is not None and not isinstance(reason, asyncio.CancelledError):
            _log.warning("the connection to RabbitMQ is lost", reason=type(reason).__name__)

    def _say_back(self, _: object) -> None:
        _log.warning("the connection to RabbitMQ is back")

    @property
    def connection(self) -> AbstractRobustConnection:
        """The connection. Raises `Unreachable` before it is open."""
        if self._connection is None:
            raise Unreachable("not connected to RabbitMQ")
        return self._connection

    @property
    def is_open(self) -> bool:
        """Whether the broker can be written to now."""
        return self._connection is not None and self._connection.connected.is_set()

    async def send(self, letter: Letter) -> None:
        """Return when the broker has confirmed. Raises `Unreachable`, within `PUBLISH_TIMEOUT` seconds.

        The AMQP `message_id` is left to the client: the same one twice in flight hangs a publish (aio-pika#689).
        """
        if self._channel is None or not self.is_open:
            raise Unreachable("not connected to RabbitMQ")
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=2,
            correlation_id=letter.correlation_id,
            reply_to=letter.reply_to,
            headers=letter.headers,
            user_id=self._user,
        )
        try:
            with lost_is_not_cancelled():
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    channel = cast("aiormq.Channel", await self._channel.get_underlay_channel())
                    await channel.basic_publish(
                        letter.body,
                        exchange=letter.exchange,
                        routing_key=letter.routing_key,
                        properties=properties,
                        mandatory=letter.must_arrive,
                        wait=False,
                    )
        except aiormq.exceptions.PublishError:
            raise Unreachable(f"no service reads {letter.routing_key}") from None
        except aiormq.exceptions.ChannelAccessRefused:
            raise Forbidden(f"{self._user} may not publish {letter.routing_key} to {letter.exchange}") from None
        except Exception as error:
            if not _is_of_transport(error):
                raise
            raise Unreachable(f"RabbitMQ did not take {letter.routing_key}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()
