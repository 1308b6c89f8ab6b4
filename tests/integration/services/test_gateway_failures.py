"""Failures by address, in a real MongoDB and in the fake that component tests use: the same in both."""

import asyncio
from datetime import timedelta

import pytest

from services.gateway.addresses import Addresses
from services.gateway.failures import Failures
from services.gateway.problems import Problem
from shared.contracts.auth import LoginFailed, LoginSucceeded
from shared.contracts.message import Event
from shared.contracts.vocabulary import LoginFailure
from shared.runtime.mongo import Database, Mongo, PyMongoError
from tests.component.gateway.fakes import FakeFailures
from tests.examples import ADA, FLOW, NOON
from tests.fakes import ToldClock

MOST, WITHIN = 5, timedelta(minutes=5)
FAILED = LoginFailed(occurred_at=NOON, flow_id=FLOW, reason=LoginFailure.UNKNOWN_USER)
SUCCEEDED = LoginSucceeded(
    occurred_at=NOON, flow_id=FLOW, **dict(ADA.named), username=ADA.username, display_name=ADA.display_name
)


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(NOON)


@pytest.fixture(params=["real", "fake"])
async def failures(request: pytest.FixtureRequest, mongo_database: Database, clock: ToldClock) -> Failures:
    real = request.param == "real"
    failures = Failures(mongo_database, clock, MOST, WITHIN) if real else FakeFailures(clock, MOST, WITHIN)
    await failures.prepare()
    return failures


async def attempt(failures: Failures, answer: Event = FAILED, address: str = "203.0.113.9") -> int | None:
    """Ask from an address; how long it must wait, where it must."""
    waits: list[int | None] = []

    async def app(*_: object) -> None:
        async def ask() -> Event:
            return answer

        try:
            await failures.judged(ask)
        except Problem as problem:
            waits.append(int((problem.headers or {})["Retry-After"]))
        else:
            waits.append(None)

    async def nothing(*_: object) -> None: ...

    scope = {"type": "http", "client": (address, 1), "headers": []}
    await Addresses(app)(scope, nothing, nothing)  # type: ignore[arg-type] # nothing is received or sent
    return waits[0]


async def test_so_many_failures_within_a_while_and_no_more_are_judged(failures: Failures, clock: ToldClock) -> None:
    for _ in range(MOST):
        assert await attempt(failures) is None
        clock.pass_by(timedelta(seconds=10))

    assert await attempt(failures) == 250
    assert await attempt(failures, address="203.0.113.10") is None
    clock.pass_by(timedelta(seconds=250))
    assert await attempt(failures) is None
    assert await attempt(failures) == 10


async def test_successes_cost_nothing(failures: Failures) -> None:
    for _ in range(MOST * 2):
        assert await attempt(failures, SUCCEEDED) is None


async def test_failures_at_once_are_all_counted_over_all_gateways(mongo_database: Database, clock: ToldClock) -> None:
    gateways = [Failures(mongo_database, clock, 20, WITHIN) for _ in range(2)]

    await asyncio.gather(*(attempt(gateways[number % 2]) for number in range(20)))

    assert await attempt(gateways[0]) == 300


async def test_while_the_database_is_away_nothing_is_judged(clock: ToldClock) -> None:
    # PyMongo's own client leaves a socket open where it is closed while it tries to connect.
    mongo = Mongo("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200&timeoutMS=200", "motor")
    failures = Failures(mongo.database("away"), clock, MOST, WITHIN)

    with pytest.raises(PyMongoError):
        await attempt(failures, SUCCEEDED)
    await mongo.close()
