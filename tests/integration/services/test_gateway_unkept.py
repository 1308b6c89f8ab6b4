"""Recovery codes that are still to be kept, and the sessions of one user: in a real MongoDB, and in the doubles."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.sessions import Session, Sessions
from services.gateway.unkept import Unkept, is_one_of
from shared.contracts.vocabulary import AuthenticationMethod, FlowId, Service, TenantId
from shared.crypto.sealing import SealBroken
from shared.runtime.mongo import Database
from tests.component.gateway.fakes import FakeFlows, FakeSessions, FakeUnkept
from tests.examples import ADA, BOB, FLOW, NOON
from tests.fakes import ToldClock
from tests.keys import Keys

IDLE = timedelta(hours=1)
CODES = ["AAAA-BBBB-CCCC-DDDD", "EEEE-FFFF-GGGG-HHHH"]


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(NOON + timedelta(days=3650))


@pytest.fixture(params=["real", "fake"])
async def unkept(request: pytest.FixtureRequest, mongo_database: Database, clock: ToldClock, keys: Keys) -> Unkept:
    store = (
        Unkept(mongo_database, keys.sealer(), keys.opener(Service.GATEWAY), clock)
        if request.param == "real"
        else FakeUnkept(clock)
    )
    await store.prepare()
    return store


@pytest.fixture(params=["real", "fake"])
async def sessions(request: pytest.FixtureRequest, mongo_database: Database, clock: ToldClock) -> Sessions:
    real = request.param == "real"
    store = Sessions(mongo_database, clock, IDLE) if real else FakeSessions(clock, IDLE, FakeFlows(clock))
    await store.prepare()
    return store


@pytest.fixture
def session(clock: ToldClock) -> Session:
    return Session(
        token_hash="a digest",
        session_id="a session",
        flow_id=FLOW,
        tenant_id=ADA.tenant_id,
        user_id=ADA.user_id,
        username=ADA.username,
        display_name=ADA.display_name,
        amr=(AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
        assurance=2,
        chain=(),
        policy_revision=7,
        authenticated_at=clock(),
        expires_at=clock() + timedelta(hours=24),
        last_seen=clock(),
    )


async def test_codes_wait_for_the_session_in_which_they_were_made(unkept: Unkept, session: Session) -> None:
    await unkept.add(session, CODES)

    assert await unkept.of(session) == tuple(CODES)
    assert await unkept.of(replace(session, session_id="another session")) is None


async def test_codes_that_were_kept_are_forgotten(unkept: Unkept, session: Session) -> None:
    await unkept.add(session, CODES)

    await unkept.forget(session)

    assert await unkept.of(session) is None


async def test_codes_wait_for_an_hour(unkept: Unkept, session: Session, clock: ToldClock) -> None:
    await unkept.add(session, CODES)

    clock.pass_by(timedelta(hours=1))

    assert await unkept.of(session) is None


async def test_whoever_reads_the_database_learns_no_code_and_can_move_none(
    mongo_database: Database, clock: ToldClock, keys: Keys, session: Session
) -> None:
    unkept = Unkept(mongo_database, keys.sealer(), keys.opener(Service.GATEWAY), clock)
    await unkept.add(session, CODES)
    mine = replace(session, session_id="a session of the thief")
    found = await mongo_database["unkept_codes"].find_one({})
    assert found is not None

    await mongo_database["unkept_codes"].insert_one({**found, "_id": mine.session_id})

    assert CODES[0] not in repr(found)
    with pytest.raises(SealBroken):
        await unkept.of(mine)


def test_a_code_is_typed_back_as_people_type() -> None:
    assert is_one_of(" eeee ffff-gggghhhh", tuple(CODES))
    assert not is_one_of("EEEE-FFFF-GGGG-HHHA", tuple(CODES))
    assert not is_one_of("", tuple(CODES))


async def test_the_sessions_of_a_user_are_his_alone_and_none_that_is_over(
    sessions: Sessions, session: Session, clock: ToldClock
) -> None:
    def another(name: str, **changes: Any) -> Session:
        return replace(session, flow_id=FlowId(name), token_hash=name, session_id=name, **changes)

    later = another("2", authenticated_at=clock() + timedelta(minutes=1))
    for other in (
        session,
        later,
        another("3", user_id=BOB.user_id),
        another("4", tenant_id=TenantId("another tenant")),
        another("5", expires_at=clock()),
        another("6", last_seen=clock() - IDLE),
    ):
        await sessions.add(other)

    assert await sessions.of_user(ADA.tenant_id, ADA.user_id) == (later, session)


async def test_a_session_is_ended_by_its_name_by_its_owner_alone(sessions: Sessions, session: Session) -> None:
    await sessions.add(session)

    assert await sessions.end_of_user(ADA.tenant_id, BOB.user_id, session.session_id) is None
    assert await sessions.end_of_user(TenantId("another tenant"), ADA.user_id, session.session_id) is None
    assert await sessions.end_of_user(ADA.tenant_id, ADA.user_id, session.session_id) == session
    assert await sessions.of_token(session.token_hash) is None


async def test_new_codes_take_the_place_of_those_made_before_in_the_same_session(
    unkept: Unkept, session: Session
) -> None:
    await unkept.add(session, CODES)

    await unkept.add(session, ["IIII-JJJJ-KKKK-LLLL"])

    assert await unkept.of(session) == ("IIII-JJJJ-KKKK-LLLL",)
