"""Every event, in batches, on a real broker: seen to once and in order, or kept, or parked. Never lost."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.contracts.auth import LoginFailed
from shared.contracts.message import Event
from shared.contracts.policy import AccessGranted
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.mongo import PyMongoError
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from shared.runtime.topology import EVENTS, PARKED, RETRY_DELAY, everything_queue
from tests.broker import Broker
from tests.examples import FLOW, NOON
from tests.servers import MortalBroker
from tests.serving import serving

CANARY = "canary-90c41d"
ID = {"x-message-id": str(uuid4())}
QUEUE, _ = everything_queue(Service.AUDIT)

Handle = Callable[[Sequence[Event]], Awaitable[None]]


class Trail:
    """Keeps what it hears; a test waits until it has heard so many events."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self._heard = asyncio.Condition()

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    async def hear(self, events: Sequence[Event]) -> None:
        async with self._heard:
            self.batches.append(list(events))
            self._heard.notify_all()

    async def has_heard(self, number: int) -> None:
        async with asyncio.timeout(20), self._heard:
            await self._heard.wait_for(lambda: len(self.events) >= number)


def audit(handle: Handle) -> Router:
    router = Router(Service.AUDIT)
    router.hears_everything(handle)
    return router


def failed(flow: str = FLOW) -> LoginFailed:
    return LoginFailed(occurred_at=NOON, flow_id=FlowId(flow), reason=LoginFailure.UNKNOWN_USER)


async def test_many_events_come_in_few_batches_and_in_their_order(broker: Broker, settings: Keyholder) -> None:
    told = [failed(str(number)) for number in range(1_200)]
    trail = Trail()

    async with serving(audit(trail.hear), settings=settings):
        await asyncio.gather(*(broker.send(event) for event in told))
        await trail.has_heard(len(told))

    assert trail.events == told
    assert len(trail.batches) < 60
    assert max(len(batch) for batch in trail.batches) <= 500
    assert await broker.count(QUEUE) == 0


async def test_one_event_alone_does_not_wait_for_a_batch(broker: Broker, settings: Keyholder) -> None:
    trail = Trail()

    async with serving(audit(trail.hear), settings=settings):
        await broker.send(failed())
        await trail.has_heard(1)

    assert [len(batch) for batch in trail.batches] == [1]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (LoginFailed.topic, f"{CANARY} is no JSON".encode()),
        (LoginFailed.topic, f'{{"flow_id": ["{CANARY}"]}}'.encode()),
        (LoginFailed.topic, b"\xff\xfe" + CANARY.encode()),
        (LoginFailed.topic, failed(CANARY).model_dump_json(exclude={"id"}).encode()),
        (LoginFailed.topic, failed(CANARY + "x" * 5_000_000).model_dump_json().encode()),
        (LoginFailed.topic, b'{"flow_id":' + b"[" * 100_000),
        ("nobody.knows.v1", failed(CANARY).model_dump_json().encode()),
    ],
    ids=["no JSON", "other fields", "no text", "no id", "too large", "too deep", "an unknown kind"],
)
async def test_a_malformed_event_is_parked_at_once_and_those_beside_it_are_seen_to(
    broker: Broker, settings: Keyholder, log: io.StringIO, topic: str, body: bytes
) -> None:
    trail = Trail()
    before, after = failed("before"), failed("after")

    async with serving(audit(trail.hear), settings=settings), broker.hearing(exchange=PARKED) as parked:
        await broker.send(before)
        await broker.put(EVENTS, topic, body, headers={"x-message-id": str(uuid4())}, correlation_id=FLOW)
        await broker.send(after)
        found = await parked.next()
        await trail.has_heard(2)

    assert trail.events == [before, after]
    assert found.body == body
    assert (found.headers["x-parked-reason"], found.headers["x-parked-queue"]) == ("malformed", QUEUE)
    assert found.headers["x-topic"] == topic
    assert CANARY not in log.getvalue()
    assert await broker.count(QUEUE) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x-topic": AccessGranted.topic},
        {"x-death": [{"routing-keys": [AccessGranted.topic]}]},
        {"x-death": [{"routing-keys": 7}]},
    ],
    ids=["a topic", "a death", "a death that is none"],
)
async def test_no_header_makes_an_event_another_than_it_was_told_as(
    broker: Broker, settings: Keyholder, headers: dict[str, Any]
) -> None:
    trail = Trail()
    told = failed()

    async with serving(audit(trail.hear), settings=settings):
        await broker.put(EVENTS, told.topic, told.model_dump_json().encode(), headers=ID | headers)
        await trail.has_heard(1)

    assert trail.events == [told]


