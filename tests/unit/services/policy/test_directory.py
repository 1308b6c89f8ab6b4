from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.directory import MOST_PROBLEMS, Edition, Taking, take
from services.policy.domain.enforcement import Tenant, resolve
from shared.contracts.branding import Branding
from shared.contracts.message import MessageId
from shared.contracts.policy import (
    EnforcementChanged,
    ImportedTenant,
    ImportTenants,
    Rule,
    TenantDescribed,
    TenantPlaced,
)
from shared.contracts.refusals import ImportRejected
from shared.contracts.vocabulary import Mode, TenantId, TenantKind
from tests.examples import (
    CUSTOMER,
    FLOW,
    GRACE_CUSTOMER,
    INHERIT,
    NOON,
    OPEN_CUSTOMER,
    OPTIONAL,
    REQUIRED,
    RESELLER,
    TENANTS,
    VENDOR,
    tenant,
)

Stored = dict[TenantId, Tenant]


def command(tenants: Iterable[ImportedTenant], *, check_only: bool = False) -> ImportTenants:
    return ImportTenants(flow_id=FLOW, tenants=tuple(tenants), check_only=check_only)


def taken(*imports: Iterable[ImportedTenant]) -> tuple[Stored, Edition]:
    """The accounts after these imports."""
    stored: Stored = {}
    edition = Edition()
    for tenants in imports:
        taking = take(stored, edition, command(tenants), NOON)
        stored, edition = written(stored, taking), taking.edition
    return stored, edition


def written(stored: Stored, taking: Taking) -> Stored:
    return {**stored, **{tenant.tenant_id: tenant for tenant in taking.tenants}}


def switched(taking: Taking) -> list[EnforcementChanged]:
    return [event for event in taking.events if isinstance(event, EnforcementChanged)]


def places(taking: Taking) -> dict[TenantId, tuple[TenantId | None, TenantId]]:
    """The parent and the root of every account that is told of its place."""
    return {event.tenant_id: (event.parent, event.root) for event in taking.events if isinstance(event, TenantPlaced)}


def described(taking: Taking) -> dict[TenantId, TenantDescribed]:
    """What is told of how accounts present themselves."""
    return {event.tenant_id: event for event in taking.events if isinstance(event, TenantDescribed)}


def problems(stored: Stored, *tenants: ImportedTenant) -> dict[str, str]:
    with pytest.raises(ImportRejected) as refused:
        take(stored, Edition(), command(tenants), NOON)
    return {problem.entry: problem.text for problem in refused.value.problems}


def test_accounts_come_anew_at_the_next_revision() -> None:
    taking = take({}, Edition(), command(TENANTS), NOON)

    assert (taking.created, taking.changed) == (len(TENANTS), 0)
    assert taking.edition.revision == 1
    assert {tenant.revision for tenant in taking.tenants} == {1}
    assert switched(taking) == []


def test_an_account_that_comes_anew_is_told_of_its_place_in_its_tree() -> None:
    taking = take({}, Edition(), command(TENANTS), NOON)

    assert places(taking) == {
        VENDOR: (None, VENDOR),
        RESELLER: (VENDOR, VENDOR),
        CUSTOMER: (RESELLER, VENDOR),
        OPEN_CUSTOMER: (VENDOR, VENDOR),
        GRACE_CUSTOMER: (VENDOR, VENDOR),
    }


def test_an_account_that_moves_to_another_tree_takes_those_below_it_along() -> None:
    stored, edition = taken(TENANTS)
    other = TenantId("other-vendor")

    taking = take(
        stored,
        edition,
        command([tenant(other, TenantKind.VENDOR), tenant(RESELLER, TenantKind.RESELLER, other, customers=REQUIRED)]),
        NOON,
    )

    assert places(taking) == {other: (None, other), RESELLER: (other, other), CUSTOMER: (RESELLER, other)}


def test_an_account_that_moves_within_its_tree_is_told_of_it_alone() -> None:
    stored, edition = taken(TENANTS)

    taking = take(stored, edition, command([tenant(CUSTOMER, parent=VENDOR)]), NOON)

    assert places(taking) == {CUSTOMER: (VENDOR, VENDOR)}


def test_an_account_that_comes_anew_is_told_of_as_pages_show_it() -> None:
    branding = Branding(accent="2a5bd0")
    branded = [account.model_copy(update={"branding": branding}) for account in TENANTS[:1]]

    told = described(take({}, Edition(), command([*branded, *TENANTS[1:]]), NOON))

    assert told.keys() == {account.tenant_id for account in TENANTS}
    assert (told[VENDOR].name, told[VENDOR].parent, told[VENDOR].branding) == ("The vendor", None, branding)
    assert (told[CUSTOMER].parent, told[CUSTOMER].branding, told[CUSTOMER].policy_revision) == (RESELLER, None, 1)


