"""The outbox: what is committed is told, at once or by whoever lives, in order, with the conversation it belongs to."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.contracts.enrollment import EnrollmentConfirmed
from shared.contracts.message import Event, MessageId
from shared.contracts.policy import EnforcementChanged
from shared.contracts.vocabulary import Mode, TenantId
from shared.runtime.messaging import Envelope, Forbidden, Letter, RabbitMessenger, Unreachable, conversing
from shared.runtime.mongo import Collection, Database
from shared.runtime.origin import BrokerUsers
from shared.runtime.outbox import Outbox, relay
from tests.broker import Broker
from tests.examples import FLOW, NOON, VENDOR, messages
from tests.fakes import FakeMessenger, ToldClock

SWEEP = timedelta(seconds=5)


@pytest.fixture
def accounts(mongo_database: Database) -> Collection:
    return mongo_database["accounts"]


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(NOON)


def changed(revision: int, tenant_id: TenantId = VENDOR) -> EnforcementChanged:
    return EnforcementChanged(
        occurred_at=NOON, tenant_id=tenant_id, before=Mode.OPTIONAL, after=Mode.REQUIRED, policy_revision=revision
    )


async def commit(outbox: Outbox, accounts: Collection, *events: Event, document: str = VENDOR) -> None:
    """One write: the state and what is told of it."""
    update = {"$set": {"state": "changed"}, **outbox.entries(*events)}
    await accounts.update_one({"_id": document}, update, upsert=True)


def revisions(messenger: FakeMessenger) -> list[int]:
    return [EnforcementChanged.model_validate_json(letter.body).policy_revision for letter in messenger.letters]


async def test_what_was_committed_before_a_crash_is_told_by_the_living_with_its_conversation(
    broker: Broker, accounts: Collection, clock: ToldClock
) -> None:
    dead, told = Outbox(accounts, FakeMessenger(), clock), messages()[EnrollmentConfirmed.topic]
    assert isinstance(told, EnrollmentConfirmed)
    cause = MessageId(uuid4())
    with conversing(Envelope(FLOW, cause, reply_to="a caller", attempt="the third", deadline=NOON)):
        await commit(dead, accounts, told)

    messenger = RabbitMessenger(BrokerUsers.SHARED)
    await messenger.open(broker.url)
    living = Outbox(accounts, messenger, clock)
    async with broker.hearing(EnrollmentConfirmed.topic) as heard:
        clock.pass_by(SWEEP)
        swept = await living.sweep(older_than=SWEEP)
        found = await heard.next()
    await messenger.close()

    assert swept == 1
    assert EnrollmentConfirmed.model_validate_json(found.body) == told.caused_by(cause)
    assert found.headers["x-message-id"] == str(told.caused_by(cause).id)
    assert found.headers["x-attempt"] == "the third"
    assert (found.correlation_id, found.reply_to) == (FLOW, "a caller")
    assert await accounts.find_one({"_id": VENDOR}) == {"_id": VENDOR, "state": "changed"}


async def test_what_is_told_at_once_is_struck_out(accounts: Collection, clock: ToldClock) -> None:
    messenger = FakeMessenger()
    outbox = Outbox(accounts, messenger, clock)
    await commit(outbox, accounts, changed(1))

    await outbox.deliver(VENDOR)
    await outbox.deliver(VENDOR)

    assert revisions(messenger) == [1]
    assert await outbox.sweep() == 0


async def test_while_the_broker_is_away_nothing_is_lost_and_the_order_stays(
    accounts: Collection, clock: ToldClock
) -> None:
    messenger = FakeMessenger()
    outbox = Outbox(accounts, messenger, clock)
    messenger.is_away = True

    for revision in (1, 2, 3):
        await commit(outbox, accounts, changed(revision))
        with pytest.raises(Unreachable):
            await outbox.deliver(VENDOR)
    messenger.is_away = False
    await outbox.deliver(VENDOR)

    assert revisions(messenger) == [1, 2, 3]
    assert await outbox.sweep() == 0


async def test_what_cannot_be_told_keeps_nothing_else_from_being_struck_out(
    accounts: Collection, clock: ToldClock
) -> None:
    class Strict(FakeMessenger):
        async def send(self, letter: Letter) -> None:
            if EnforcementChanged.model_validate_json(letter.body).policy_revision == 2:
                raise Forbidden("not this one")
            await super().send(letter)

    messenger = Strict()
    outbox = Outbox(accounts, messenger, clock)
    for revision in (1, 2, 3):
        await commit(outbox, accounts, changed(revision), document=f"tenant-{revision}")

    for _ in range(2):
        with pytest.raises(Forbidden):
            await outbox.sweep()

    assert sorted(revisions(messenger)) == [1, 3]
    assert [document["_id"] async for document in accounts.find({"outbox": {"$exists": True}})] == ["tenant-2"]


async def test_what_is_committed_while_the_outbox_is_emptied_is_not_struck_out_untold(
    accounts: Collection, clock: ToldClock
) -> None:
    class Interrupted(FakeMessenger):
        async def send(self, letter: Letter) -> None:
            await super().send(letter)
            if len(self.letters) == 1:
                await commit(outbox, accounts, changed(2))

    messenger = Interrupted()
    outbox = Outbox(accounts, messenger, clock)
    await commit(outbox, accounts, changed(1))

    await outbox.deliver(VENDOR)
    await outbox.deliver(VENDOR)

    assert revisions(messenger) == [1, 2]


async def test_the_relay_leaves_alone_what_is_just_being_told(accounts: Collection, clock: ToldClock) -> None:
    messenger = FakeMessenger()
    outbox = Outbox(accounts, messenger, clock)
    await commit(outbox, accounts, changed(1))

    clock.pass_by(SWEEP - timedelta(milliseconds=1))
    too_early = await outbox.sweep(older_than=SWEEP)
    clock.pass_by(timedelta(milliseconds=1))
    in_time = await outbox.sweep(older_than=SWEEP)

    assert (too_early, in_time) == (0, 1)
    assert revisions(messenger) == [1]


async def test_the_relay_empties_more_documents_than_it_takes_at_a_time_and_outlives_a_broker_that_is_away(
    accounts: Collection, clock: ToldClock
) -> None:
    messenger = FakeMessenger()
    outbox = Outbox(accounts, messenger, clock)
    tenants = [TenantId(f"tenant-{number}") for number in range(450)]
    for number, tenant_id in enumerate(tenants):
        await commit(outbox, accounts, changed(number, tenant_id), document=tenant_id)
    pauses = 0

    async def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        messenger.is_away = pauses == 1
        clock.pass_by(SWEEP)
        if pauses == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await relay([outbox], SWEEP, pause)

    assert sorted(revisions(messenger)) == list(range(450))
    assert await outbox.sweep() == 0


async def test_an_event_that_is_not_kept_stays_out(accounts: Collection, clock: ToldClock) -> None:
    outbox = Outbox(accounts, FakeMessenger(), clock)
    not_kept = messages()["otp.verified.v1"]
    assert isinstance(not_kept, Event)

    assert outbox.entries(not_kept) == {}