async def test_while_the_database_is_away_events_wait_and_are_not_tried_in_haste(
    broker: Broker, settings: Keyholder
) -> None:
    trail = Trail()
    tries: list[float] = []
    clock = asyncio.get_running_loop().time
    told = [failed(str(number)) for number in range(5)]

    async def hear(events: Sequence[Event]) -> None:
        tries.append(clock())
        if len(tries) == 1:
            raise PyMongoError("away")
        await trail.hear(events)

    async with serving(audit(hear), settings=settings):
        await asyncio.gather(*(broker.send(event) for event in told))
        await trail.has_heard(len(told))

    assert tries[1] - tries[0] >= RETRY_DELAY.total_seconds()
    assert sorted(event.id for event in trail.events) == sorted(event.id for event in told)
    assert await broker.count(QUEUE) == await broker.count(PARKED) == 0


async def test_a_shutdown_while_the_database_is_away_leaves_the_events_in_the_queue(
    broker: Broker, settings: Keyholder
) -> None:
    tried = asyncio.Event()
    trail = Trail()
    event = failed()

    async def away(_: Sequence[Event]) -> None:
        tried.set()
        raise PyMongoError("away")

    async with serving(audit(away), settings=settings):
        await broker.send(event)
        await tried.wait()
    async with serving(audit(trail.hear), settings=settings):
        await trail.has_heard(1)

    assert trail.events == [event]


async def test_an_event_that_brings_a_fault_is_parked_and_those_beside_it_are_seen_to(
    broker: Broker, settings: Keyholder
) -> None:
    trail = Trail()
    told = [failed(str(number)) for number in range(4)]

    async def hear(events: Sequence[Event]) -> None:
        if told[2] in events:
            raise OverflowError
        await trail.hear(events)

    async with serving(audit(hear), settings=settings), broker.hearing(exchange=PARKED) as parked:
        for event in told:
            await broker.send(event)
        found = await parked.next()
        await trail.has_heard(3)

    assert LoginFailed.model_validate_json(found.body) == told[2]
    assert (found.headers["x-parked-reason"], found.headers["x-parked-detail"]) == ("fault", "OverflowError")
    assert trail.events == [told[0], told[1], told[3]]
    assert await broker.count(QUEUE) == 0


async def test_a_parked_event_that_is_sent_to_the_queue_again_is_what_it_was(
    broker: Broker, settings: Keyholder
) -> None:
    trail = Trail()
    event = failed()
    headers = {"x-message-id": str(event.id), "x-topic": event.topic}

    async with serving(audit(trail.hear), settings=settings):
        await broker.put("", QUEUE, event.model_dump_json().encode(), headers=headers)
        await trail.has_heard(1)

    assert trail.events == [event]


async def test_one_instance_reads_at_a_time_and_another_takes_over(broker: Broker, settings: Keyholder) -> None:
    one, other = Trail(), Trail()
    told = [failed(str(number)) for number in range(40)]

    async with serving(audit(one.hear), settings=settings):
        async with asyncio.timeout(10):
            await broker.send(told[0])
            await one.has_heard(1)
        async with serving(audit(other.hear), settings=settings):
            for event in told[1:20]:
                await broker.send(event)
            await one.has_heard(20)
            assert other.events == []
    async with serving(audit(other.hear), settings=settings):
        for event in told[20:]:
            await broker.send(event)
        await other.has_heard(20)

    assert one.events == told[:20]
    assert other.events == told[20:]


async def test_when_the_reading_instance_goes_the_one_that_stands_by_goes_on(
    broker: Broker, settings: Keyholder
) -> None:
    one, other = Trail(), Trail()
    first, second = failed("first"), failed("second")
    leave, left = asyncio.Event(), asyncio.Event()

    async def reading() -> None:
        async with serving(audit(one.hear), settings=settings):
            await broker.send(first)
            await one.has_heard(1)
            await leave.wait()
        left.set()

    reader = asyncio.create_task(reading())
    await one.has_heard(1)
    async with serving(audit(other.hear), settings=settings):
        leave.set()
        await left.wait()
        await broker.send(second)
        await other.has_heard(1)
    await reader

    assert (one.events, other.events) == ([first], [second])


async def test_what_was_told_before_the_broker_was_killed_is_seen_to_when_it_is_back(
    settings: Keyholder, mortal_broker: MortalBroker
) -> None:
    on_it = settings.model_copy(update={"rabbitmq_url": SecretStr(mortal_broker.url)})
    trail = Trail()
    told = [failed(str(number)) for number in range(50)]
    hold, holding = asyncio.Event(), asyncio.Event()

    async def hear(events: Sequence[Event]) -> None:
        holding.set()
        await hold.wait()
        await trail.hear(events)

    async with serving(audit(hear), settings=on_it) as wire:
        await wire.send(Letter.of(told[0], Envelope(FLOW)))
        await holding.wait()
        await asyncio.gather(*(wire.send(Letter.of(event, Envelope(FLOW))) for event in told[1:]))
        await mortal_broker.kill()
        await mortal_broker.start()
        hold.set()
        async with asyncio.timeout(30):
            while {event.id for event in trail.events} != {event.id for event in told}:
                await trail.has_heard(len(trail.events) + 1)
