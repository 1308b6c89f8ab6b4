"""The accounts that policy keeps in a real MongoDB: taken whole or not at all, and told of."""

import asyncio

import pytest

from services.policy.domain.decision import Grace, Standing
from services.policy.domain.enforcement import resolve
from shared.contracts.branding import Branding
from shared.contracts.policy import (
    ImportTenants,
    TenantsImported,
)
from shared.contracts.refusals import AccessDenied, ImportRejected
from shared.contracts.vocabulary import (
    Mode,
    TenantId,
    TenantKind,
)
from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import Database, Mongo
from tests.examples import (
    ADA,
    CUSTOMER,
    FLOW,
    LOGO,
    OPEN_CUSTOMER,
    OPTIONAL,
    REQUIRED,
    RESELLER,
    TENANTS,
    VENDOR,
    tenant,
)
from tests.integration.services.policy_at_work import DAY, NOON, Policy


@pytest.fixture
async def policy(mongo: Mongo, mongo_database: Database) -> Policy:
    return await Policy.over(mongo_database, mongo)


async def test_a_user_is_known_in_his_own_tenant_only(policy: Policy) -> None:
    await policy.store.enrolled(ADA.tenant_id, ADA.user_id, NOON, bindings=1)

    assert await policy.store.standing(OPEN_CUSTOMER, ADA.user_id) == Standing()
    with pytest.raises(AccessDenied):
        await policy.store.enrolled(OPEN_CUSTOMER, ADA.user_id, NOON, bindings=1)
    with pytest.raises(AccessDenied):
        await policy.store.hold_grace(OPEN_CUSTOMER, ADA.user_id, Standing(), Grace(NOON, NOON + DAY))


async def test_the_line_of_a_tenant_is_read_anew_when_it_or_an_account_above_has_moved(policy: Policy) -> None:
    twin = policy.twin()
    assert resolve(CUSTOMER, await policy.store.line(CUSTOMER)).mode is Mode.REQUIRED
    between = TenantId("between")

    await twin.take(tenant(between, TenantKind.RESELLER, VENDOR, customers=OPTIONAL), tenant(CUSTOMER, parent=between))

    effective = resolve(CUSTOMER, await policy.store.line(CUSTOMER))
    assert effective.mode is Mode.OPTIONAL
    assert [link.tenant_id for link in effective.chain] == [CUSTOMER, between]


async def test_a_directory_is_checked_without_being_taken(policy: Policy) -> None:
    stricter = tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED)

    assert await policy.take(stricter, check_only=True) == (0, 1)

    assert await policy.take(stricter) == (0, 1)
    assert await policy.take(stricter) == (0, 0)


async def test_a_directory_that_does_not_fit_is_not_taken_at_all(policy: Policy) -> None:
    fits = tenant(TenantId("another"), parent=VENDOR)
    does_not = tenant(TenantId("orphan"), parent=TenantId("nobody"))

    with pytest.raises(ImportRejected) as refused:
        await policy.take(fits, does_not)

    assert [problem.entry for problem in refused.value.problems] == ["orphan"]
    assert await policy.store.line(TenantId("another")) == {}


async def test_a_directory_that_comes_twice_has_the_same_answer(policy: Policy) -> None:
    command = ImportTenants(flow_id=FLOW, tenants=(tenant(TenantId("another"), parent=VENDOR),), check_only=False)

    answers = [await each.hear(command) for each in (policy, policy.twin())]

    assert [(answer.created, answer.changed) for answer in answers if isinstance(answer, TenantsImported)] == [
        (1, 0),
        (1, 0),
    ]


async def test_directories_that_come_at_once_are_taken_one_after_the_other(policy: Policy) -> None:
    twin = policy.twin()
    accounts = [tenant(TenantId(f"account-{number}"), parent=VENDOR) for number in range(8)]

    counts = await asyncio.gather(
        *((policy, twin)[number % 2].take(account) for number, account in enumerate(accounts))
    )

    assert counts == [(1, 0)] * 8
    lines = [await policy.store.line(account.tenant_id) for account in accounts]
    revisions = {line[account.tenant_id].revision for line, account in zip(lines, accounts, strict=True)}
    assert revisions == set(range(2, 10))


async def test_two_directories_at_once_cannot_close_a_cycle_that_neither_has_alone(policy: Policy) -> None:
    one, other = TenantId("one"), TenantId("other")
    await policy.take(tenant(one, TenantKind.RESELLER, VENDOR), tenant(other, TenantKind.RESELLER, VENDOR))

    told = await asyncio.gather(
        policy.take(tenant(one, TenantKind.RESELLER, other)),
        policy.twin().take(tenant(other, TenantKind.RESELLER, one)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, ImportRejected) for answer in told) == 1
    resolve(one, await policy.store.line(one))


async def test_an_account_is_described_when_it_comes_and_when_it_looks_otherwise(policy: Policy) -> None:
    branded = tenant(CUSTOMER, parent=RESELLER).model_copy(update={"branding": Branding(accent="2a5bd0", logo=LOGO)})
    first = {event.tenant_id for event in policy.described()}
    policy.messenger.letters.clear()

    counts = [await policy.take(branded), await policy.twin().take(branded)]

    assert first == {account.tenant_id for account in TENANTS}
    assert counts == [(0, 1), (0, 0)]
    assert [(event.tenant_id, event.parent, event.branding) for event in policy.described()] == [
        (CUSTOMER, RESELLER, branded.branding)
    ]
    assert await policy.waiting() == []


async def test_accounts_kept_before_they_could_be_described_are_at_the_next_import(policy: Policy) -> None:
    await policy.database["tenants"].update_many({}, {"$unset": {"branding": "", "described": ""}})
    policy.messenger.letters.clear()

    counts = [await policy.take(TENANTS[0]), await policy.take(TENANTS[0])]

    assert counts == [(0, 0), (0, 0)]
    told = sorted(event.tenant_id for event in policy.described())
    assert told == sorted(account.tenant_id for account in TENANTS)


async def test_whose_enforcement_changed_is_told_of_it_also_by_an_account_above(policy: Policy) -> None:
    await policy.take(tenant(VENDOR, TenantKind.VENDOR, staff=REQUIRED, customers=REQUIRED))

    assert {(event.tenant_id, event.before, event.after, event.policy_revision) for event in policy.told()} == {
        (RESELLER, Mode.OPTIONAL, Mode.REQUIRED, 2),
        (OPEN_CUSTOMER, Mode.OPTIONAL, Mode.REQUIRED, 2),
    }
    assert await policy.waiting() == []


async def test_a_change_that_could_not_be_told_waits_for_the_relay(policy: Policy) -> None:
    policy.messenger.is_away = True
    command = ImportTenants(
        flow_id=FLOW, tenants=(tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED),), check_only=False
    )
    with pytest.raises(Unreachable):
        await policy.hear(command)
    assert await policy.waiting() == [OPEN_CUSTOMER]

    policy.messenger.is_away = False
    again = await policy.hear(command)
    await policy.outbox.sweep()

    assert isinstance(again, TenantsImported)
    assert again.changed == 1
    assert [event.tenant_id for event in policy.told()] == [OPEN_CUSTOMER]
    assert await policy.waiting() == []
