"""Guessing over HTTP: the budget holds over flows, gateways and instances, and nobody can lie about where he is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from ops.unlocking import unlock
from tests.browser import Answer, Browser
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import Person, somebody
from tests.system import System

MANY = 40
FREE = 5
PER_ADDRESS = 200
TOO_MANY = (429, "too_many_attempts")

At = Callable[[str], httpx.AsyncClient]


@pytest.fixture
async def at(system: System) -> AsyncIterator[At]:
    """Makes clients at addresses of their own: all of 127.0.0.0/8 is this machine."""
    async with AsyncExitStack() as stack:

        def client(address: str) -> httpx.AsyncClient:
            transport = httpx.AsyncHTTPTransport(local_address=address)
            made = httpx.AsyncClient(transport=transport, base_url=system.gateways[0], timeout=30)
            stack.push_async_callback(made.aclose)
            return made

        yield client


async def logins(person: Person, browser: Browsers, number: int) -> list[Browser]:
    browsers = [browser() for _ in range(number)]
    for first in range(0, number, 10):
        await asyncio.gather(*(each.login(person) for each in browsers[first : first + 10]))
    return browsers


def assert_waits(answer: Answer, at_most: int) -> None:
    assert answer.said == TOO_MANY
    assert 0 < int(answer.response.headers["Retry-After"]) <= at_most


async def test_guesses_at_once_over_as_many_logins_are_five_and_neither_password_nor_recovery_code_is_touched(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    ada = await enrolled(somebody())
    wrong = ada.app.wrong_code()
    browsers = await logins(ada.person, browser, MANY)
    guesses = await asyncio.gather(*(each.otp(wrong) for each in browsers))
    right = await browsers[0].otp(ada.app.lasting_code())
    recovered = await browsers[0].otp(ada.recovery_codes[0], "recovery_code")
    await unlock(ada.person.username, system.as_operator)
    unlocked = await browsers[1].otp(ada.app.lasting_code())

    assert Counter(answer.said for answer in guesses) == {(401, "invalid_code"): FREE, TOO_MANY: MANY - FREE}
    assert_waits(right, 60)
    assert recovered.said == (200, "authenticated")
    assert unlocked.said == (200, "authenticated")


@pytest.mark.parametrize("exists", [True, False])
async def test_guesses_at_one_username_are_five_be_it_known_or_not(
    system: System, browser: Browsers, *, exists: bool
) -> None:
    ada = somebody()
    await system.hire(*[ada] if exists else [])
    thief = Person(ada.username, ada.tenant_id, password="a guess")

    guesses = await asyncio.gather(*(browser().login(thief) for _ in range(MANY)))
    right = await browser().login(ada)

    assert Counter(answer.said for answer in guesses) == {(401, "invalid_credentials"): FREE, TOO_MANY: MANY - FREE}
    bodies = {answer.response.content for answer in (*guesses, right)}
    assert len(bodies) == 2
    assert_waits(right, 60)


@pytest.mark.processes("clients at addresses of their own, which a container would see as one")
async def test_one_address_cannot_guess_at_everybody_whatever_address_it_says_it_has(at: At) -> None:
    guesser, neighbour = at("127.0.0.66"), at("127.0.0.67")

    async def guess(client: httpx.AsyncClient, number: int) -> Answer:
        typed = {"username": somebody().username, "password": "a guess"}
        forged = {"X-Forwarded-For": f"192.0.2.{number}", "X-Real-IP": f"192.0.2.{number}"}
        return Answer(await client.post("/api/v1/login", json=typed, headers=forged))

    said = Counter[tuple[int, str]]()
    for first in range(0, PER_ADDRESS, 40):
        answers = await asyncio.gather(*(guess(guesser, number) for number in range(first, first + 40)))
        said.update(answer.said for answer in answers)

    assert said == {(401, "invalid_credentials"): PER_ADDRESS}
    assert_waits(await guess(guesser, 250), 300)
    assert (await guess(neighbour, 1)).said == (401, "invalid_credentials")
