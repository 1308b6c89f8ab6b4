"""Flows and sessions in a real MongoDB; and the doubles of the component tests, held to the same."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.flows import Flow, Flows, FlowState
from services.gateway.sessions import Session, Sessions
from shared.contracts.policy import EnforcementChanged, Link
from shared.contracts.vocabulary import Audience, AuthenticationMethod, AuthenticatorType, FlowId, Mode
from shared.runtime.mongo import Collection, Database, DuplicateKeyError, PyMongoError
from tests.component.gateway.fakes import FakeFlows, FakeSessions
from tests.examples import ADA, BOB, FLOW, NOON, OPEN_CUSTOMER
from tests.fakes import ToldClock

IDLE = timedelta(hours=1)
LATER = timedelta(days=3650)
"""Far ahead of the told noon: the database itself removes what is over by the time of this machine."""


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(NOON + LATER)


@pytest.fixture(params=["real", "fake"])
async def flows(request: pytest.FixtureRequest, mongo_database: Database, clock: ToldClock) -> Flows:
    store = Flows(mongo_database, clock) if request.param == "real" else FakeFlows(clock)
    await store.prepare()
    return store


@pytest.fixture
async def sessions(flows: Flows, mongo_database: Database, clock: ToldClock) -> Sessions:
    fake = isinstance(flows, FakeFlows)
    store = FakeSessions(clock, IDLE, flows) if fake else Sessions(mongo_database, clock, IDLE)
    await store.prepare()
    return store


class Overtaken:
    """A database in which somebody else writes between the look and the write of an upsert."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._meanwhile = meanwhile

    def __getitem__(self, name: str) -> Any:
        self._collection = self._database[name]
        return self

    async def update_one(self, query: Mapping[str, Any], update: Mapping[str, Any], *, upsert: bool = False) -> None:
        if upsert:
            await self._meanwhile()
            raise DuplicateKeyError("the key was free when the upsert looked")
        await self._collection.update_one(query, update)


class Unanswering:
    """A database that does what it is asked, and the answer is lost so many times."""

    def __init__(self, database: Database, times: int) -> None:
        self._database = database
        self._times = times

    def __getitem__(self, name: str) -> Any:
        return Silent(self._database[name], self._lose)

    def _lose(self) -> None:
        self._times -= 1
        if self._times >= 0:
            raise PyMongoError("the answer was lost")


