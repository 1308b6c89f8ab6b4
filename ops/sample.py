"""A sample of the running system: what every process says of itself, and what waits in every queue."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity

from ops.traffic import services, traffic
from shared.contracts.catalogue import EVENTS
from shared.contracts.message import Message
from shared.contracts.readiness import InstanceReported, StatusAsked
from shared.contracts.vocabulary import FlowId, Service
from shared.runtime import topology
from shared.runtime.clock import now
from shared.runtime.messaging import Envelope, Letter, RabbitMessenger, TransportError, Unreachable
from shared.runtime.origin import BrokerUsers
from shared.runtime.own_queue import OwnQueue

_CONNECTS_WITHIN = 10.0
_PATIENCE = 6.0
"""Seconds that a process may take to say that its database does not answer."""
_LINGER = 0.3
"""Seconds that are given to those who are not counted: of a queue with one active reader, the others stand by."""

_HEARD = EVENTS.keys() - {StatusAsked.topic, InstanceReported.topic}
"""Events that are told whether somebody looks or not."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A work queue, or one that all services share."""

    name: str
    reader: Service | None = None
    message: type[Message] | None = None
    """What is in it; nothing where that is of many kinds."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What the broker says of a queue that is there."""

    waiting: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything."""

    at: datetime
    instances: tuple[InstanceReported, ...]
    depths: dict[Queue, Depth]

    def silent(self, service: Service) -> int:
        """How many processes read the queues of a service and have not answered."""
        reading = max((depth.consumers for queue, depth in self.depths.items() if queue.reader is service), default=0)
        return max(0, reading - len(self.of(service)))

    def of(self, service: Service) -> tuple[InstanceReported, ...]:
        """The processes of a service that have answered."""
        return tuple(instance for instance in self.instances if instance.service is service)

    def read_since(self, earlier: "Sample", queue: Queue) -> float | None:
        """Messages read out of a queue in a second, between two looks; nothing where that cannot be known."""
        seconds = (self.at - earlier.at).total_seconds()
        if queue.reader is None or seconds <= 0:
            return None
        before = {instance.instance: instance for instance in earlier.of(queue.reader)}
        both = [(before[each.instance], each) for each in self.of(queue.reader) if each.instance in before]
        read = sum(_of_queue(queue, after) - _of_queue(queue, then) for then, after in both)
        return read / seconds


def _of_queue(queue: Queue, instance: InstanceReported) -> int:
    if queue.message is None:
        return sum(number for topic, number in instance.consumed.items() if topic in _HEARD)
    return instance.consumed.get(queue.message.topic, 0)


def queues() -> tuple[Queue, ...]:
    """Every queue that should be there, service by service, the shared ones last."""
    found = []
    for service in services():
        does = traffic(service)
        found += [Queue(topology.work_queue(service, kind).name, service, kind) for kind in does.reads]
        if does.hears_everything:
            found.append(Queue(topology.everything_queue(service)[0], service))
    return (*found, Queue(topology.RETRY), Queue(topology.PARKED))


class Observer:
    """Looks at the system through its broker, which needs no plugin for it."""

    def __init__(self, messenger: RabbitMessenger, connection: AbstractConnection) -> None:
        """Ask through this messenger, and look at queues on this connection."""
        self._messenger = messenger
        self._connection = connection
        self._queues = queues()

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, users: BrokerUsers = BrokerUsers.OWN) -> AsyncIterator["Observer"]:
        """Connect until the block ends. Raises `Unreachable`, in it too."""
        messenger = RabbitMessenger(users)
        connection: AbstractConnection | None = None
        try:
            async with asyncio.timeout(_CONNECTS_WITHIN):
                await messenger.open(url)
                connection = await aio_pika.connect(url)
            yield cls(messenger, connection)
        except TransportError as error:
            raise Unreachable(f"RabbitMQ cannot be reached ({type(error).__name__})") from None
        finally:
            if connection is not None:
                await connection.close()
            await messenger.close()

    async def look(self) -> Sample:
        """Take one look. It takes as long as the slowest process needs to answer, within bounds."""
        depths = await self._depths(self._queues)
        return Sample(now(), await self._instances(_reading(depths)), depths)

    async def _instances(self, expected: Counter[Service]) -> tuple[InstanceReported, ...]:
        """What every process says; waited for until as many have answered as read the queues of their service."""
        heard: dict[str, InstanceReported] = {}
        complete = asyncio.Event()

        async def hear(incoming: AbstractIncomingMessage) -> None:
            with suppress(ValueError):  # whatever else comes here is no answer to this question
                report = InstanceReported.read(incoming.body)
                if self._is_by(report.service, incoming):
                    heard[report.instance] = report
            if expected <= Counter(report.service for report in heard.values()):
                complete.set()

        replies = OwnQueue(self._messenger, "replies", hear)
        await replies.open()
        try:
            flow = FlowId(str(uuid4()))
            question = StatusAsked(occurred_at=now(), flow_id=flow)
            await self._messenger.send(Letter.of(question, Envelope(flow, reply_to=replies.name)))
            if expected:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await complete.wait()
            await asyncio.sleep(_LINGER)
        finally:
            await replies.close()
        return tuple(sorted(heard.values(), key=lambda each: (each.service, each.started_at, each.instance)))

    def _is_by(self, service: Service, incoming: AbstractIncomingMessage) -> bool:
        """Whether a report comes from whom it is about: nobody answers for another service."""
        users = self._messenger.users
        trusted = users.trust(InstanceReported, incoming.routing_key, incoming.user_id)
        return trusted and (users is BrokerUsers.SHARED or incoming.user_id == service)

    async def _depths(self, wanted: Sequence[Queue]) -> dict[Queue, Depth]:
        """Those of the queues that are there, asked for without making them (a passive declaration)."""
        found: dict[Queue, Depth] = {}
        waiting = list(wanted)
        while waiting:
            async with self._connection.channel() as channel:
                try:
                    while waiting:
                        queue = waiting.pop(0)
                        told = (await channel.declare_queue(queue.name, passive=True)).declaration_result
                        found[queue] = Depth(told.message_count or 0, told.consumer_count or 0)
                except ChannelNotFoundEntity:  # which closes the channel
                    continue
        return found


def _reading(depths: dict[Queue, Depth]) -> Counter[Service]:
    reading = Counter[Service]()
    for queue, depth in depths.items():
        if queue.reader is not None:
            reading[queue.reader] = max(reading[queue.reader], depth.consumers)
    return +reading
