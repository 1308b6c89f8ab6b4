"""A code is good once, however many requests race for it, over both gateways and both instances of every service."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import pymongo

from tests.app import App
from tests.browser import Answer, Browser
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import Person, somebody
from tests.system import System

MANY = 50
Submit = Callable[[Browser], Awaitable[Answer]]


async def all_at_once(browsers: Iterable[Browser], submit: Submit) -> Counter[tuple[int, str]]:
    answers = await asyncio.gather(*(submit(browser) for browser in browsers))
    return Counter(answer.said for answer in answers)


async def in_flows_of_their_own(person: Person, browser: Browsers) -> list[Browser]:
    browsers = [browser() for _ in range(MANY)]
    for some in (browsers[first : first + 10] for first in range(0, MANY, 10)):
        await asyncio.gather(*(each.login(person) for each in some))
    return browsers


async def signed_in(browsers: Iterable[Browser]) -> int:
    return sum([(await browser.session()).status == 200 for browser in browsers])


def sessions_of(person: Person, system: System) -> int:
    with pymongo.MongoClient[dict[str, object]](system.servers.mongodb_url) as client:
        return client[f"{system.prefix}gateway"]["logins"].count_documents(
            {"user_id": person.user_id, "session_token_hash": {"$exists": True}}
        )


async def test_of_50_parallel_submissions_of_one_code_in_one_login_one_succeeds(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    before = sessions_of(ada.person, system)
    first = browser()
    await first.login(ada.person)
    tabs = [first.other_tab() for _ in range(MANY)]
    code = ada.app.next_code()

    said = await all_at_once(tabs, lambda tab: tab.otp(code))

    assert said[200, "authenticated"] == 1
    assert said.keys() <= {(200, "authenticated"), (401, "invalid_code"), (404, "no_login")}
    assert await signed_in(tabs) == 1
    assert sessions_of(ada.person, system) == before + 1


async def test_of_50_parallel_submissions_of_one_code_in_50_logins_one_succeeds(
    browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    browsers = await in_flows_of_their_own(ada.person, browser)
    code = ada.app.next_code()

    said = await all_at_once(browsers, lambda each: each.otp(code))

    assert said == {(200, "authenticated"): 1, (401, "invalid_code"): MANY - 1}
    assert await signed_in(browsers) == 1


async def test_of_50_parallel_confirmations_in_one_login_one_succeeds(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    first = browser()
    app = App((await first.login(ada)).body["enrollment"]["otpauth_uri"])
    tabs = [first.other_tab() for _ in range(MANY)]
    code = app.next_code()

    said = await all_at_once(tabs, lambda tab: tab.confirm(code))

    assert said[200, "authenticated"] == 1
    assert said.keys() <= {(200, "authenticated"), (401, "invalid_code"), (404, "no_login"), (409, "wrong_state")}
    assert await signed_in(tabs) == sessions_of(ada, system) == 1


async def test_of_50_parallel_confirmations_in_50_logins_one_succeeds(system: System, browser: Browsers) -> None:
    ada = somebody()
    await system.hire(ada)
    browsers = await in_flows_of_their_own(ada, browser)
    app = App((await browsers[0].reload()).body["enrollment"]["otpauth_uri"])
    code = app.next_code()

    said = await all_at_once(browsers, lambda each: each.confirm(code))

    assert said == {(200, "authenticated"): 1, (409, "wrong_state"): MANY - 1}
    assert await signed_in(browsers) == sessions_of(ada, system) == 1


async def test_of_50_parallel_submissions_of_one_recovery_code_in_50_logins_one_succeeds(
    browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    browsers = await in_flows_of_their_own(ada.person, browser)

    said = await all_at_once(browsers, lambda each: each.otp(ada.recovery_codes[0], "recovery_code"))

    assert said == {(200, "authenticated"): 1, (401, "invalid_code"): MANY - 1}
    assert await signed_in(browsers) == 1


async def test_of_50_parallel_submissions_of_one_recovery_code_in_one_login_one_succeeds(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    before = sessions_of(ada.person, system)
    first = browser()
    await first.login(ada.person)
    tabs = [first.other_tab() for _ in range(MANY)]

    said = await all_at_once(tabs, lambda tab: tab.otp(ada.recovery_codes[0], "recovery_code"))

    assert said[200, "authenticated"] == 1
    assert await signed_in(tabs) == 1
    assert sessions_of(ada.person, system) == before + 1


async def test_after_a_newer_code_an_older_one_is_refused(system: System, browser: Browsers) -> None:
    ada = somebody()
    app = await system.bring(ada)
    older, newer = app.next_code(), app.next_code()
    first, second = browser(), browser()
    await first.login(ada)
    await second.login(ada)

    with_the_newer = await first.otp(newer)
    with_the_older = await second.otp(older)

    assert with_the_newer.said == (200, "authenticated")
    assert with_the_older.said == (401, "invalid_code")