@pytest.mark.parametrize(
    "difference", [{"name": "Another"}, {"parent": VENDOR}, {"branding": Branding(accent="2a5bd0")}]
)
def test_an_account_with_another_name_parent_or_branding_is_told_of_alone(difference: dict[str, Any]) -> None:
    stored, edition = taken(TENANTS)
    changed = tenant(CUSTOMER, parent=RESELLER).model_copy(update=difference)

    taking = take(stored, edition, command([changed]), NOON)

    [told] = described(taking).values()
    assert (taking.created, taking.changed) == (0, 1)
    assert (told.tenant_id, told.policy_revision) == (CUSTOMER, 2)
    assert (told.name, told.parent, told.branding) == (changed.name, changed.parent, changed.branding)


def test_an_account_that_loses_its_branding_is_told_of() -> None:
    plain = tenant(VENDOR, TenantKind.VENDOR)
    stored, edition = taken([plain.model_copy(update={"branding": Branding(accent="2a5bd0")})])

    taking = take(stored, edition, command([plain]), NOON)

    assert {event.branding for event in described(taking).values()} == {None}


def test_an_account_that_says_something_else_of_second_factors_looks_as_before() -> None:
    stored, edition = taken(TENANTS)

    taking = take(stored, edition, command([tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED)]), NOON)

    assert (taking.changed, described(taking)) == (1, {})


def test_accounts_that_were_never_described_are_at_the_next_import_and_count_as_unchanged() -> None:
    stored, edition = taken(TENANTS)
    stored = {tenant_id: replace(kept, described=False) for tenant_id, kept in stored.items()}
    renamed = tenant(CUSTOMER, parent=RESELLER).model_copy(update={"name": "Another"})

    taking = take(stored, edition, command([*TENANTS[:2], renamed]), NOON)
    again = take(written(stored, taking), taking.edition, command([*TENANTS[:2], renamed]), NOON)

    assert (taking.created, taking.changed) == (0, 1)
    assert described(taking).keys() == stored.keys()
    assert {event.policy_revision for event in described(taking).values()} == {2}
    assert {kept.tenant_id: kept.revision for kept in taking.tenants} == dict.fromkeys(stored, 1) | {CUSTOMER: 2}
    assert (places(taking), switched(taking)) == ({}, [])
    assert again == Taking(created=0, changed=0, edition=taking.edition)


def test_a_check_describes_nobody() -> None:
    stored, edition = taken(TENANTS)
    stored[CUSTOMER] = replace(stored[CUSTOMER], described=False)

    taking = take(stored, edition, command(TENANTS, check_only=True), NOON)

    assert taking == Taking(created=0, changed=0, edition=edition)


def test_the_same_file_twice_changes_nothing() -> None:
    stored, edition = taken(TENANTS)

    again = take(stored, edition, command(TENANTS), NOON)

    assert again == Taking(created=0, changed=0, edition=edition)


def test_the_same_command_twice_gets_the_same_answer_and_writes_nothing() -> None:
    once = command(TENANTS)
    first = take({}, Edition(), once, NOON)

    again = take(written({}, first), first.edition, once, NOON)

    assert (again.created, again.changed) == (len(TENANTS), 0)
    assert (again.tenants, again.events, again.edition) == ((), (), first.edition)


def test_only_what_differs_is_written_and_only_that_has_the_new_revision() -> None:
    stored, edition = taken(TENANTS)
    renamed = tenant(RESELLER, TenantKind.RESELLER, VENDOR, customers=REQUIRED).model_copy(update={"name": "Another"})

    taking = take(stored, edition, command([*TENANTS[:1], renamed]), NOON)

    assert [(tenant.tenant_id, tenant.name, tenant.revision) for tenant in taking.tenants] == [(RESELLER, "Another", 2)]
    assert (taking.created, taking.changed) == (0, 1)
    assert (places(taking), switched(taking)) == ({}, [])


def test_a_check_counts_and_writes_nothing() -> None:
    taking = take({}, Edition(), command(TENANTS, check_only=True), NOON)

    assert taking == Taking(created=len(TENANTS), changed=0, edition=Edition())


def test_a_parent_may_be_stored_already() -> None:
    stored, edition = taken(TENANTS)

    taking = take(stored, edition, command([tenant(TenantId("another"), parent=RESELLER)]), NOON)

    assert (taking.created, taking.changed) == (1, 0)


def test_several_vendors_are_several_trees() -> None:
    stored, _ = taken(TENANTS, [tenant(TenantId("second"), TenantKind.VENDOR)])

    assert stored[TenantId("second")].parent is None


