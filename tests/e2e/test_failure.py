"""When something dies in the middle: only the request in hand is lost, nothing is granted, and the login goes on."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from shared.contracts.enrollment import OtpVerified
from shared.contracts.vocabulary import Service
from tests.broker import Broker
from tests.browser import Answer, Browser
from tests.e2e.conftest import Browsers, Enrolled, Enrolling
from tests.examples import somebody
from tests.system import System

SOON = 40.0
UNAVAILABLE = (503, "unavailable")


async def until_served(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again as long as the answer is that the system cannot answer now."""
    async with asyncio.timeout(SOON):
        while True:
            answer = await ask()
            if answer.status != 503:
                return answer
            await asyncio.sleep(float(answer.response.headers["Retry-After"]))


def assert_unavailable(*answers: Answer) -> None:
    for answer in answers:
        assert answer.said == UNAVAILABLE
        assert int(answer.response.headers["Retry-After"]) > 0


async def halfway(enrolled: Enrolling, browser: Browser) -> tuple[Enrolled, str]:
    """Somebody whose password was right in this browser, and the code that he will type."""
    ada = await enrolled(somebody())
    assert (await browser.login(ada.person)).said == (200, "otp_required")
    return ada, ada.app.lasting_code()


async def test_a_gateway_that_dies_is_not_missed(
    system: System, wire: httpx.AsyncBaseTransport, enrolled: Enrolling
) -> None:
    dying, living = system.of(Service.GATEWAY)
    at_home = Browser(wire, [dying.url, living.url])
    _, code = await halfway(enrolled, at_home)

    dying.kill()
    verified = await at_home.otp(code)

    assert verified.said == (200, "authenticated")


async def test_a_gateway_that_dies_with_a_code_in_its_hand_loses_the_answer_and_not_the_login(
    system: System, wire: httpx.AsyncBaseTransport, enrolled: Enrolling
) -> None:
    dying, living = system.of(Service.GATEWAY)
    at_home = Browser(wire, [living.url])
    _, code = await halfway(enrolled, at_home)
    policies = system.of(Service.POLICY)

    through_the_dying = Browser(wire, [dying.url], httpx.Cookies(at_home.cookies))

    async with (
        Broker.at(system.servers.rabbitmq_url) as broker,
        broker.hearing(OtpVerified.topic) as heard,
        policies[0].frozen(),
        policies[1].frozen(),
    ):
        lost = asyncio.create_task(through_the_dying.otp(code))
        await heard.next()
        dying.kill()
        with pytest.raises(httpx.TransportError):
            await lost
    verified = await at_home.otp(code)

    assert verified.said == (200, "authenticated")


@pytest.mark.parametrize("service", [Service.AUTH, Service.POLICY, Service.ENROLLMENT])
async def test_an_instance_of_a_service_that_dies_is_not_missed(
    system: System, browser: Browsers, enrolled: Enrolling, service: Service
) -> None:
    ada = await enrolled(somebody())
    at_home = browser()

    system.of(service)[0].kill()
    asked = await at_home.login(ada.person)
    verified = await at_home.otp(ada.app.next_code())

    assert asked.said == (200, "otp_required")
    assert verified.said == (200, "authenticated")


async def test_while_no_policy_answers_nobody_is_let_in_and_the_login_goes_on_afterwards(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    at_home, elsewhere = browser(), browser()
    ada, code = await halfway(enrolled, at_home)

    for policy in system.of(Service.POLICY):
        policy.kill()
    verified, began = await asyncio.gather(at_home.otp(code), elsewhere.login(ada.person))

    assert_unavailable(verified, began)
    assert (await at_home.session()).said == (await elsewhere.session()).said == (401, "no_session")
    assert (await elsewhere.reload()).said == (404, "no_login")

    await system.start()

    assert (await at_home.otp(code)).said == (200, "authenticated")


async def test_while_no_enrollment_answers_no_code_is_good_and_the_login_goes_on_afterwards(
    system: System, browser: Browsers, enrolled: Enrolling
) -> None:
    at_home, newcomer = browser(), browser()
    _, code = await halfway(enrolled, at_home)
    bob = somebody()
    await system.hire(bob)

    for enrollment in system.of(Service.ENROLLMENT):
        enrollment.kill()
    verified, began = await asyncio.gather(at_home.otp(code), newcomer.login(bob))

    assert_unavailable(verified, began)
    assert (await at_home.session()).said == (await newcomer.session()).said == (401, "no_session")

    await system.start()

    assert (await at_home.otp(code)).said == (200, "authenticated")
    assert (await newcomer.login(bob)).said == (200, "enrollment_required")


async def test_a_broker_that_is_killed_comes_back_to_a_login_that_goes_on(
    mortal_system: System, wire: httpx.AsyncBaseTransport
) -> None:
    rabbitmq = mortal_system.servers.rabbitmq
    assert rabbitmq is not None
    ada = somebody()
    app = await mortal_system.bring(ada)
    at_home = Browser(wire, mortal_system.gateways)
    await at_home.login(ada)
    code = app.lasting_code()

    await asyncio.to_thread(rabbitmq.kill)
    assert_unavailable(await at_home.otp(code))
    assert (await at_home.session()).said == (401, "no_session")
    await asyncio.to_thread(rabbitmq.start)
    verified = await until_served(lambda: at_home.otp(code))

    assert verified.said == (200, "authenticated")
    assert (await at_home.session()).status == 200


async def test_a_database_that_is_killed_comes_back_to_a_login_that_goes_on(
    mortal_system: System, wire: httpx.AsyncBaseTransport
) -> None:
    mongodb = mortal_system.servers.mongodb
    assert mongodb is not None
    ada = somebody()
    app = await mortal_system.bring(ada)
    at_home = Browser(wire, mortal_system.gateways)
    await at_home.login(ada)
    code = app.lasting_code()

    await asyncio.to_thread(mongodb.kill)
    assert_unavailable(await at_home.otp(code))
    await asyncio.to_thread(mongodb.start)
    verified = await until_served(lambda: at_home.otp(code))

    assert verified.said == (200, "authenticated")
