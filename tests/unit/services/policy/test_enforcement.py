from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.enforcement import Tenant, resolve
from shared.contracts.policy import Enforcement, Rule
from shared.contracts.refusals import AccessDenied
from shared.contracts.vocabulary import Audience, Mode, TenantId, TenantKind
from tests.examples import CUSTOMER, OPTIONAL, REQUIRED, RESELLER, VENDOR

INHERIT = Rule()
A_WEEK = Rule(mode=Mode.REQUIRED, grace_days=7)
SAYS_NOTHING = Enforcement()

rules = st.builds(Rule, mode=st.sampled_from(Mode), grace_days=st.integers(0, 365))
enforcements = st.builds(Enforcement, staff=rules, customers=rules)
lines = st.lists(enforcements, min_size=1, max_size=50)
"""What the accounts of one line say, from the root down."""


def line(*said: Enforcement) -> dict[TenantId, Tenant]:
    """Accounts below each other, the root first; each has its place as its id and changed at a revision of its own."""
    tenants: dict[TenantId, Tenant] = {}
    parent: TenantId | None = None
    for place, enforcement in enumerate(said):
        tenant_id = TenantId(str(place))
        tenants[tenant_id] = Tenant(
            tenant_id, TenantKind.RESELLER, f"Account {place}", parent, enforcement, revision=place + 1
        )
        parent = tenant_id
    return tenants


def lowest(tenants: dict[TenantId, Tenant]) -> TenantId:
    return TenantId(str(len(tenants) - 1))


def portal(
    *, vendor: Enforcement = SAYS_NOTHING, reseller: Enforcement = SAYS_NOTHING, customer: Enforcement = SAYS_NOTHING
) -> dict[TenantId, Tenant]:
    return {
        VENDOR: Tenant(VENDOR, TenantKind.VENDOR, "Northwind", None, vendor, revision=3),
        RESELLER: Tenant(RESELLER, TenantKind.RESELLER, "A reseller", VENDOR, reseller, revision=9),
        CUSTOMER: Tenant(CUSTOMER, TenantKind.CUSTOMER, "A customer", RESELLER, customer, revision=4),
    }


def test_what_an_account_says_of_its_own_staff_comes_before_all_that_stands_above_it() -> None:
    tenants = portal(vendor=Enforcement(customers=REQUIRED), customer=Enforcement(staff=OPTIONAL))

    effective = resolve(CUSTOMER, tenants)

    assert effective.mode is Mode.OPTIONAL
    assert [(link.tenant_id, link.audience) for link in effective.chain] == [(CUSTOMER, Audience.STAFF)]


def test_the_nearest_account_above_that_says_something_of_its_customers_decides() -> None:
    tenants = portal(vendor=Enforcement(customers=OPTIONAL), reseller=Enforcement(customers=A_WEEK))

    effective = resolve(CUSTOMER, tenants)

    assert (effective.mode, effective.grace_days) == (Mode.REQUIRED, 7)


def test_what_an_account_says_of_its_staff_is_not_for_its_customers_nor_the_other_way_round() -> None:
    tenants = portal(
        vendor=Enforcement(staff=REQUIRED),
        reseller=Enforcement(staff=REQUIRED),
        customer=Enforcement(customers=REQUIRED),
    )

    assert resolve(CUSTOMER, tenants).mode is Mode.OPTIONAL


def test_at_the_top_it_is_optional_without_any_grace() -> None:
    effective = resolve(CUSTOMER, portal(vendor=Enforcement(customers=Rule(grace_days=7))))

    assert (effective.mode, effective.grace_days) == (Mode.OPTIONAL, 0)


def test_the_chain_names_who_was_asked_what_each_said_and_the_newest_revision_among_them() -> None:
    tenants = portal(vendor=Enforcement(customers=REQUIRED))

    effective = resolve(CUSTOMER, tenants)

    assert [(link.tenant_id, link.audience, link.mode, link.revision) for link in effective.chain] == [
        (CUSTOMER, Audience.STAFF, Mode.INHERIT, 4),
        (RESELLER, Audience.CUSTOMERS, Mode.INHERIT, 9),
        (VENDOR, Audience.CUSTOMERS, Mode.REQUIRED, 3),
    ]
    assert effective.revision == 9
    assert effective.tenant_name == "A customer"


def test_an_unknown_tenant_is_refused() -> None:
    with pytest.raises(AccessDenied):
        resolve(TenantId("nobody"), portal())


@given(lines, st.data())
def test_the_nearest_word_decides_whatever_the_depth(said: list[Enforcement], data: st.DataObject) -> None:
    tenants = line(*said)
    tenant_id = TenantId(str(data.draw(st.integers(0, len(said) - 1))))

    effective = resolve(tenant_id, tenants)

    below = said[int(tenant_id)]
    words = [below.staff, *(above.customers for above in reversed(said[: int(tenant_id)]))]
    spoken = [rule for rule in words if rule.mode is not Mode.INHERIT]
    expected = spoken[0] if spoken else OPTIONAL
    assert (effective.mode, effective.grace_days) == (expected.mode, expected.grace_days)
    assert effective.mode is not Mode.INHERIT


@given(lines, st.integers(0, 50))
def test_a_level_in_between_that_says_nothing_changes_nothing(said: list[Enforcement], place: int) -> None:
    before = line(*said)
    between = line(*said[:place], SAYS_NOTHING, *said[place:])
    silent_above = line(SAYS_NOTHING, *said)

    effective = resolve(lowest(before), before)

    for tenants in (between, silent_above):
        if place >= len(said) and tenants is between:
            continue  # not in between but below: another staff
        again = resolve(lowest(tenants), tenants)
        assert (again.mode, again.grace_days) == (effective.mode, effective.grace_days)


@given(lines, st.data())
def test_a_line_that_lost_an_account_or_its_enforcement_is_refused_for_all_below(
    said: list[Enforcement], data: st.DataObject
) -> None:
    tenants = line(*said)
    lost = TenantId(str(data.draw(st.integers(0, len(said) - 1))))
    gap = {tenant_id: tenant for tenant_id, tenant in tenants.items() if tenant_id != lost}
    mute = {**tenants, lost: replace(tenants[lost], enforcement=None)}

    for broken in (gap, mute):
        for tenant_id in tenants:
            if int(tenant_id) >= int(lost):
                with pytest.raises(AccessDenied):
                    resolve(tenant_id, broken)
            else:
                assert resolve(tenant_id, broken) == resolve(tenant_id, tenants)


@given(lines, st.data())
def test_a_cycle_is_refused_for_all_who_are_in_it_or_below(said: list[Enforcement], data: st.DataObject) -> None:
    tenants = line(*said)
    root, closing = TenantId("0"), TenantId(str(data.draw(st.integers(0, len(said) - 1))))
    tenants[root] = replace(tenants[root], parent=closing)

    for tenant_id in tenants:
        with pytest.raises(AccessDenied):
            resolve(tenant_id, tenants)
