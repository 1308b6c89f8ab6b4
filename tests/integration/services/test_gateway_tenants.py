"""How accounts present themselves, in a real MongoDB; and the double of the component tests, held to the same."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from services.gateway.pages.views import ACCENT, Brand
from services.gateway.tenants import HIGHEST, Tenants
from shared.contracts.branding import Branding
from shared.contracts.policy import TenantDescribed
from shared.contracts.vocabulary import TenantId
from shared.runtime.mongo import Database
from tests.component.gateway.fakes import FakeTenants
from tests.examples import CUSTOMER, LOGO, NOON, RESELLER, VENDOR
from tests.fakes import ToldClock


@pytest.fixture
def clock() -> ToldClock:
    return ToldClock(NOON)


@pytest.fixture(params=["real", "fake"])
def tenants(request: pytest.FixtureRequest, mongo_database: Database, clock: ToldClock) -> Tenants:
    return Tenants(mongo_database, clock) if request.param == "real" else FakeTenants(clock)


def told(
    tenant_id: TenantId,
    parent: TenantId | None = None,
    branding: Branding | None = None,
    *,
    name: str = "An account",
    revision: int = 1,
) -> TenantDescribed:
    return TenantDescribed(
        occurred_at=NOON,
        tenant_id=tenant_id,
        parent=parent,
        name=name,
        branding=branding,
        policy_revision=revision,
    )


async def test_of_an_account_never_heard_of_nothing_is_known(tenants: Tenants) -> None:
    assert await tenants.brand(CUSTOMER) is None


async def test_an_account_without_any_look_has_its_name(tenants: Tenants) -> None:
    await tenants.note(told(CUSTOMER, RESELLER, name="Chocolaterie"))

    assert await tenants.brand(CUSTOMER) == Brand("Chocolaterie", ACCENT, None)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1, 3, 2)])
async def test_the_latest_revision_wins_in_whatever_order_it_is_heard(tenants: Tenants, order: tuple[int, ...]) -> None:
    for revision in order:
        await tenants.note(told(CUSTOMER, name=f"Name {revision}", revision=revision))

    assert await tenants.brand(CUSTOMER) == Brand("Name 3")


async def test_of_many_that_are_heard_at_once_the_latest_wins(tenants: Tenants) -> None:
    events = [told(CUSTOMER, name=f"Name {revision}", revision=revision) for revision in range(12)]

    await asyncio.gather(*map(tenants.note, events))

    assert await tenants.brand(CUSTOMER) == Brand("Name 11")


async def test_accent_and_logo_are_each_of_the_nearest_account_that_has_one(tenants: Tenants) -> None:
    other = LOGO.replace("image/png", "image/jpeg").replace("iVBO", "/9j/")
    await tenants.note(told(VENDOR, None, Branding(accent="111111", logo=other), name="Vendor"))
    await tenants.note(told(RESELLER, VENDOR, Branding(logo=LOGO), name="Reseller"))
    await tenants.note(told(CUSTOMER, RESELLER, name="Customer"))

    assert await tenants.brand(CUSTOMER) == Brand("Customer", "111111", LOGO)
    assert await tenants.brand(RESELLER) == Brand("Reseller", "111111", LOGO)
    assert await tenants.brand(VENDOR) == Brand("Vendor", "111111", other)


async def test_a_look_is_taken_from_nobody_beside_or_below(tenants: Tenants) -> None:
    await tenants.note(told(VENDOR, name="Vendor"))
    await tenants.note(told(RESELLER, VENDOR, Branding(accent="111111", logo=LOGO)))
    await tenants.note(told(CUSTOMER, VENDOR, name="Customer"))

    assert await tenants.brand(CUSTOMER) == Brand("Customer")
    assert await tenants.brand(VENDOR) == Brand("Vendor")


async def test_an_account_that_lost_its_look_takes_that_of_the_one_above(tenants: Tenants) -> None:
    await tenants.note(told(VENDOR, None, Branding(accent="111111")))
    await tenants.note(told(CUSTOMER, VENDOR, Branding(accent="222222")))

    await tenants.note(told(CUSTOMER, VENDOR, revision=2))

    assert await tenants.brand(CUSTOMER) == Brand("An account", "111111")


async def test_a_parent_never_heard_of_takes_no_look_away(tenants: Tenants) -> None:
    await tenants.note(told(CUSTOMER, RESELLER, Branding(accent="222222"), name="Customer"))

    assert await tenants.brand(CUSTOMER) == Brand("Customer", "222222")


async def test_accounts_that_are_a_circle_for_a_while_are_walked_once(tenants: Tenants) -> None:
    await tenants.note(told(RESELLER, CUSTOMER, Branding(accent="111111")))
    await tenants.note(told(CUSTOMER, RESELLER, name="Customer"))

    assert await tenants.brand(CUSTOMER) == Brand("Customer", "111111")


async def test_a_line_without_end_is_walked_to_a_bound(tenants: Tenants) -> None:
    line = [TenantId(f"level-{number}") for number in range(HIGHEST + 1)]
    for below, above in pairwise(line):
        await tenants.note(told(below, above))
    await tenants.note(told(line[-1], None, Branding(accent="111111")))

    assert await tenants.brand(line[0]) == Brand("An account")
    assert await tenants.brand(line[1]) == Brand("An account", "111111")


async def test_a_look_is_remembered_for_half_a_minute(tenants: Tenants, clock: ToldClock) -> None:
    await tenants.note(told(CUSTOMER, name="Before"))
    await tenants.brand(CUSTOMER)
    await tenants.note(told(CUSTOMER, name="After", revision=2))

    clock.pass_by(timedelta(seconds=29))
    assert await tenants.brand(CUSTOMER) == Brand("Before")

    clock.pass_by(timedelta(seconds=1))
    assert await tenants.brand(CUSTOMER) == Brand("After")
