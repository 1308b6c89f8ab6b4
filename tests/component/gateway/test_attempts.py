"""Attempts over HTTP: a wait is a 429 with its end, and one address cannot guess at everybody."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import ConfirmEnrollment, EnrollmentRejected, OtpRejected, VerifyOtp
from shared.contracts.message import Command
from shared.contracts.refusals import RequestRefused, TooManyAttempts
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, LoginFailure
from tests.component.gateway.conftest import Login, World, client
from tests.examples import ADA

LOGIN = {"username": ADA.username, "password": "a guess"}
OTP = {"code": "123456"}


def refused(world: World, command: Any, seconds: int | None) -> RequestRefused:
    refusal = TooManyAttempts(seconds)
    return RequestRefused(
        occurred_at=world.clock(),
        flow_id=command.flow_id,
        code=refusal.code,
        detail=refusal.detail,
        retry_after_seconds=refusal.retry_after_seconds,
    )


def wrong_password(world: World, command: Any) -> LoginFailed:
    return LoginFailed(occurred_at=world.clock(), flow_id=command.flow_id, reason=LoginFailure.UNKNOWN_USER)


def rejected(world: World, command: Any, reason: CodeFailure = CodeFailure.WRONG) -> OtpRejected:
    return OtpRejected(
        occurred_at=world.clock(),
        flow_id=command.flow_id,
        **dict(ADA.named),
        method=AuthenticatorType.TOTP,
        reason=reason,
    )


@pytest.fixture
def app(world: World) -> FastAPI:
    """The gateway, where every password is wrong."""
    world.caller.answers(VerifyPassword, lambda command: wrong_password(world, command))
    return world.app()


async def guess(app: FastAPI, address: str, forwarded: str | None = None, times: int = 1) -> httpx.Response:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    async with client(app, "https://portal.example", address) as browser:
        for _ in range(times):
            response = await browser.post("/api/v1/login", json=LOGIN, headers=headers)
    return response


async def test_a_wait_for_a_password_is_told_to_the_second(world: World, log_in: Login) -> None:
    response = await log_in(lambda command: refused(world, command, 59))

    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
    assert response.headers["retry-after"] == "59"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(("path", "kind"), [("otp", VerifyOtp), ("enrollment", ConfirmEnrollment)])
async def test_a_wait_for_a_code_is_told_to_the_second_and_the_login_can_go_on_after_it(
    world: World, log_in: Login, browser: httpx.AsyncClient, path: str, kind: type[Command]
) -> None:
    await log_in(world.otp_required if kind is VerifyOtp else world.enrollment_started)
    world.caller.answers(kind, lambda command: refused(world, command, 120))
    waits = await browser.post(f"/api/v1/login/{path}", json=OTP)
    world.caller.answers(kind, world.granted)
    enters = await browser.post(f"/api/v1/login/{path}", json=OTP)

    assert (waits.status_code, waits.json()["code"], waits.headers["retry-after"]) == (429, "too_many_attempts", "120")
    assert enters.json()["state"] == "authenticated"


async def test_where_waiting_does_not_help_it_is_said_what_does(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, lambda command: refused(world, command, None))

    response = await browser.post("/api/v1/login/otp", json=OTP)

    assert response.status_code == 429
    assert "recovery code" in response.json()["detail"]
    assert response.headers["retry-after"] == "86400"


async def test_an_address_that_failed_too_often_is_not_judged_any_more_until_its_oldest_failure_is_over(
    world: World, app: FastAPI
) -> None:
    await guess(app, "203.0.113.9")
    world.clock.pass_by(timedelta(seconds=100))
    await guess(app, "203.0.113.9", times=4)
    asked = len(world.caller.asked)

    response = await guess(app, "203.0.113.9")
    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
    assert response.headers["retry-after"] == "200"
    assert len(world.caller.asked) == asked

    world.clock.pass_by(timedelta(seconds=199))
    assert (await guess(app, "203.0.113.9")).headers["retry-after"] == "1"
    world.clock.pass_by(timedelta(seconds=1))
    assert (await guess(app, "203.0.113.9")).status_code == 401
    assert (await guess(app, "203.0.113.9")).headers["retry-after"] == "100"


async def test_failures_of_one_address_cost_another_nothing(app: FastAPI) -> None:
    await guess(app, "203.0.113.9", times=6)

    assert (await guess(app, "203.0.113.10")).status_code == 401


async def test_a_forged_address_changes_nothing(app: FastAPI) -> None:
    for number in range(5):
        await guess(app, "203.0.113.9", forwarded=f"192.0.2.{number}")

    assert (await guess(app, "203.0.113.9", forwarded="192.0.2.77")).status_code == 429
    assert (await guess(app, "192.0.2.0")).status_code == 401


async def test_behind_a_trusted_proxy_each_client_has_his_own_budget(app: FastAPI) -> None:
    await guess(app, "10.0.0.1", forwarded="192.0.2.1, 203.0.113.9", times=5)

    assert (await guess(app, "10.0.0.1", forwarded="192.0.2.2, 203.0.113.9")).status_code == 429
    assert (await guess(app, "10.0.0.1", forwarded="192.0.2.1, 203.0.113.10")).status_code == 401


@pytest.mark.parametrize(
    ("reason", "counted"), [(CodeFailure.WRONG, 1), (CodeFailure.ALREADY_USED, 0), (CodeFailure.CLOCK_OUT_OF_STEP, 1)]
)
async def test_wrong_codes_count_and_double_clicks_do_not(
    world: World, log_in: Login, browser: httpx.AsyncClient, reason: CodeFailure, counted: int
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, lambda command: rejected(world, command, reason))

    await browser.post("/api/v1/login/otp", json=OTP)

    assert len(world.failures.failed["127.0.0.1"]) == counted


async def test_wrong_first_codes_count(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(
        ConfirmEnrollment,
        lambda command: EnrollmentRejected(
            occurred_at=world.clock(), flow_id=command.flow_id, **dict(ADA.named), reason=CodeFailure.WRONG
        ),
    )

    for _ in range(6):
        response = await browser.post("/api/v1/login/enrollment", json=OTP)

    assert response.status_code == 429


async def test_neither_successes_nor_refusals_nor_outages_cost_an_address_anything(world: World, log_in: Login) -> None:
    await log_in(world.granted_by_password)
    await log_in(lambda command: refused(world, command, 59))
    world.caller.is_silent_on(VerifyPassword)

    assert not world.failures.failed["127.0.0.1"]


async def test_a_person_is_told_by_a_page_how_long_to_wait(app: FastAPI) -> None:
    await guess(app, "203.0.113.9", times=5)

    async with client(app, "https://portal.example", "203.0.113.9") as browser:
        response = await browser.post("/login", data=LOGIN, follow_redirects=True)

    assert 'data-countdown="300"' in response.text
