"""The period of grace over a real MongoDB: begun once, never reopened, never extended."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.policy.domain.decision import Grace, Standing
from shared.contracts.policy import (
    EnrollmentRequired,
    Rule,
)
from shared.contracts.refusals import EnrollmentIsRequired, WrongState
from shared.contracts.vocabulary import (
    Mode,
)
from shared.runtime.mongo import Database, Mongo
from tests.examples import (
    ADA,
    BOB,
    CLARA,
    FLOW,
    GRACE_CUSTOMER,
    OPTIONAL,
    VENDOR,
    tenant,
)
from tests.integration.services.policy_at_work import DAY, NOON, WEEK, Policy, another_flow, grant


@pytest.fixture
async def policy(mongo: Mongo, mongo_database: Database) -> Policy:
    return await Policy.over(mongo_database, mongo)


async def test_the_first_login_begins_the_grace_and_it_can_be_used_until_its_end(policy: Policy) -> None:
    first = await policy.hear(policy.login(CLARA))
    policy.clock.pass_by(timedelta(minutes=5))
    granted = grant(await policy.hear(policy.skip(CLARA)))

    assert isinstance(first, EnrollmentRequired)
    assert first.skippable_until == NOON + WEEK
    assert (granted.amr, granted.assurance, granted.granted_until) == (("pwd",), 1, NOON + WEEK)
    assert (await policy.flow(FLOW))["decision"]["grace_until"] == NOON + WEEK


async def test_another_login_or_a_redelivered_one_does_not_begin_the_grace_anew(policy: Policy) -> None:
    login = policy.login(CLARA)
    await policy.hear(login)
    policy.clock.pass_by(3 * DAY)

    for message in (login.model_copy(update={"flow_id": another_flow()}), policy.login(CLARA, another_flow())):
        told = await policy.hear(message)
        assert isinstance(told, EnrollmentRequired)
        assert told.skippable_until == NOON + WEEK


async def test_no_change_of_policy_opens_a_grace_that_is_over(policy: Policy) -> None:
    await policy.hear(policy.login(CLARA))
    policy.clock.pass_by(WEEK)
    flow = another_flow()

    for rule in (OPTIONAL, Rule(mode=Mode.REQUIRED, grace_days=365)):
        await policy.take(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=rule))
        told = await policy.hear(policy.login(CLARA, flow))

    assert isinstance(told, EnrollmentRequired)
    assert told.skippable_until is None
    with pytest.raises(EnrollmentIsRequired):
        await policy.hear(policy.skip(CLARA, flow))


async def test_a_grace_that_was_shortened_for_a_user_stays_short(policy: Policy) -> None:
    await policy.hear(policy.login(CLARA))
    await policy.take(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=Rule(mode=Mode.REQUIRED, grace_days=2)))
    await policy.hear(policy.skip(CLARA))
    await policy.take(tenant(GRACE_CUSTOMER, parent=VENDOR, staff=Rule(mode=Mode.REQUIRED, grace_days=30)))

    told = await policy.hear(policy.login(CLARA, another_flow()))

    assert isinstance(told, EnrollmentRequired)
    assert told.skippable_until == NOON + 2 * DAY


async def test_first_logins_at_once_have_one_deadline(policy: Policy) -> None:
    twin = policy.twin()

    told = await asyncio.gather(
        *(each.hear(policy.login(CLARA, another_flow())) for _ in range(10) for each in (policy, twin))
    )

    assert {answer.skippable_until for answer in told if isinstance(answer, EnrollmentRequired)} == {NOON + WEEK}
    assert len(told) == 20


async def test_what_is_noted_of_a_user_for_the_first_time_by_several_at_once_is_noted_by_all(policy: Policy) -> None:
    grace = Grace(NOON, NOON + DAY)
    users = [replace(CLARA, username=f"user-{number}") for number in range(40)]

    for user in users:  # MongoDB calls a few of them duplicates
        standings = await asyncio.gather(
            *(policy.store.hold_grace(user.tenant_id, user.user_id, Standing(), grace) for _ in range(20))
        )
        assert standings == [Standing(grace=grace)] * 20


async def test_who_has_an_authenticator_cannot_put_it_off(policy: Policy) -> None:
    await policy.hear(policy.login(CLARA))
    await policy.store.enrolled(CLARA.tenant_id, CLARA.user_id, NOON, bindings=1)

    with pytest.raises(WrongState):
        await policy.hear(policy.skip(CLARA))


async def test_whoever_has_enrolled_has_no_grace_left_even_if_he_loses_his_authenticator(policy: Policy) -> None:
    await policy.hear(policy.login(CLARA))
    policy.clock.pass_by(timedelta(minutes=5))
    await policy.hear(policy.enrollment(CLARA))
    await policy.database["users"].update_one({"_id": CLARA.user_id}, {"$set": {"enrolled": False}})

    told = await policy.hear(policy.login(CLARA, another_flow()))

    assert isinstance(told, EnrollmentRequired)
    assert told.skippable_until is None


async def test_the_earlier_of_two_deadlines_stays_whichever_is_written_last(policy: Policy) -> None:
    early, late = Grace(NOON, NOON + DAY), Grace(NOON + DAY, NOON + 2 * DAY)

    for first, second, user in ((early, late, ADA), (late, early, BOB)):
        await policy.store.hold_grace(user.tenant_id, user.user_id, Standing(), first)
        standing = await policy.store.hold_grace(user.tenant_id, user.user_id, Standing(), second)
        assert standing == Standing(grace=early)
