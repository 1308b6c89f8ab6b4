"""The pages over HTTP in a tenant's name, logo and accent: its own or those of the accounts above it."""

import re
from html import unescape

import httpx

from shared.contracts.branding import Branding
from shared.contracts.enrollment import ResumeEnrollment
from shared.contracts.policy import TenantDescribed
from shared.contracts.vocabulary import TenantId
from tests.component.gateway.conftest import Login, World
from tests.examples import ADA, CUSTOMER, LOGO, NOON, RESELLER

HTML = {"accept": "text/html"}
NOBODYS = ("Wardgate", "2a5bd0", None)


async def describe(
    world: World, tenant_id: TenantId, parent: TenantId | None, name: str, branding: Branding | None = None
) -> None:
    await world.tenants.note(
        TenantDescribed(
            occurred_at=NOON, tenant_id=tenant_id, parent=parent, name=name, branding=branding, policy_revision=1
        )
    )


async def shown(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    response = await browser.get(path, headers=HTML)
    assert response.status_code == 200, path
    return response


def look(page: httpx.Response) -> tuple[str, str, str | None]:
    """Name, accent and logo of a page."""
    [name] = re.findall(r"<title>[^<]* · ([^<]*)</title>", page.text)
    [accent] = re.findall(r'href="/pages/accent/(\w+)\.css"', page.text)
    logo = re.search(r'<img class="brand-logo" src="([^"]*)" alt="">', page.text)
    assert f"<span>{name}</span>" in page.text
    return unescape(name), accent, None if logo is None else unescape(logo[1])


def organisation(page: httpx.Response) -> str:
    [name] = re.findall(r"<dt>Organisation</dt><dd>(.*?)</dd>", page.text)
    return unescape(name)


async def test_who_is_signed_in_sees_his_accounts_name_and_the_look_of_the_one_above(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await describe(world, RESELLER, None, "Alpine", Branding(accent="1f6f5c", logo=LOGO))
    await describe(world, CUSTOMER, RESELLER, "Chocolaterie")
    await log_in(world.granted)

    overview, security = await shown(browser, "/"), await shown(browser, "/account/security")

    assert look(overview) == look(security) == ("Chocolaterie", "1f6f5c", LOGO)
    assert organisation(overview) == "Chocolaterie"


async def test_who_is_on_his_way_in_sees_it_after_his_password_and_not_before(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await describe(world, CUSTOMER, None, "Chocolaterie", Branding(accent="1f6f5c", logo=LOGO))

    before = look(await shown(browser, "/login"))
    await log_in(world.otp_required)
    at_the_code = look(await shown(browser, "/login/code"))

    assert before == NOBODYS
    assert at_the_code == ("Chocolaterie", "1f6f5c", LOGO)


async def test_every_step_of_the_wizard_is_shown_in_the_name_of_the_account(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await describe(world, CUSTOMER, None, "Chocolaterie", Branding(accent="1f6f5c"))
    await log_in(world.enrollment_started)
    world.caller.answers(ResumeEnrollment, world.enrollment_started)

    pages = [await shown(browser, f"/login/setup?step={step}") for step in ("app", "scan", "code")]

    assert {look(page) for page in pages} == {("Chocolaterie", "1f6f5c", None)}


async def test_a_name_is_text_whatever_stands_in_it(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    name = """</title><script>alert("1")</script>'&amp;"""
    await describe(world, CUSTOMER, None, name)
    await log_in(world.granted)

    overview = await shown(browser, "/")

    assert "<script>" not in overview.text
    assert look(overview)[0] == organisation(overview) == name


async def test_while_nothing_is_known_of_an_account_its_id_stands_for_it(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted)

    overview = await shown(browser, "/")

    assert look(overview) == NOBODYS
    assert organisation(overview) == ADA.tenant_id


async def test_an_account_elsewhere_lends_its_look_to_nobody(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await describe(world, RESELLER, None, "Alpine", Branding(accent="1f6f5c", logo=LOGO))
    await describe(world, CUSTOMER, None, "Chocolaterie")
    await log_in(world.granted)

    assert look(await shown(browser, "/")) == ("Chocolaterie", "2a5bd0", None)
