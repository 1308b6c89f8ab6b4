"""Policy and those who manage their authenticators, over a real MongoDB: what it heard itself, and what it noted."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.policy.domain.management import FRESH_FOR
from shared.contracts.enrollment import AuthenticatorsImported, Bound
from shared.contracts.management import (
    AddAuthenticator,
    AdditionAllowed,
    AdditionNoted,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    RemovalAllowed,
    RemovalNoted,
    RemoveAuthenticator,
    RenewRecoveryCodes,
    StepUpGranted,
    StepUpVerified,
)
from shared.contracts.message import Message
from shared.contracts.policy import AccessGranted, OtpRequired
from shared.contracts.refusals import AccessDenied, FreshCodeRequired, WrongState
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, FlowId, TenantId
from shared.runtime.mongo import Database, Mongo
from tests.examples import ADA, BOB, FLOW, OPEN_CUSTOMER, REQUIRED, VENDOR, Person, tenant
from tests.integration.services.policy_at_work import Policy, another_flow, same

HERS = AuthenticatorId("hers")


@pytest.fixture
async def policy(mongo: Mongo, mongo_database: Database) -> Policy:
    return await Policy.over(mongo_database, mongo)


def asked(person: Person = ADA, login: FlowId = FLOW) -> dict[str, Any]:
    return {"flow_id": another_flow(), "login": login, **dict(person.named)}


def proof(policy: Policy, person: Person = ADA, login: FlowId = FLOW) -> StepUpVerified:
    return StepUpVerified(**asked(person, login), occurred_at=policy.clock(), method=AuthenticatorType.TOTP)


def added(policy: Policy, bindings: int, person: Person = BOB) -> AuthenticatorAdded:
    return AuthenticatorAdded(
        **asked(person),
        occurred_at=policy.clock(),
        authenticator_id=HERS,
        name="App",
        bindings=bindings,
        recovery_codes="sealed",
    )


def removed(policy: Policy, bindings: int, left: int = 0, person: Person = BOB) -> AuthenticatorRemoved:
    return AuthenticatorRemoved(
        **asked(person), occurred_at=policy.clock(), authenticator_id=HERS, left=left, bindings=bindings
    )


async def signed_in(policy: Policy) -> None:
    await policy.hear(policy.login(ADA))
    await policy.hear(policy.enrollment(ADA))


async def is_asked_for_a_code(policy: Policy, person: Person = BOB) -> bool:
    told = await policy.hear(policy.login(person, another_flow()))
    assert isinstance(told, OtpRequired | AccessGranted)
    return isinstance(told, OtpRequired)


async def test_a_code_counts_for_five_minutes_and_another_one_for_five_more(policy: Policy) -> None:
    await signed_in(policy)
    assert isinstance(await policy.hear(AddAuthenticator(**asked())), AdditionAllowed)

    policy.clock.pass_by(timedelta(hours=20))
    with pytest.raises(FreshCodeRequired):
        await policy.hear(AddAuthenticator(**asked()))
    granted = await policy.twin().hear(proof(policy))
    allowed = await policy.hear(AddAuthenticator(**asked()))

    assert isinstance(granted, StepUpGranted)
    assert granted.fresh_until == policy.clock() + FRESH_FOR
    assert isinstance(allowed, AdditionAllowed)
    assert (allowed.username, allowed.issuer, allowed.by_code) == (ADA.username, "The customer-1", True)


async def test_a_code_of_one_session_makes_no_other_fresh(policy: Policy) -> None:
    """A thief has a session of his own, or a copy from before: he waits for its owner to step up."""
    await signed_in(policy)
    other = another_flow()
    await policy.hear(policy.login(ADA, other))
    await policy.hear(policy.code(ADA, other))
    policy.clock.pass_by(timedelta(hours=1))

    await policy.hear(proof(policy))

    with pytest.raises(FreshCodeRequired):
        await policy.hear(RenewRecoveryCodes(**asked(login=other)))


@pytest.mark.parametrize("kind", ["proof", "add", "remove", "renew"])
async def test_a_login_whose_password_policy_never_heard_of_manages_nothing(policy: Policy, kind: str) -> None:
    attacks: dict[str, Message] = {
        "proof": proof(policy, login=another_flow()),
        "add": AddAuthenticator(**asked(login=another_flow())),
        "remove": RemoveAuthenticator(**asked(login=another_flow()), authenticator_id=HERS),
        "renew": RenewRecoveryCodes(**asked(login=another_flow())),
    }

    with pytest.raises(WrongState):
        await policy.hear(attacks[kind])


async def test_the_login_of_another_user_or_tenant_manages_nothing(policy: Policy) -> None:
    await signed_in(policy)
    moved = replace(ADA, tenant_id=OPEN_CUSTOMER)

    for person in (BOB, moved):
        with pytest.raises(WrongState):
            await policy.hear(RemoveAuthenticator(**asked(person), authenticator_id=HERS))
        with pytest.raises(WrongState):
            await policy.hear(proof(policy, person))


async def test_an_account_without_a_policy_manages_nothing(policy: Policy) -> None:
    nowhere = replace(ADA, tenant_id=TenantId("nowhere"))

    with pytest.raises(AccessDenied):
        await policy.hear(RemoveAuthenticator(**asked(nowhere), authenticator_id=HERS))


async def test_whether_the_last_one_may_go_is_said_by_the_policy_of_now(policy: Policy) -> None:
    await policy.store.enrolled(BOB.tenant_id, BOB.user_id, policy.clock(), bindings=1)
    await policy.hear(policy.login(BOB))
    await policy.hear(policy.code(BOB))
    command = RemoveAuthenticator(**asked(BOB), authenticator_id=HERS)

    before = await policy.hear(command)
    await policy.take(tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED))
    after = await policy.hear(command)

    assert isinstance(before, RemovalAllowed)
    assert isinstance(after, RemovalAllowed)
    assert (before.even_the_last, after.even_the_last) == (True, False)


async def test_it_is_answered_when_the_next_login_knows_of_it(policy: Policy) -> None:
    told = await policy.hear(added(policy, 1))
    assert isinstance(told, AdditionNoted)
    assert told.recovery_codes == "sealed"
    assert await is_asked_for_a_code(policy)

    told_of_removal = await policy.hear(removed(policy, 2))
    assert isinstance(told_of_removal, RemovalNoted)
    assert not await is_asked_for_a_code(policy)


async def test_with_one_left_he_is_still_asked_for_it(policy: Policy) -> None:
    await policy.hear(added(policy, 2))

    await policy.hear(removed(policy, 3, left=1))

    assert await is_asked_for_a_code(policy)


async def test_a_removal_that_comes_late_does_not_open_the_door_of_who_has_one_again(policy: Policy) -> None:
    late = removed(policy, 2)
    await policy.hear(added(policy, 1))
    await policy.hear(added(policy, 3))

    first = await policy.hear(late)
    again = await policy.twin().hear(late)

    assert await is_asked_for_a_code(policy)
    assert same(first, again)


async def test_a_removal_that_comes_later_than_an_import_does_not_open_the_door(policy: Policy) -> None:
    owners = (Bound(**dict(BOB.named), bindings=3),)
    await policy.hear(AuthenticatorsImported(occurred_at=policy.clock(), flow_id=FLOW, owners=owners, added=1))

    await policy.hear(removed(policy, 2))

    assert await is_asked_for_a_code(policy)


async def test_an_addition_that_is_told_again_after_the_removal_asks_for_nothing_that_is_gone(policy: Policy) -> None:
    once = added(policy, 1)
    await policy.hear(once)
    await policy.hear(removed(policy, 2))

    await policy.hear(once)

    assert not await is_asked_for_a_code(policy)


async def test_whoever_has_had_one_has_no_grace_left_when_it_is_gone(policy: Policy) -> None:
    at: datetime = policy.clock()
    await policy.hear(added(policy, 1))
    await policy.hear(removed(policy, 2))

    standing = await policy.store.standing(BOB.tenant_id, BOB.user_id)

    assert not standing.enrolled
    assert standing.grace is not None
    assert (standing.grace.began, standing.grace.deadline) == (at, at)


async def test_another_tenants_word_of_a_user_changes_nothing(policy: Policy) -> None:
    await policy.hear(added(policy, 1))

    with pytest.raises(AccessDenied):
        await policy.hear(removed(policy, 2, person=replace(BOB, tenant_id=ADA.tenant_id)))

    assert await is_asked_for_a_code(policy)
