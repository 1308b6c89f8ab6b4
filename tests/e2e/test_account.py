"""What a person does with his authenticators, recovery codes and sessions, over HTTP and with everything running."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from shared.contracts.vocabulary import TenantId
from tests.app import App
from tests.browser import Browser
from tests.e2e.conftest import Browsers, Enrolled, Enrolling
from tests.examples import CUSTOMER, OPEN_CUSTOMER, OPTIONAL, REQUIRED, VENDOR, somebody, tenant
from tests.system import System


async def added(browser: Browser) -> App:
    """Set another app up in a session that is fresh."""
    started = await browser.request("POST", "/authenticators")
    assert started.status == 201, started
    app = App(started.body["otpauth_uri"])
    confirmed = await browser.request(
        "POST", f"/authenticators/{started.body['id']}/confirm", {"code": app.next_code()}
    )
    assert confirmed.status == 200, confirmed
    return app


async def listed(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.request("GET", "/authenticators")
    assert answer.status == 200, answer
    return list(answer.body)


async def signs_in(browser: Browser, ada: Enrolled, app: App) -> bool:
    await browser.login(ada.person)
    return (await browser.otp(app.next_code())).said == (200, "authenticated")


async def test_an_app_is_replaced_and_the_old_one_is_good_until_then(browser: Browsers, enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    [old] = await listed(ada.browser)

    alone = await ada.browser.request("DELETE", f"/authenticators/{old['id']}")
    new = await added(ada.browser)
    both = await signs_in(browser(), ada, ada.app), await signs_in(browser(), ada, new)
    renamed = await ada.browser.request("PATCH", f"/authenticators/{old['id']}", {"name": "Lost phone"})
    [first, second] = await listed(ada.browser)
    removed = await ada.browser.request("DELETE", f"/authenticators/{old['id']}")
    asked = browser()
    await asked.login(ada.person)

    assert alone.said == (409, "last_authenticator")
    assert both == (True, True)
    assert renamed.status == 204
    assert (first["name"], second["name"]) == ("Lost phone", "Authenticator app 2")
    assert all(one["last_used_at"] for one in (first, second))
    assert removed.status == 204
    assert (await asked.otp(ada.app.lasting_code())).said == (401, "invalid_code")
    assert [one["id"] for one in await listed(ada.browser)] == [second["id"]]


async def test_there_are_five_and_no_sixth(enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    for _ in range(4):
        await added(ada.browser)

    sixth = await ada.browser.request("POST", "/authenticators")

    assert sixth.said == (409, "too_many_authenticators")
    assert len({one["name"] for one in await listed(ada.browser)}) == 5


async def test_a_stolen_cookie_is_worth_nothing_once_its_owner_steps_up(enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    thief = ada.browser.other_tab()
    assert (await thief.session()).status == 200

    stepped_up = await ada.browser.request("POST", "/session/step-up", {"code": ada.app.next_code()})

    assert stepped_up.status == 200
    assert (await thief.session()).said == (401, "no_session")
    assert (await thief.request("POST", "/authenticators")).said == (401, "no_session")
    assert (await ada.browser.session()).status == 200


async def test_fifty_step_ups_with_one_code_at_once_leave_one_session(enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    code, tabs = ada.app.next_code(), [ada.browser.other_tab() for _ in range(50)]

    answers = await asyncio.gather(*(tab.request("POST", "/session/step-up", {"code": code}) for tab in tabs))

    assert sum(answer.status == 200 for answer in answers) == 1
    alive = [tab for tab in tabs if (await tab.session()).status == 200]
    assert len(alive) == 1


async def test_of_two_removals_at_once_one_app_stays(enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    await added(ada.browser)
    ids = [one["id"] for one in await listed(ada.browser)]

    answers = await asyncio.gather(*(ada.browser.request("DELETE", f"/authenticators/{one}") for one in ids))

    assert sorted(answer.status for answer in answers) == [204, 409]
    assert len(await listed(ada.browser)) == 1


@pytest.mark.parametrize("tenant_id", [CUSTOMER, OPEN_CUSTOMER])
async def test_the_ids_of_another_user_in_this_account_or_another_open_nothing(
    enrolled: Enrolling, system: System, browser: Browsers, tenant_id: TenantId
) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    victim = somebody(tenant_id)
    app = await system.bring(victim)
    his = browser()
    await his.login(victim)
    await his.otp(app.next_code())
    [theirs] = await listed(his)
    [session] = (await his.request("GET", "/sessions")).body

    answers = [
        await ada.browser.request("DELETE", f"/authenticators/{theirs['id']}"),
        await ada.browser.request("PATCH", f"/authenticators/{theirs['id']}", {"name": "Mine"}),
        await ada.browser.request("POST", f"/authenticators/{theirs['id']}/confirm", {"code": app.lasting_code()}),
        await ada.browser.request("DELETE", f"/sessions/{session['session_id']}"),
    ]

    assert {answer.said for answer in answers} == {(404, "not_found")}
    assert await listed(his) == [theirs]
    assert (await his.session()).status == 200


async def test_new_recovery_codes_put_an_end_to_the_old_ones(browser: Browsers, enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))

    renewed = await ada.browser.request("POST", "/recovery-codes")
    at_old, at_new = browser(), browser()
    await at_old.login(ada.person)
    await at_new.login(ada.person)

    assert renewed.status == 201
    assert (await at_old.otp(ada.recovery_codes[0], "recovery_code")).said == (401, "invalid_code")
    assert (await at_new.otp(renewed.body["recovery_codes"][0], "recovery_code")).status == 200
    assert (await ada.browser.request("GET", "/recovery-codes")).body["left"] == 9


async def test_where_nothing_is_required_the_first_is_set_up_and_the_last_removed(
    system: System, browser: Browsers
) -> None:
    bob, here = somebody(OPEN_CUSTOMER), browser()
    await system.hire(bob)
    await here.login(bob)

    started = await here.request("POST", "/authenticators")
    app = App(started.body["otpauth_uri"])
    confirmed = await here.request("POST", f"/authenticators/{started.body['id']}/confirm", {"code": app.next_code()})
    at_once = await browser().login(bob)
    by_password = await here.request("DELETE", f"/authenticators/{started.body['id']}")
    stepped_up = await here.request("POST", "/session/step-up", {"code": app.next_code()})
    removed = await here.request("DELETE", f"/authenticators/{started.body['id']}")
    after = await browser().login(bob)

    assert len(confirmed.body["recovery_codes"]) == 10
    assert at_once.said == (200, "otp_required"), "the next login knows of it"
    assert by_password.said == (403, "fresh_code_required")
    assert (stepped_up.body["amr"], stepped_up.body["assurance"]) == (["pwd", "otp"], 2)
    assert removed.status == 204
    assert after.said == (200, "authenticated"), "the next login knows of that too"


async def test_the_last_one_cannot_be_removed_from_the_moment_on_that_one_is_required(
    system: System, browser: Browsers
) -> None:
    account = TenantId(f"customer-{somebody().user_id[:8]}")
    await system.load([tenant(account, parent=VENDOR, staff=OPTIONAL)])
    bob, here = somebody(account), browser()
    app = await system.bring(bob)
    await here.login(bob)
    await here.otp(app.next_code())
    [last] = await listed(here)

    await system.load([tenant(account, parent=VENDOR, staff=REQUIRED)])

    assert (await here.request("DELETE", f"/authenticators/{last['id']}")).said == (409, "last_authenticator")


async def test_who_is_disabled_is_signed_out_in_all_browsers_and_ends_no_login_that_he_has_begun(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    half_way = browser()
    await half_way.login(ada.person)

    await system.hire(ada.person, disabled=True)

    assert (await ada.browser.session_over()).said == (401, "no_session")
    assert (await half_way.otp(ada.app.next_code())).said == (404, "no_login")
    assert (await browser().login(ada.person)).said == (401, "invalid_credentials")


async def test_all_other_sessions_end_on_request(browser: Browsers, enrolled: Enrolling) -> None:
    ada = await enrolled(somebody(CUSTOMER))
    elsewhere = browser()
    assert await signs_in(elsewhere, ada, ada.app)

    ended = await ada.browser.request("DELETE", "/sessions")

    assert ended.status == 204
    assert (await elsewhere.session()).said == (401, "no_session")
    assert (await ada.browser.session()).status == 200


async def test_a_user_sees_what_happened_to_him_and_nobody_else_does(
    system: System, browser: Browsers, enrolled: Enrolling, wire: httpx.AsyncBaseTransport
) -> None:
    ada, bob = await enrolled(somebody(CUSTOMER)), await enrolled(somebody(CUSTOMER))
    await added(ada.browser)
    await browser().login(replace(ada.person, password="wrong"))
    await ada.browser.request("POST", "/recovery-codes")
    await system.settled()

    async def page(of: Enrolled) -> str:
        async with httpx.AsyncClient(transport=wire, cookies=httpx.Cookies(of.browser.cookies)) as client:
            return (await client.get(f"{system.gateways[0]}/account/security", headers={"accept": "text/html"})).text

    hers, his = await page(ada), await page(bob)

    assert hers.count("An authenticator app was added") == 2
    assert hers.count("Someone tried a wrong password") == 1
    assert hers.count("New recovery codes were made") == 1
    assert "Authenticator app 2" in hers
    assert his.count("An authenticator app was added") == 1
    assert "Someone tried a wrong password" not in his
