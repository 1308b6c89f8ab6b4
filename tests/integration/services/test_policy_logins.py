"""Logins as policy judges them, over a real MongoDB: evidence, redelivery, races, and whatever must not be granted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from services.policy.domain.decision import Outcome
from services.policy.domain.flow import GRANTED_FOR
from shared.contracts.enrollment import AuthenticatorsImported, Bound
from shared.contracts.policy import (
    AccessGranted,
    AuthenticatorsNoted,
    EnrollmentRequired,
    OtpRequired,
)
from shared.contracts.refusals import AccessDenied, WrongState
from shared.contracts.vocabulary import (
    Mode,
    TenantId,
)
from shared.runtime.mongo import Collection, Database, Document, Mongo, PyMongoError
from tests.examples import (
    ADA,
    BOB,
    CLARA,
    CUSTOMER,
    FLOW,
    OPEN_CUSTOMER,
    REQUIRED,
    RESELLER,
    VENDOR,
    tenant,
)
from tests.integration.services.policy_at_work import NOON, Policy, another_flow, grant, same, unnumbered


@pytest.fixture
async def policy(mongo: Mongo, mongo_database: Database) -> Policy:
    return await Policy.over(mongo_database, mongo)


async def test_a_login_that_must_enroll_is_granted_when_it_has(policy: Policy) -> None:
    first = await policy.hear(policy.login(ADA))
    second = grant(await policy.hear(policy.enrollment(ADA)))

    assert isinstance(first, EnrollmentRequired)
    assert (first.issuer, first.skippable_until) == ("The customer-1", None)
    assert (second.username, second.display_name, second.assurance) == (ADA.username, ADA.display_name, 2)
    assert second.recovery_codes == "sealed"


async def test_who_has_enrolled_is_asked_for_a_code_at_his_next_login_on_any_instance(policy: Policy) -> None:
    await policy.hear(policy.login(ADA))
    await policy.hear(policy.enrollment(ADA))
    flow = another_flow()

    assert isinstance(await policy.twin().hear(policy.login(ADA, flow)), OtpRequired)
    assert grant(await policy.twin().hear(policy.code(ADA, flow))).amr == ("pwd", "otp")


async def test_who_enrolled_of_his_own_accord_is_asked_for_a_code(policy: Policy) -> None:
    assert grant(await policy.hear(policy.login(BOB))).assurance == 1

    await policy.hear(policy.enrollment(BOB))

    assert isinstance(await policy.hear(policy.login(BOB, another_flow())), OtpRequired)


async def test_evidence_decision_and_chain_of_a_login_are_one_document_without_its_recovery_codes(
    policy: Policy,
) -> None:
    await policy.hear(policy.login(ADA))
    policy.clock.pass_by(timedelta(minutes=1))
    await policy.hear(policy.enrollment(ADA))

    flow = await policy.flow(FLOW)
    assert flow["evidence"] == {"pwd": NOON, "otp": NOON + timedelta(minutes=1)}
    assert (flow["decision"]["outcome"], flow["decision"]["mode"]) == (Outcome.GRANT, Mode.REQUIRED)
    assert [(link["tenant_id"], link["mode"]) for link in flow["decision"]["chain"]] == [
        (CUSTOMER, Mode.INHERIT),
        (RESELLER, Mode.REQUIRED),
    ]
    assert flow["decision"]["policy_revision"] == 1
    assert flow["expires_at"] == NOON + GRANTED_FOR
    assert "sealed" not in str(flow)


async def test_a_code_is_judged_by_the_policy_of_its_own_moment(policy: Policy) -> None:
    await policy.store.enrolled(BOB.tenant_id, BOB.user_id, NOON, bindings=1)
    await policy.hear(policy.login(BOB))
    await policy.take(tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED))

    granted = grant(await policy.hear(policy.code(BOB)))

    assert (granted.policy_revision, granted.chain[0].mode) == (2, Mode.REQUIRED)
    assert (await policy.flow(FLOW))["decision"]["policy_revision"] == 2


@pytest.mark.parametrize("proof", ["code", "enrollment"])
async def test_a_second_factor_of_a_login_whose_password_nobody_told_grants_nothing(
    policy: Policy, proof: Literal["code", "enrollment"]
) -> None:
    message = policy.code(ADA) if proof == "code" else policy.enrollment(ADA)

    with pytest.raises(WrongState):
        await policy.hear(message)

    assert await policy.database["flows"].find_one({}) is None


@pytest.mark.parametrize("proof", ["code", "enrollment"])
async def test_a_second_factor_of_another_user_or_another_tenant_is_no_evidence(
    policy: Policy, proof: Literal["code", "enrollment"]
) -> None:
    await policy.hear(policy.login(ADA))
    before = await policy.flow(FLOW)

    for impostor in (replace(ADA, username="mallory"), replace(ADA, tenant_id=OPEN_CUSTOMER)):
        message = policy.code(impostor) if proof == "code" else policy.enrollment(impostor)
        with pytest.raises((WrongState, AccessDenied)):
            await policy.hear(message)
        with pytest.raises(WrongState):
            await policy.hear(policy.skip(impostor))

    assert await policy.flow(FLOW) == before


async def test_a_second_password_under_the_same_flow_takes_it_from_nobody(policy: Policy) -> None:
    await policy.hear(policy.login(ADA))
    before = await policy.flow(FLOW)

    with pytest.raises(WrongState):
        await policy.hear(policy.login(BOB))

    assert await policy.flow(FLOW) == before


async def test_a_login_that_is_over_takes_no_code_even_before_the_database_has_cleared_it_away(policy: Policy) -> None:
    await policy.hear(policy.login(ADA))
    policy.clock.pass_by(timedelta(hours=1))

    with pytest.raises(WrongState):
        await policy.hear(policy.code(ADA))


async def test_an_enrollment_of_a_login_never_heard_of_is_noted_all_the_same(policy: Policy) -> None:
    with pytest.raises(WrongState):
        await policy.hear(policy.enrollment(ADA))

    assert isinstance(await policy.hear(policy.login(ADA)), OtpRequired)


async def test_an_unknown_tenant_is_refused_at_every_step_and_leaves_no_login_behind(policy: Policy) -> None:
    stranger = replace(ADA, tenant_id=TenantId("nobody"))

    for message in (
        policy.login(stranger),
        policy.code(stranger),
        policy.enrollment(stranger),
        policy.skip(stranger),
    ):
        with pytest.raises(AccessDenied):
            await policy.hear(message)

    assert await policy.database["flows"].find_one({}) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"$unset": {"enforcement": ""}},
        {"$set": {"parent": "nobody"}},
        {"$set": {"parent": CUSTOMER}},
    ],
    ids=["without enforcement", "with an unknown parent", "in a cycle"],
)
async def test_a_tree_that_is_damaged_refuses_at_every_step(policy: Policy, damage: dict[str, Any]) -> None:
    await policy.hear(policy.login(ADA))
    await policy.database["tenants"].update_one({"_id": RESELLER}, damage)

    for message in (policy.login(ADA, another_flow()), policy.code(ADA), policy.enrollment(ADA), policy.skip(ADA)):
        with pytest.raises(AccessDenied):
            await policy.hear(message)

    assert (await policy.flow(FLOW))["evidence"] == {"pwd": NOON, "otp": None}


async def test_every_event_that_comes_twice_has_the_same_answer_and_changes_nothing_twice(policy: Policy) -> None:
    for message in (policy.login(ADA), policy.enrollment(ADA), policy.code(ADA)):
        once = await policy.hear(message)
        kept = await policy.flow(FLOW)
        twice = await policy.twin().hear(message)

        assert same(once, twice)
        assert unnumbered(await policy.flow(FLOW)) == unnumbered(kept)


async def test_a_password_that_comes_again_after_the_code_loses_no_evidence_and_grants_nothing(policy: Policy) -> None:
    await policy.store.enrolled(ADA.tenant_id, ADA.user_id, NOON, bindings=1)
    login = policy.login(ADA)
    await policy.hear(login)
    await policy.hear(policy.code(ADA))
    kept = await policy.flow(FLOW)

    again = await policy.hear(login)

    assert isinstance(again, OtpRequired)
    assert await policy.flow(FLOW) == kept


async def test_passwords_codes_and_redeliveries_at_once_leave_all_evidence_in_place(policy: Policy) -> None:
    await policy.store.enrolled(ADA.tenant_id, ADA.user_id, NOON, bindings=1)
    twin = policy.twin()
    await policy.hear(policy.login(ADA))

    told = await asyncio.gather(
        *(each.hear(message) for each in (policy, twin) for message in [policy.login(ADA), policy.code(ADA)] * 10)
    )

    assert sum(isinstance(answer, AccessGranted) for answer in told) == 20
    flow = await policy.flow(FLOW)
    assert flow["evidence"] == {"pwd": NOON, "otp": NOON}
    assert flow["decision"]["outcome"] == Outcome.GRANT


async def test_who_brings_an_authenticator_along_is_asked_for_it_at_his_first_login(policy: Policy) -> None:
    owners = tuple(Bound(**dict(person.named), bindings=1) for person in (ADA, BOB))

    told = await policy.hear(AuthenticatorsImported(occurred_at=NOON, flow_id=FLOW, owners=owners, added=len(owners)))

    assert isinstance(told, AuthenticatorsNoted)
    assert told.added == 2
    for person in (ADA, BOB):
        assert isinstance(await policy.hear(policy.login(person, another_flow())), OtpRequired)
    assert isinstance(await policy.hear(policy.login(CLARA, another_flow())), EnrollmentRequired)


async def test_a_batch_without_anybody_in_it_is_noted_too(policy: Policy) -> None:
    told = await policy.hear(AuthenticatorsImported(occurred_at=NOON, flow_id=FLOW, owners=(), added=0))

    assert isinstance(told, AuthenticatorsNoted)


async def test_the_database_clears_away_a_login_that_is_over(policy: Policy) -> None:
    flows = policy.database["flows"]

    assert await flows.create_index("expires_at", expireAfterSeconds=0)
    with pytest.raises(PyMongoError, match="expires_at"):  # it is there already, and clears away at the very moment
        await flows.create_index("expires_at", expireAfterSeconds=1)


class Watched:
    """A database of which each call is shown to `watch` before it is made."""

    def __init__(self, database: Database, watch: Callable[[str], Awaitable[None]]) -> None:
        self._database = database
        self._watch = watch

    def __getitem__(self, name: str) -> Any:
        return WatchedCollection(self._database[name], self._watch)


class WatchedCollection:
    def __init__(self, collection: Collection, watch: Callable[[str], Awaitable[None]]) -> None:
        self._collection = collection
        self._watch = watch

    async def find(self, *args: Any) -> AsyncIterator[Document]:
        await self._watch("find")
        async for document in self._collection.find(*args):
            yield document

    def __getattr__(self, call: str) -> Any:
        async def watched(*args: Any, **kwargs: Any) -> Any:
            await self._watch(call)
            return await getattr(self._collection, call)(*args, **kwargs)

        return watched


async def test_a_step_that_is_overtaken_by_another_is_judged_anew(policy: Policy) -> None:
    await policy.store.enrolled(ADA.tenant_id, ADA.user_id, NOON, bindings=1)
    login, rivals = policy.login(ADA), [policy.code(ADA)]
    await policy.hear(login)
    policy.clock.pass_by(timedelta(minutes=1))

    async def overtake(call: str) -> None:
        if call == "update_one" and rivals:
            await policy.hear(rivals.pop())

    slow = replace(policy, database=Watched(policy.database, overtake))
    told = await slow.hear(login)

    flow = await policy.flow(FLOW)
    assert not rivals
    assert isinstance(told, OtpRequired)
    assert (flow["evidence"], flow["decision"]["outcome"]) == ({"pwd": NOON, "otp": NOON}, Outcome.GRANT)


async def test_a_step_asks_the_database_three_times_however_deep_the_tree_is(policy: Policy) -> None:
    calls: list[str] = []

    async def count(call: str) -> None:
        calls.append(call)

    frugal = replace(policy, database=Watched(policy.database, count))
    await frugal.hear(policy.login(ADA, another_flow()))  # the first time, it has yet to find out who stands above
    calls.clear()

    await frugal.hear(policy.login(ADA))
    assert calls == ["find", "find_one", "insert_one"]

    calls.clear()
    await frugal.hear(policy.code(ADA))
    assert calls == ["find", "find_one", "update_one"]