def test_a_file_that_does_not_fit_names_the_accounts_that_are_wrong() -> None:
    found = problems(
        {},
        tenant(VENDOR, TenantKind.VENDOR),
        tenant(VENDOR, TenantKind.VENDOR),
        tenant(RESELLER, TenantKind.RESELLER),
        tenant(TenantId("vendor-below"), TenantKind.VENDOR, VENDOR),
        tenant(CUSTOMER, parent=TenantId("nobody")),
        tenant(OPEN_CUSTOMER, parent=GRACE_CUSTOMER),
        tenant(GRACE_CUSTOMER, parent=OPEN_CUSTOMER),
        tenant(TenantId("himself"), parent=TenantId("himself")),
    )

    assert found == {
        VENDOR: "is named 2 times",
        RESELLER: "has no parent, and only a vendor is the root of a tree",
        "vendor-below": "has a parent, and a vendor is the root of its tree",
        CUSTOMER: "has the parent nobody, which is not known",
        OPEN_CUSTOMER: "is above itself: its parents form a cycle",
        GRACE_CUSTOMER: "is above itself: its parents form a cycle",
        "himself": "is above itself: its parents form a cycle",
    }


def test_a_cycle_that_closes_over_a_stored_account_is_refused() -> None:
    stored, _ = taken(TENANTS)

    found = problems(stored, tenant(RESELLER, TenantKind.RESELLER, CUSTOMER))

    assert found == {RESELLER: "is above itself: its parents form a cycle"}


def test_problems_are_told_up_to_a_bound() -> None:
    orphans = [tenant(TenantId(f"orphan-{number}"), parent=TenantId("nobody")) for number in range(MOST_PROBLEMS + 1)]

    assert len(problems({}, *orphans)) == MOST_PROBLEMS


def test_whose_enforcement_changes_is_told_of_it_whichever_account_changed_its_mind() -> None:
    stored, edition = taken(TENANTS)
    stricter = tenant(VENDOR, TenantKind.VENDOR, staff=REQUIRED, customers=REQUIRED)

    taking = take(stored, edition, command([stricter]), NOON)

    told = {event.tenant_id: (event.before, event.after, event.policy_revision) for event in switched(taking)}
    optional_before = (Mode.OPTIONAL, Mode.REQUIRED, 2)
    assert told == {RESELLER: optional_before, OPEN_CUSTOMER: optional_before}
    assert [tenant.tenant_id for tenant in taking.tenants] == [VENDOR]


def test_another_parent_is_another_enforcement() -> None:
    stored, edition = taken(TENANTS)

    taking = take(stored, edition, command([tenant(CUSTOMER, parent=VENDOR)]), NOON)

    assert [(event.tenant_id, event.before, event.after) for event in switched(taking)] == [
        (CUSTOMER, Mode.REQUIRED, Mode.OPTIONAL)
    ]


def test_a_level_that_is_put_in_between_and_says_nothing_is_no_change_to_anybody_below() -> None:
    stored, edition = taken(TENANTS)
    between = TenantId("between")

    taking = take(
        stored,
        edition,
        command([tenant(between, TenantKind.RESELLER, RESELLER), tenant(CUSTOMER, parent=between)]),
        NOON,
    )

    assert (taking.created, taking.changed, switched(taking)) == (1, 1, [])


def test_a_stored_account_whose_line_is_broken_is_told_nothing_and_stops_nobody() -> None:
    stored, edition = taken(TENANTS)
    stored[CUSTOMER] = replace(stored[CUSTOMER], enforcement=None)

    taking = take(stored, edition, command([tenant(OPEN_CUSTOMER, parent=VENDOR, staff=REQUIRED)]), NOON)

    assert [event.tenant_id for event in switched(taking)] == [OPEN_CUSTOMER]


rules = st.sampled_from([INHERIT, OPTIONAL, REQUIRED, Rule(mode=Mode.REQUIRED, grace_days=7)])


@st.composite
def forests(draw: st.DrawFn) -> tuple[ImportedTenant, ...]:
    """Up to a dozen accounts in one tree or several."""
    grown: list[ImportedTenant] = []
    for number in range(draw(st.integers(1, 12))):
        parent = draw(st.sampled_from([None, *(tenant.tenant_id for tenant in grown)]))
        kind = TenantKind.VENDOR if parent is None else TenantKind.RESELLER
        grown.append(tenant(TenantId(str(number)), kind, parent, staff=draw(rules), customers=draw(rules)))
    return tuple(grown)


@given(forests(), forests())
def test_events_tell_just_what_is_different_and_the_new_revision_reaches_every_login_it_concerns(
    first: tuple[ImportedTenant, ...], second: tuple[ImportedTenant, ...]
) -> None:
    before, edition = taken(first)

    taking = take(before, edition, command(second), NOON)
    after = written(before, taking)

    told = {event.tenant_id: (event.before, event.after) for event in switched(taking)}
    modes = {tenant_id: (resolve(tenant_id, before).mode, resolve(tenant_id, after).mode) for tenant_id in before}
    assert told == {tenant_id: pair for tenant_id, pair in modes.items() if pair[0] is not pair[1]}
    for tenant_id in told:
        assert resolve(tenant_id, after).revision == taking.edition.revision


def test_an_edition_made_by_another_command_does_not_answer_for_this_one() -> None:
    stored, edition = taken(TENANTS)
    other = replace(edition, made_by=MessageId(UUID(int=0)))

    assert take(stored, other, command(TENANTS), NOON).created == 0
