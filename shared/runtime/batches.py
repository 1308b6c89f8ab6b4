"""Reading all events in batches: for who has to write every one of them down, not answer any.

A batch is acknowledged as a whole when it has been seen to. Until then it stays in hand: while the database is away it
is tried again, and where the connection or the process is lost it comes again. What is malformed, or meets a fault all
by itself, is parked.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import aio_pika
import aiormq
import structlog
from aio_pika import Channel
from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import DeliveredMessage

from shared.contracts.message import Event
from shared.contracts.vocabulary import Service
from shared.runtime import topology, tracing
from shared.runtime.arrival import Arrival, Forged
from shared.runtime.clock import Clock
from shared.runtime.messaging import Messenger, TransportError, Unreachable, address, lost_is_not_cancelled
from shared.runtime.metrics import MESSAGE_SECONDS, MESSAGES
from shared.runtime.mongo import PyMongoError
from shared.runtime.origin import BrokerUsers
from shared.runtime.parking import parked, wrong_fields
from shared.runtime.reader import Outcome
from shared.runtime.router import BatchHandler

_log = structlog.get_logger(__name__)

MOST = 500
"""Events in a batch. Twice as many are in the hands of an instance: one batch arrives while another is seen to."""
_LINGER = 0.2
"""Seconds that the first event of a batch waits for others."""
_BROKER_TIMEOUT = 5.0
_PAUSE = 1.0
"""Seconds between two tries to read the queue."""
_SECONDS = MESSAGE_SECONDS.labels("everything")
_GRACE = 10.0
"""Seconds that the batches in hand are given at a shutdown."""


class _Lost(Exception):  # noqa: N818 - says what is the matter
    """The channel is gone: what came through it comes again."""


class BatchReader:
    """Reads the queue of all events of one service."""

    def __init__(
        self,
        reader: Service,
        handler: BatchHandler,
        messenger: Messenger,
        clock: Clock,
        users: BrokerUsers = BrokerUsers.OWN,
    ) -> None:
        """Hand everything that is told to `handler`."""
        self._reader = reader
        self._users = users
        self._queue, _ = topology.everything_queue(reader)
        self._handler = handler
        self._messenger = messenger
        self._clock = clock
        self._connection: AbstractRobustConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._stop = asyncio.Event()

    async def open(self, url: str) -> None:
        """Read until `close`, on a connection of its own, anew whenever that comes back.

        Returns when the queue is there, so that nothing that is told from then on can miss it; raises `TransportError`
        where it does not come to be.
        """
        self._connection = await aio_pika.connect_robust(address(url))
        self._reading = asyncio.create_task(self._keep_reading(self._connection))
        try:
            async with asyncio.timeout(_BROKER_TIMEOUT):
                await self._begun.wait()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Take no more; see to what is in hand, within bounds."""
        self._stop.set()
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=_GRACE)
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        if self._connection is not None:
            await self._connection.close()

    async def _keep_reading(self, connection: AbstractRobustConnection) -> None:
        while not self._stop.is_set():
            try:
                with lost_is_not_cancelled():
                    await self._read(connection)
            except (*TransportError, _Lost) as reason:
                if not self._stop.is_set():
                    _log.warning("cannot read", queue=self._queue, reason=type(reason).__name__)
                await self._rest(_PAUSE)

    async def _read(self, connection: AbstractRobustConnection) -> None:
        """Read through one channel, as long as it lasts.

        aio-pika is not asked to restore it: whatever was in hand belongs to the channel that is gone.
        """
        async with asyncio.timeout(_BROKER_TIMEOUT):
            await connection.ready()
            channel = Channel(connection)
            await channel.initialize()
        arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        try:
            async with asyncio.timeout(_BROKER_TIMEOUT):
                underlay = cast("aiormq.Channel", await channel.get_underlay_channel())
                channel.close_callbacks.add(lambda *_: arrived.put_nowait(None))
                underlay.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
                await channel.set_qos(prefetch_count=2 * MOST)
                if self._users is BrokerUsers.SHARED:
                    await topology.declare_everything(channel, self._reader)
                consumer = (await underlay.basic_consume(self._queue, arrived.put)).consumer_tag
            self._begun.set()
            ending = asyncio.create_task(self._end(underlay, consumer, arrived))
            try:
                while batch := await _next(arrived):
                    began = time.perf_counter()
                    await self._see_to(batch, channel)
                    await underlay.basic_ack(cast("int", batch[-1].delivery_tag), multiple=True)
                    _SECONDS.observe(time.perf_counter() - began)
            finally:
                ending.cancel()
        finally:
            if not channel.is_closed:
                with suppress(*TransportError):
                    async with asyncio.timeout(_BROKER_TIMEOUT):
                        await channel.close()

    async def _end(
        self, underlay: aiormq.Channel, consumer: str | None, arrived: asyncio.Queue[DeliveredMessage | None]
    ) -> None:
        """At a shutdown, take no more: what has arrived by then is the last batch or two."""
        await self._stop.wait()
        with suppress(*TransportError):
            async with asyncio.timeout(_BROKER_TIMEOUT):
                await underlay.basic_cancel(consumer or "")
        arrived.put_nowait(None)

    async def _see_to(self, batch: Sequence[DeliveredMessage], channel: Channel) -> None:
        known: list[tuple[Arrival, Event]] = []
        for delivered in batch:
            arrival = Arrival(delivered, self._reader, self._users)
            try:
                known.append((arrival, arrival.event()))
            except Forged as forged:
                _log.critical("forged message is parked", queue=self._queue, told=str(forged))
                await self._park(arrival, channel, "forged", str(forged))
                _count(Outcome.FORGED, {arrival.label: 1})
            except ValueError as error:
                fields = wrong_fields(error)
                _log.error("malformed message is parked", queue=self._queue, fields=fields)
                await self._park(arrival, channel, "malformed", fields)
                _count(Outcome.MALFORMED, {arrival.label: 1})
        if known:
            await self._hand_over(known, channel)

    async def _hand_over(self, known: Sequence[tuple[Arrival, Event]], channel: Channel) -> None:
        """Have these events handled; where that meets a fault, each alone: one must not hold up the rest."""
        began = self._clock()
        fault = await self._handle([event for _, event in known], channel)
        if fault is None:
            for arrival, _ in known:
                tracing.was_read(self._queue, arrival.headers, began, self._clock())
            _count(Outcome.DONE, Counter(event.topic for _, event in known))
        elif len(known) == 1:
            await self._park(known[0][0], channel, "fault", fault)
            _count(Outcome.PARKED, {known[0][1].topic: 1})
        else:
            for one in known:
                await self._hand_over([one], channel)

    async def _handle(self, events: Sequence[Event], channel: Channel) -> str | None:
        """Have these events handled, however long the database is away; the name of the fault they meet, if any."""
        while True:
            try:
                await self._handler(events)
            except PyMongoError as reason:
                _log.warning("events wait for the database", events=len(events), reason=type(reason).__name__)
                await self._wait(channel)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the event that brings it is found and parked
                _log.error("fault", queue=self._queue, events=len(events), fault=type(fault).__name__, exc_info=fault)
                return type(fault).__name__
            else:
                return None

    async def _park(self, arrival: Arrival, channel: Channel, reason: str, detail: str) -> None:
        letter = arrival.letter()
        while True:
            try:
                await self._messenger.send(parked(letter, self._queue, reason, detail, self._clock()))
            except Unreachable as away:
                _log.warning("message waits for the broker", queue=self._queue, reason=str(away))
                await self._wait(channel)
            else:
                return

    async def _wait(self, channel: Channel) -> None:
        """Let a while go by before the next try. Raises `_Lost` where there is nothing to be tried any more."""
        await self._rest(topology.RETRY_DELAY.total_seconds())
        if channel.is_closed or self._stop.is_set():
            raise _Lost

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


async def _next(arrived: "asyncio.Queue[DeliveredMessage | None]") -> list[DeliveredMessage]:
    """The next batch: what comes within a moment of its first, up to `MOST`. Nothing where no more will come."""
    batch: list[DeliveredMessage] = []
    with suppress(TimeoutError):
        delivered = await arrived.get()
        async with asyncio.timeout(_LINGER):
            while delivered is not None:
                batch.append(delivered)
                if len(batch) == MOST:
                    return batch
                delivered = arrived.get_nowait() if arrived.qsize() else await arrived.get()
        if batch:
            arrived.put_nowait(None)
    return batch


def _count(outcome: Outcome, topics: dict[str, int]) -> None:
    for topic, number in topics.items():
        MESSAGES.labels(topic, outcome).inc(number)
