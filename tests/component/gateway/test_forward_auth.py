"""Forward authentication: who is let through to an application, as whom, and where everybody else is led."""

from dataclasses import replace

import httpx
import pytest

from shared.contracts.vocabulary import Mode
from tests.component.gateway.conftest import Login, World
from tests.component.gateway.test_login import problem
from tests.component.gateway.test_session import hear
from tests.examples import ADA

ASK = "/api/v1/forward-auth"
ORDERS = "https://app.example/orders?page=2&all=1"
LOGIN = "https://app.example/login?return_to=https%3A%2F%2Fapp.example%2Forders%3Fpage%3D2%26all%3D1"
BY_TRAEFIK = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "app.example",
    "x-forwarded-uri": "/orders?page=2&all=1",
    "x-forwarded-method": "POST",
}


async def test_an_application_is_told_who_comes(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.granted)

    for headers in (BY_TRAEFIK, {"x-original-url": ORDERS}):
        answer = await browser.get(ASK, headers=headers)

        assert answer.status_code == 200
        assert {name: answer.headers[name] for name in ("remote-user", "remote-tenant", "remote-amr")} == {
            "remote-user": ADA.username,
            "remote-tenant": ADA.tenant_id,
            "remote-amr": "pwd,otp",
        }
        assert dict(answer.headers.raw)[b"remote-name"].decode() == ADA.display_name
        assert answer.headers["cache-control"] == "no-store"


async def test_whoever_is_not_signed_in_is_led_to_the_login_and_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(ASK, headers=BY_TRAEFIK)

    assert (answer.status_code, answer.headers["location"]) == (302, LOGIN)


async def test_nginx_which_knows_no_redirect_is_told_the_same_way(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(ASK, headers={"x-original-url": ORDERS})

    assert problem(answer) == (401, "no_session")
    assert answer.headers["location"] == LOGIN


async def test_a_login_in_progress_lets_nobody_through(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.otp_required)

    assert (await browser.get(ASK, headers=BY_TRAEFIK)).status_code == 302


async def test_a_session_that_must_step_up_lets_nobody_through(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted_by_password)
    assert (await browser.get(ASK, headers=BY_TRAEFIK)).status_code == 200

    await hear(world, Mode.REQUIRED, 8)

    assert (await browser.get(ASK, headers=BY_TRAEFIK)).status_code == 302


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-original-url": "https://evil.example/"},
        {"x-original-url": "/orders"},
        {"x-original-url": "https://app.example@evil.example/"},
        BY_TRAEFIK | {"x-forwarded-host": "evil.example"},
        BY_TRAEFIK | {"x-forwarded-uri": ".evil.example/"},
        BY_TRAEFIK | {"x-forwarded-uri": "@evil.example/"},
        BY_TRAEFIK | {"x-forwarded-proto": "http"},
    ],
)
async def test_nobody_is_led_to_a_host_that_the_gate_does_not_stand_before(
    world: World, log_in: Login, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    as_a_stranger = await browser.get(ASK, headers=headers)
    await log_in(world.granted)
    signed_in = await browser.get(ASK, headers=headers)

    assert problem(as_a_stranger) == problem(signed_in) == (403, "access_denied")
    assert "location" not in as_a_stranger.headers


async def test_a_database_that_is_away_lets_nobody_through(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.granted)
    world.sessions.is_away = True

    assert problem(await browser.get(ASK, headers=BY_TRAEFIK)) == (503, "unavailable")


@pytest.mark.parametrize("name", ["ada\r\nRemote-Tenant: vendor", "ada\x00", "a\u2028da"])
async def test_no_name_writes_a_header_of_its_own(
    world: World, log_in: Login, browser: httpx.AsyncClient, name: str
) -> None:
    person = replace(ADA, display_name=name)
    await log_in(lambda command: world.granted(command, person))

    assert problem(await browser.get(ASK, headers=BY_TRAEFIK)) == (403, "access_denied")


async def test_a_name_of_any_script_reaches_the_application(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    person = replace(ADA, display_name="Zoé 山田")
    await log_in(lambda command: world.granted(command, person))

    answer = await browser.get(ASK, headers=BY_TRAEFIK)

    assert dict(answer.headers.raw)[b"remote-name"].decode() == "Zoé 山田"