class Silent:
    """One collection of it."""

    def __init__(self, collection: Collection, lose: Callable[[], None]) -> None:
        self._collection = collection
        self._lose = lose

    async def insert_one(self, document: Mapping[str, Any]) -> None:
        await self._collection.insert_one(dict(document))
        self._lose()

    async def replace_one(self, query: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        await self._collection.replace_one(query, dict(document))
        self._lose()

    async def delete_one(self, query: Mapping[str, Any]) -> None:
        self._lose()
        await self._collection.delete_one(query)


def flow(**changes: Any) -> Flow:
    told: dict[str, Any] = {
        "flow_id": FLOW,
        "token_hash": "a digest",
        "state": FlowState.OTP_REQUIRED,
        "tenant_id": ADA.tenant_id,
        "user_id": ADA.user_id,
        "expires_at": NOON + LATER + timedelta(minutes=15),
        "methods": (AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE),
    }
    return Flow(**told | changes)


def session(**changes: Any) -> Session:
    told: dict[str, Any] = {
        "token_hash": "a digest",
        "session_id": "a session",
        "flow_id": FLOW,
        "tenant_id": ADA.tenant_id,
        "user_id": ADA.user_id,
        "username": ADA.username,
        "display_name": ADA.display_name,
        "amr": (AuthenticationMethod.PASSWORD,),
        "assurance": 1,
        "chain": (Link(tenant_id=ADA.tenant_id, audience=Audience.STAFF, mode=Mode.OPTIONAL, revision=7),),
        "policy_revision": 7,
        "authenticated_at": NOON + LATER,
        "expires_at": NOON + LATER + timedelta(days=1),
        "last_seen": NOON + LATER,
    }
    return Session(**told | changes)


def changed(after: Mode, revision: int) -> EnforcementChanged:
    return EnforcementChanged(
        occurred_at=NOON, tenant_id=ADA.tenant_id, before=Mode.OPTIONAL, after=after, policy_revision=revision
    )


async def test_a_flow_comes_back_as_it_was_kept(flows: Flows) -> None:
    kept = flow(state=FlowState.ENROLLMENT_REQUIRED, skippable_until=NOON + LATER, methods=())

    await flows.add(kept)

    assert await flows.of_token("a digest") == kept
    assert await flows.of_token("another digest") is None


async def test_a_flow_is_over_before_the_database_has_removed_it(flows: Flows, clock: ToldClock) -> None:
    await flows.add(flow())

    clock.pass_by(timedelta(minutes=15))

    assert await flows.of_token("a digest") is None


async def test_a_flow_moves_to_its_next_step(flows: Flows) -> None:
    before, after = flow(), flow(state=FlowState.ENROLLMENT_REQUIRED, methods=())
    await flows.add(before)

    await flows.move(before, after)

    assert await flows.of_token("a digest") == after


async def test_a_flow_that_was_moved_meanwhile_is_not_moved_again(flows: Flows) -> None:
    stale, now = flow(state=FlowState.ENROLLMENT_REQUIRED, methods=()), flow()
    await flows.add(now)

    await flows.move(stale, replace(stale, skippable_until=NOON + LATER))

    assert await flows.of_token("a digest") == now


async def test_a_flow_that_was_ended_is_not_moved_back_to_life(flows: Flows) -> None:
    await flows.move(flow(), flow(state=FlowState.ENROLLMENT_REQUIRED))

    assert await flows.of_token("a digest") is None


async def test_a_flow_becomes_a_session_and_is_no_more(flows: Flows, sessions: Sessions) -> None:
    await flows.add(flow())

    assert await sessions.grant(flow(), session(token_hash="another digest"))

    assert await flows.of_token("a digest") is None
    assert await sessions.of_token("another digest") == session(token_hash="another digest")


async def test_of_fifty_who_finish_a_flow_at_once_one_alone_is_signed_in(flows: Flows, sessions: Sessions) -> None:
    await flows.add(flow())

    granted = await asyncio.gather(
        *(sessions.grant(flow(), session(token_hash=f"digest {number}")) for number in range(50))
    )

    assert granted.count(True) == 1
    assert len(await sessions.of_user(ADA.tenant_id, ADA.user_id)) == 1


async def test_a_flow_that_is_over_becomes_no_session(flows: Flows, sessions: Sessions, clock: ToldClock) -> None:
    await flows.add(flow())

    clock.pass_by(timedelta(minutes=15))

    assert not await sessions.grant(flow(), session())
    assert await sessions.of_user(ADA.tenant_id, ADA.user_id) == ()


async def test_the_token_of_a_flow_opens_no_session_and_that_of_a_session_no_flow(
    flows: Flows, sessions: Sessions
) -> None:
    await flows.add(flow(token_hash="of a flow"))
    await sessions.add(session(flow_id=FlowId("another"), token_hash="of a session"))

    assert await sessions.of_token("of a flow") is None
    assert await sessions.end("of a flow") is None
    assert await flows.of_token("of a session") is None
    assert await flows.abandon("of a session") is None
    assert len(await sessions.of_user(ADA.tenant_id, ADA.user_id)) == 1


async def test_ending_all_other_sessions_leaves_logins_in_progress_alone(flows: Flows, sessions: Sessions) -> None:
    await flows.add(flow())
    here = session(flow_id=FlowId("another"))
    await sessions.add(here)

    assert await sessions.end_others(here) == ()
    assert await flows.of_token("a digest") == flow()


@pytest.mark.parametrize(
    "stale",
    [{"state": FlowState.ENROLLMENT_REQUIRED}, {"tenant_id": OPEN_CUSTOMER}, {"flow_id": FlowId("another")}],
    ids=lambda stale: next(iter(stale)),
)
async def test_a_flow_becomes_a_session_only_as_what_it_was_judged(
    flows: Flows, sessions: Sessions, stale: dict[str, Any]
) -> None:
    await flows.add(flow())

    assert not await sessions.grant(flow(**stale), session())
    assert await flows.of_token("a digest") == flow()
    assert await sessions.of_token("a digest") is None


async def test_a_flow_that_is_given_up_is_gone_and_no_other(flows: Flows) -> None:
    await flows.add(flow())
    await flows.add(flow(flow_id=FlowId("another"), token_hash="another digest"))

    abandoned = await flows.abandon("a digest")

    assert abandoned == flow()
    assert await flows.abandon("a digest") is None
    assert await flows.of_token("a digest") is None
    assert await flows.of_token("another digest") is not None


async def test_no_two_flows_have_one_token(mongo_database: Database, clock: ToldClock) -> None:
    flows = Flows(mongo_database, clock)
    await flows.prepare()
    await flows.add(flow())

    with pytest.raises(DuplicateKeyError):
        await flows.add(flow(flow_id=FlowId("another")))


async def test_a_session_comes_back_as_it_was_kept(sessions: Sessions) -> None:
    await sessions.add(session())

    assert await sessions.of_token("a digest") == session()
    assert await sessions.of_token("another digest") is None


async def test_a_session_that_is_used_lasts_to_its_end_and_no_longer(sessions: Sessions, clock: ToldClock) -> None:
    await sessions.add(session(expires_at=NOON + LATER + timedelta(minutes=150)))

    for _ in range(2):
        clock.pass_by(timedelta(minutes=59))
        assert await sessions.of_token("a digest") is not None
    clock.pass_by(timedelta(minutes=32))

    assert await sessions.of_token("a digest") is None


async def test_a_session_that_is_not_used_is_over(sessions: Sessions, clock: ToldClock) -> None:
    await sessions.add(session())

    clock.pass_by(IDLE)

    assert await sessions.of_token("a digest") is None


async def test_the_last_use_is_written_once_a_minute(sessions: Sessions, clock: ToldClock) -> None:
    await sessions.add(session())

    clock.pass_by(timedelta(seconds=59))
    await sessions.of_token("a digest")
    after_a_moment = await sessions.of_token("a digest")
    clock.pass_by(timedelta(seconds=1))
    await sessions.of_token("a digest")
    after_a_minute = await sessions.of_token("a digest")

    assert after_a_moment is not None
    assert after_a_moment.last_seen == NOON + LATER
    assert after_a_minute is not None
    assert after_a_minute.last_seen == NOON + LATER + timedelta(minutes=1)


async def test_a_session_in_use_goes_on_however_soon_one_out_of_use_ends(
    mongo_database: Database, clock: ToldClock
) -> None:
    sessions = Sessions(mongo_database, clock, timedelta(seconds=30))
    await sessions.add(session())

    for _ in range(10):
        clock.pass_by(timedelta(seconds=10))
        assert await sessions.of_token("a digest") is not None

    clock.pass_by(timedelta(seconds=30))
    assert await sessions.of_token("a digest") is None


async def test_a_session_that_was_ended_is_gone(sessions: Sessions) -> None:
    await sessions.add(session())

    ended = await sessions.end("a digest")

    assert ended == session()
    assert await sessions.end("a digest") is None
    assert await sessions.of_token("a digest") is None


async def test_a_demand_holds_sessions_that_were_granted_before_it(sessions: Sessions) -> None:
    await sessions.note(changed(Mode.REQUIRED, 8))

    assert await sessions.must_step_up(session(policy_revision=7))
    assert not await sessions.must_step_up(session(policy_revision=8))
    assert not await sessions.must_step_up(session(assurance=2))
    assert not await sessions.must_step_up(session(tenant_id=BOB.tenant_id))


@pytest.mark.parametrize(("newest", "steps_up"), [(Mode.REQUIRED, True), (Mode.OPTIONAL, False)])
async def test_the_newest_change_counts_in_whatever_order_and_however_often_they_come(
    sessions: Sessions, newest: Mode, *, steps_up: bool
) -> None:
    older = Mode.OPTIONAL if newest is Mode.REQUIRED else Mode.REQUIRED

    for event in (changed(newest, 9), changed(older, 8), changed(newest, 9), changed(older, 8)):
        await sessions.note(event)

    assert await sessions.must_step_up(session()) is steps_up


async def test_of_two_first_changes_that_come_at_once_the_newer_counts(
    mongo_database: Database, clock: ToldClock
) -> None:
    other = Sessions(mongo_database, clock, IDLE)
    raced = Sessions(Overtaken(mongo_database, lambda: other.note(changed(Mode.OPTIONAL, 8))), clock, IDLE)

    await raced.note(changed(Mode.REQUIRED, 9))

    assert await other.must_step_up(session())


async def test_what_is_over_is_removed_by_the_database_itself(mongo_database: Database, clock: ToldClock) -> None:
    await Flows(mongo_database, clock).prepare()
    await Sessions(mongo_database, clock, IDLE).prepare()

    indexes: Any = mongo_database["logins"]
    described = await indexes.index_information()
    assert described["expires_at_1"]["expireAfterSeconds"] == 0


async def test_a_renewed_session_stands_under_its_new_token_alone(sessions: Sessions) -> None:
    before = session()
    after = replace(before, token_hash="another digest", assurance=2)
    await sessions.add(before)

    assert await sessions.renew(before, after)

    assert await sessions.of_token("a digest") is None
    assert await sessions.of_token("another digest") == after
    assert await sessions.of_user(ADA.tenant_id, ADA.user_id) == (after,)


async def test_a_session_that_was_ended_is_not_renewed_back_to_life(sessions: Sessions) -> None:
    before = session()

    assert not await sessions.renew(before, replace(before, token_hash="another digest"))

    assert await sessions.of_user(ADA.tenant_id, ADA.user_id) == ()


async def test_of_ten_who_renew_a_session_at_once_one_alone_has_a_token(sessions: Sessions) -> None:
    before = session()
    await sessions.add(before)

    renewed = await asyncio.gather(
        *(sessions.renew(before, replace(before, token_hash=f"digest {number}")) for number in range(10))
    )

    assert sum(renewed) == 1
    assert len(await sessions.of_user(ADA.tenant_id, ADA.user_id)) == 1


async def test_no_two_sessions_have_one_token(mongo_database: Database, clock: ToldClock) -> None:
    sessions = Sessions(mongo_database, clock, IDLE)
    await sessions.prepare()
    await sessions.add(session())

    with pytest.raises(DuplicateKeyError):
        await sessions.add(session(flow_id=FlowId("another")))


async def test_all_others_of_this_user_in_this_account_are_ended(sessions: Sessions) -> None:
    here = session()
    strangers = (
        session(flow_id=FlowId("his"), token_hash="of bob", session_id="his", user_id=BOB.user_id),
        session(
            flow_id=FlowId("there"), token_hash="of another account", session_id="elsewhere", tenant_id=OPEN_CUSTOMER
        ),
    )
    hers = session(flow_id=FlowId("another"), token_hash="hers", session_id="another of hers")
    for one in (here, hers, *strangers):
        await sessions.add(one)

    assert await sessions.end_others(here) == (hers,)

    assert await sessions.of_token("hers") is None
    for one in (here, *strangers):
        assert await sessions.of_token(one.token_hash) == one


async def test_all_that_a_user_has_open_in_this_account_is_ended_and_nothing_of_others(
    flows: Flows, sessions: Sessions
) -> None:
    his, anothers = flow(), flow(flow_id=FlowId("bobs"), token_hash="bobs", user_id=BOB.user_id)
    here = session(flow_id=FlowId("here"))
    there = session(flow_id=FlowId("there"), token_hash="there", session_id="elsewhere", tenant_id=OPEN_CUSTOMER)
    for one in (his, anothers):
        await flows.add(one)
    for signed_in in (here, there):
        await sessions.add(signed_in)

    assert await flows.abandon_all(ADA.tenant_id, ADA.user_id) == (his,)
    assert await sessions.end_all(ADA.tenant_id, ADA.user_id) == (here,)

    assert await flows.of_token("a digest") is None
    assert await flows.of_token("bobs") == anothers
    assert await sessions.of_token("a digest") is None
    assert await sessions.of_token("there") == there


@pytest.mark.parametrize(("revision", "mode"), [(7, Mode.OPTIONAL), (8, Mode.REQUIRED)])
async def test_the_mode_to_show_is_the_latest_that_was_heard(sessions: Sessions, revision: int, mode: Mode) -> None:
    assert await sessions.mode_for(session()) is Mode.OPTIONAL

    await sessions.note(changed(Mode.REQUIRED, revision))

    assert await sessions.mode_for(session()) is mode


async def test_a_session_of_which_it_is_not_known_whether_it_was_kept_is_not_kept(
    mongo_database: Database, clock: ToldClock
) -> None:
    with pytest.raises(PyMongoError):
        await unanswered(mongo_database, clock).add(session())

    await comes_true(lambda: mongo_database["logins"].find_one({}), None)


async def test_a_flow_of_which_it_is_not_known_whether_it_became_a_session_goes_on(
    mongo_database: Database, clock: ToldClock
) -> None:
    flows, sessions = Flows(mongo_database, clock), Sessions(mongo_database, clock, IDLE)
    await flows.add(flow())

    with pytest.raises(PyMongoError):
        await unanswered(mongo_database, clock).grant(flow(), session(token_hash="another digest"))

    await comes_true(lambda: flows.of_token("a digest"), flow())
    assert await sessions.of_user(ADA.tenant_id, ADA.user_id) == ()


async def test_a_session_of_which_it_is_not_known_whether_it_was_renewed_goes_on_under_its_old_token(
    mongo_database: Database, clock: ToldClock
) -> None:
    sessions = Sessions(mongo_database, clock, IDLE)
    before = session()
    await sessions.add(before)

    with pytest.raises(PyMongoError):
        await unanswered(mongo_database, clock).renew(before, replace(before, token_hash="another digest", assurance=2))

    await comes_true(lambda: sessions.of_token("a digest"), before)
    assert await sessions.of_token("another digest") is None


async def test_a_session_of_which_it_is_not_known_whether_it_was_renewed_was_used_when_its_user_tried_to(
    mongo_database: Database, clock: ToldClock
) -> None:
    sessions = Sessions(mongo_database, clock, IDLE)
    before = session(last_seen=clock() - timedelta(minutes=59))
    after = replace(before, token_hash="another digest", last_seen=clock())
    await sessions.add(before)

    with pytest.raises(PyMongoError):
        await unanswered(mongo_database, clock).renew(before, after)
    clock.pass_by(timedelta(minutes=2))

    await comes_true(lambda: sessions.of_token("a digest"), replace(before, last_seen=clock()))


def unanswered(database: Database, clock: ToldClock) -> Sessions:
    """Sessions in a database that does the first thing that it is asked, and says so of the third undoing at last."""
    return Sessions(Unanswering(database, times=3), clock, IDLE, pause=0.01)  # type: ignore[arg-type] # as much of one as is asked for


async def comes_true(look: Callable[[], Awaitable[Any]], expected: object) -> None:
    async with asyncio.timeout(10):
        while True:
            if await look() == expected:
                return
            await asyncio.sleep(0.01)
