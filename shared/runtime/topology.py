"""What is declared on the broker: exchanges, work queues, the delayed retry and the place for parked messages.

Everything is declared here and nowhere else: by an administrator before the services start (`ops.provision`), who have
no right to; where all share one user (`BrokerUsers.SHARED`), in the same words by whoever starts first. A work queue
is dead-lettered to the parked messages: that is where the broker itself puts a message that killed its reader
`DELIVERY_LIMIT` times. Retries of a fault are published to the retry queue by the reader, not dead-lettered to it:
RabbitMQ drops a message that it dead-letters in a circle for the delivery limit (docs/decisions/0003).
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from faststream.rabbit import ExchangeType as StreamExchangeType
from faststream.rabbit import QueueType, RabbitExchange, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs

from shared.contracts.message import Command, Message
from shared.contracts.vocabulary import Service

COMMANDS = "wardgate.commands"
EVENTS = "wardgate.events"
RETRY = "wardgate.retry"
PARKED = "wardgate.parked"
PARKED_TURN = f"{PARKED}.operator"
"""Whoever looks at parked messages holds this queue, so that nobody else does meanwhile."""

OWN_QUEUE = "amq.gen-"
"""What the names of queues begin with that the broker has named: those of one process alone."""

EXCHANGES = {
    # Topic exchanges, though a command or a retry goes to one queue: on these alone the broker knows rights by topic.
    COMMANDS: ExchangeType.TOPIC,
    EVENTS: ExchangeType.TOPIC,
    RETRY: ExchangeType.TOPIC,
    PARKED: ExchangeType.FANOUT,
}

Thing = tuple[Literal["exchange", "queue"], str]
"""Something on the broker, and its name."""

DELIVERY_LIMIT = 10
RETRY_DELAY = timedelta(seconds=2)

_QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
_WORK: QuorumQueueArgs = {
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": PARKED,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
_RETRY: dict[str, Any] = {
    **_QUORUM,
    "x-message-ttl": int(RETRY_DELAY.total_seconds() * 1000),
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}

_PARKED: dict[str, Any] = {
    **_QUORUM,
    # An operator who looks at parked messages puts them back, which counts as a delivery; RabbitMQ 4 drops what was
    # delivered more than 20 times, unless it is told another number (3.10 does not know "never").
    "x-delivery-limit": 2**31 - 1,
}


def exchange_of(message: type[Message]) -> str:
    """The exchange that a kind of message is published to."""
    return COMMANDS if issubclass(message, Command) else EVENTS


def stream_exchange(message: type[Message]) -> RabbitExchange:
    """The same, as FastStream names it."""
    return RabbitExchange(exchange_of(message), type=StreamExchangeType.TOPIC, durable=True)


def work_queue(reader: Service, message: type[Message], *, declare: bool = True) -> RabbitQueue:
    """The one queue in which a service finds this kind of message, shared by all its instances.

    FastStream declares and binds it, or only looks whether it is there.
    """
    return RabbitQueue(
        f"{reader}.{message.topic}",
        queue_type=QueueType.QUORUM,
        durable=True,
        declare=declare,
        routing_key=message.topic,
        arguments=_WORK,
    )


async def declare_work_queue(channel: AbstractChannel, reader: Service, message: type[Message]) -> None:
    """Declare the queue in which a service finds this kind of message."""
    queue = work_queue(reader, message)
    made = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments or {}))
    await made.bind(exchange_of(message), message.topic)


def everything_queue(reader: Service) -> tuple[str, dict[str, Any]]:
    """The name and arguments of the one queue in which a service finds every event, in the order of their arrival.

    One instance reads it at a time, and another takes over when that is gone: the order stays one order.
    """
    return f"{reader}.events", {**_QUORUM, **_WORK, "x-single-active-consumer": True}


async def declare_everything(channel: AbstractChannel, reader: Service) -> None:
    """Declare the queue in which a service finds every event."""
    name, arguments = everything_queue(reader)
    queue = await channel.declare_queue(name, durable=True, arguments=arguments)
    await queue.bind(EVENTS, "#")


async def declare(channel: AbstractChannel) -> None:
    """Declare what all services share.

    And the queue of audit: nothing may be told before it is there, and audit may be the last to start.
    """
    for name, kind in EXCHANGES.items():
        await channel.declare_exchange(name, kind, durable=True)
    for name, arguments in ((RETRY, _RETRY), (PARKED, _PARKED)):
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        await queue.bind(name, "#")
    await declare_everything(channel, Service.AUDIT)


def needed(reads: Iterable[tuple[Service, type[Message]]] = ()) -> tuple[Thing, ...]:
    """What all services share, and the queues in which services find these kinds of message."""
    queues = (RETRY, PARKED, everything_queue(Service.AUDIT)[0], *(work_queue(*each).name for each in reads))
    return (*(("exchange", name) for name in EXCHANGES), *(("queue", name) for name in queues))


async def find(channel: AbstractChannel, thing: Thing) -> None:
    """See that this is there. Raises `aiormq.exceptions.ChannelNotFoundEntity`, and the channel is closed then."""
    kind, name = thing
    if kind == "exchange":
        await channel.declare_exchange(name, passive=True)
    else:
        await channel.declare_queue(name, passive=True)
