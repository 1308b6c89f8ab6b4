"""The login over HTTP: every row of the API's tables, with the services behind the gateway played by the test."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import (
    ConfirmEnrollment,
    EnrollmentRejected,
    OtpRejected,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.message import Command, Event
from shared.contracts.policy import SkipEnrollment
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, FlowId, LoginFailure
from tests.component.gateway.conftest import PROVISIONING, Login, World, client, kinds
from tests.examples import ADA, BOB

FLOW_COOKIE = "__Host-wardgate_flow"
SESSION_COOKIE = "__Host-wardgate_session"


def refused(code: RefusalCode, flow: FlowId, world: World) -> RequestRefused:
    return RequestRefused(flow_id=flow, occurred_at=world.clock(), code=code, detail="A sentence for people.")


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert {"type", "title", "detail"} <= body.keys()
    return response.status_code, body["code"]


async def test_a_user_with_an_authenticator_is_asked_for_a_code(world: World, log_in: Login) -> None:
    response = await log_in(world.otp_required)

    assert response.status_code == 200
    assert response.json() == {
        "state": "otp_required",
        "expires_at": "2026-03-02T12:15:00Z",
        "challenge": {"methods": ["totp", "recovery_code"]},
    }


async def test_a_user_who_must_enroll_gets_secret_uri_and_qr_code(world: World, log_in: Login) -> None:
    response = await log_in(world.enrollment_started)

    assert response.json() == {
        "state": "enrollment_required",
        "expires_at": "2026-03-02T12:15:00Z",
        "enrollment": {
            **PROVISIONING.model_dump(),
            "expires_at": "2026-03-02T12:14:00Z",
            "skippable_until": None,
        },
    }


async def test_a_user_of_whom_nothing_more_is_asked_is_signed_in(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    response = await log_in(world.granted_by_password)

    assert response.json() == {
        "state": "authenticated",
        "expires_at": "2026-03-03T12:00:00Z",
        "session": {
            "user_id": ADA.user_id,
            "username": ADA.username,
            "display_name": ADA.display_name,
            "tenant_id": ADA.tenant_id,
            "amr": ["pwd"],
            "assurance": 1,
            "authenticated_at": "2026-03-02T12:00:00Z",
            "expires_at": "2026-03-03T12:00:00Z",
        },
    }
    assert world.flows.kept == {}
    assert SESSION_COOKIE in browser.cookies


async def test_the_password_travels_sealed_to_auth_and_the_username_as_it_was_typed(
    world: World, log_in: Login
) -> None:
    await log_in(world.otp_required)

    [command] = world.caller.asked
    assert isinstance(command, VerifyPassword)
    assert command.username == ADA.username
    assert ADA.password not in command.model_dump_json()
    assert world.opened(command, "password") == ADA.password


@pytest.mark.parametrize("reason", list(LoginFailure))
async def test_a_failed_login_says_the_same_whatever_the_reason_and_leaves_nothing(
    world: World, log_in: Login, browser: httpx.AsyncClient, reason: LoginFailure
) -> None:
    response = await log_in(lambda asked: LoginFailed(flow_id=asked.flow_id, occurred_at=world.clock(), reason=reason))

    assert problem(response) == (401, "invalid_credentials")
    assert response.json() == {
        "type": "/api/v1/docs#invalid_credentials",
        "title": "Wrong username or password",
        "status": 401,
        "detail": "The username or the password is wrong, or this user may not sign in.",
        "code": "invalid_credentials",
    }
    assert not browser.cookies
    assert world.flows.kept == {}


async def test_an_account_without_a_policy_lets_nobody_in(world: World, log_in: Login) -> None:
    response = await log_in(lambda asked: refused(RefusalCode.ACCESS_DENIED, asked.flow_id, world))

    assert problem(response) == (403, "access_denied")
    assert world.sessions.kept == {}


async def test_a_refusal_that_is_not_for_browsers_is_not_named_to_one(world: World, log_in: Login) -> None:
    response = await log_in(lambda asked: refused(RefusalCode.UNKNOWN_USER, asked.flow_id, world))

    assert problem(response) == (403, "access_denied")
    assert "A sentence for people." not in response.text


async def test_the_cookies_are_out_of_reach_of_scripts_other_sites_and_plain_http(world: World, log_in: Login) -> None:
    of_the_flow = (await log_in(world.otp_required)).headers["set-cookie"]
    of_the_session = (await log_in(world.granted_by_password)).headers.get_list("set-cookie")

    assert of_the_flow.startswith(f"{FLOW_COOKIE}=")
    assert any(cookie.startswith(f"{SESSION_COOKIE}=") for cookie in of_the_session)
    for cookie in (of_the_flow, *of_the_session):
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


async def test_on_a_developers_machine_the_cookies_have_their_plain_names(world: World) -> None:
    world.caller.answers(VerifyPassword, world.otp_required)

    async with client(world.app(cookie_secure=False), "http://127.0.0.1:8080") as browser:
        response = await browser.post("/api/v1/login", json={"username": "ada", "password": "x"})

    assert response.headers["set-cookie"].startswith("wardgate_flow=")
    assert "Secure" not in response.headers["set-cookie"]


async def test_only_the_digest_of_a_token_is_kept(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.otp_required)
    await log_in(world.granted_by_password)

    token = browser.cookies[SESSION_COOKIE]
    assert len(token) == 43
    assert token not in repr(world.sessions.kept)


async def test_a_reload_shows_the_same_qr_code(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    first = await log_in(world.enrollment_started)
    world.caller.answers(ResumeEnrollment, world.enrollment_started)

    second = await browser.get("/api/v1/login")

    assert second.json() == first.json()


async def test_a_reload_of_a_challenge_asks_no_service(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    first = await log_in(world.otp_required)

    second = await browser.get("/api/v1/login")

    assert second.json() == first.json()
    assert kinds(world.caller.asked) == [VerifyPassword]


async def test_a_reload_keeps_the_end_of_the_grace_period(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    until = world.clock() + timedelta(days=7)
    world.caller.answers(
        ResumeEnrollment, lambda asked: world.enrollment_started(asked, skippable_until=asked.skippable_until)
    )
    await log_in(lambda asked: world.enrollment_started(asked, skippable_until=until))

    response = await browser.get("/api/v1/login")

    assert response.json()["enrollment"]["skippable_until"] == "2026-03-09T12:00:00Z"


async def test_who_has_enrolled_in_another_tab_is_asked_for_a_code_at_the_reload(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(ResumeEnrollment, world.otp_required)

    response = await browser.get("/api/v1/login")

    assert response.json()["state"] == "otp_required"
    assert "enrollment" not in response.json()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/login", None),
        ("POST", "/api/v1/login/otp", {"code": "123456"}),
        ("POST", "/api/v1/login/enrollment", {"code": "123456"}),
        ("POST", "/api/v1/login/enrollment/skip", None),
    ],
)
async def test_without_a_login_there_is_nothing_to_go_on_with(
    browser: httpx.AsyncClient, method: str, path: str, body: dict[str, str] | None
) -> None:
    assert problem(await browser.request(method, path, json=body)) == (404, "no_login")


async def test_a_login_is_over_after_a_quarter_of_an_hour(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    world.clock.pass_by(timedelta(minutes=15))

    assert problem(await browser.get("/api/v1/login")) == (404, "no_login")


async def test_a_later_login_replaces_the_one_in_progress(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    [before] = world.flows.kept
    token = browser.cookies[FLOW_COOKIE]

    await log_in(world.otp_required)

    [after] = world.flows.kept
    assert before != after
    assert browser.cookies[FLOW_COOKIE] != token


async def test_a_failed_login_leaves_the_one_in_progress_alone(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)

    await log_in(
        lambda asked: LoginFailed(flow_id=asked.flow_id, occurred_at=world.clock(), reason=LoginFailure.WRONG_PASSWORD)
    )

    assert (await browser.get("/api/v1/login")).status_code == 200


async def test_a_login_can_be_given_up(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.otp_required)

    response = await browser.delete("/api/v1/login")

    assert response.status_code == 204
    assert world.flows.kept == {}
    assert FLOW_COOKIE not in browser.cookies
    assert (await browser.delete("/api/v1/login")).status_code == 204


async def test_the_confirming_code_signs_in_with_recovery_codes_and_ends_the_flow(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(
        ConfirmEnrollment, lambda asked: world.granted(asked, recovery_codes=world.recovery_codes(asked.flow_id))
    )

    response = await browser.post("/api/v1/login/enrollment", json={"code": "123 456"})

    assert response.status_code == 200
    assert response.json()["state"] == "authenticated"
    assert response.json()["session"]["amr"] == ["pwd", "otp"]
    assert response.json()["recovery_codes"] == ["AAAA-BBBB"]
    assert world.opened(world.caller.asked[-1], "code") == "123 456"
    assert FLOW_COOKIE not in browser.cookies
    assert (await browser.get("/api/v1/session")).status_code == 200
    assert problem(await browser.get("/api/v1/login")) == (404, "no_login")


async def test_a_wrong_confirming_code_says_nothing_of_clocks(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, lambda asked: rejected(asked, CodeFailure.WRONG, world))

    response = await browser.post("/api/v1/login/enrollment", json={"code": "000000"})

    assert problem(response) == (401, "invalid_code")
    assert "clock_skew_seconds" not in response.json()
    assert SESSION_COOKIE not in browser.cookies


async def test_a_code_for_another_time_says_how_far_the_clock_is_off(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(
        ConfirmEnrollment, lambda asked: rejected(asked, CodeFailure.CLOCK_OUT_OF_STEP, world, skew=-180)
    )

    response = await browser.post("/api/v1/login/enrollment", json={"code": "000000"})

    assert problem(response) == (401, "invalid_code")
    assert response.json()["clock_skew_seconds"] == -180
    assert "3 min behind" in response.json()["detail"]


async def test_an_expired_qr_code_says_to_load_again(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, lambda asked: rejected(asked, CodeFailure.ENROLLMENT_EXPIRED, world))

    response = await browser.post("/api/v1/login/enrollment", json={"code": "000000"})

    assert problem(response) == (401, "invalid_code")
    assert "Load the login again" in response.json()["detail"]


async def test_who_has_enrolled_elsewhere_meanwhile_must_answer_with_a_code(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, world.otp_required)

    response = await browser.post("/api/v1/login/enrollment", json={"code": "123456"})

    assert problem(response) == (409, "wrong_state")
    assert (await browser.get("/api/v1/login")).json()["state"] == "otp_required"


async def test_enrollment_can_be_put_off_while_the_grace_period_lasts(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    deadline = world.clock() + timedelta(hours=2)
    await log_in(lambda asked: world.enrollment_started(asked, skippable_until=deadline))
    world.caller.answers(SkipEnrollment, lambda asked: world.granted_by_password(asked, granted_until=deadline))

    response = await browser.post("/api/v1/login/enrollment/skip")

    assert response.status_code == 200
    assert response.json()["session"]["expires_at"] == "2026-03-02T14:00:00Z"
    assert response.json()["session"]["amr"] == ["pwd"]


async def test_enrollment_cannot_be_put_off_after_the_grace_period(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(SkipEnrollment, lambda asked: refused(RefusalCode.ENROLLMENT_REQUIRED, asked.flow_id, world))

    response = await browser.post("/api/v1/login/enrollment/skip")

    assert problem(response) == (409, "enrollment_required")
    assert (await browser.get("/api/v1/session")).status_code == 401


@pytest.mark.parametrize("method", [None, *AuthenticatorType])
async def test_a_code_answers_the_challenge(
    world: World, log_in: Login, browser: httpx.AsyncClient, method: AuthenticatorType | None
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)
    form = {"code": "123456"} if method is None else {"code": "123456", "method": method}

    response = await browser.post("/api/v1/login/otp", json=form)

    assert response.json()["state"] == "authenticated"
    assert "recovery_codes" not in response.json()
    asked = world.caller.asked[-1]
    assert isinstance(asked, VerifyOtp)
    assert asked.method == (method or AuthenticatorType.TOTP)
    assert world.opened(asked, "code") == "123456"


@pytest.mark.parametrize("reason", [CodeFailure.WRONG, CodeFailure.ALREADY_USED])
async def test_a_wrong_code_and_a_used_one_say_the_same_at_login(
    world: World, log_in: Login, browser: httpx.AsyncClient, reason: CodeFailure
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(
        VerifyOtp,
        lambda asked: OtpRejected(
            **asked.model_dump(include={"flow_id", "tenant_id", "user_id", "method"}),
            occurred_at=world.clock(),
            reason=reason,
        ),
    )

    response = await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert problem(response) == (401, "invalid_code")
    assert response.json().keys() == {"type", "title", "status", "detail", "code"}
    assert (await browser.get("/api/v1/login")).json()["state"] == "otp_required"


async def test_whose_authenticator_is_gone_must_enroll(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.enrollment_started)
    world.caller.answers(ResumeEnrollment, world.enrollment_started)

    response = await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert problem(response) == (409, "wrong_state")
    assert (await browser.get("/api/v1/login")).json()["state"] == "enrollment_required"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/v1/login/enrollment", {"code": "123456"}), ("/api/v1/login/enrollment/skip", None)],
)
async def test_no_step_can_be_taken_that_the_login_does_not_wait_for(
    world: World, log_in: Login, browser: httpx.AsyncClient, path: str, body: dict[str, str] | None
) -> None:
    await log_in(world.otp_required)

    assert problem(await browser.post(path, json=body)) == (409, "wrong_state")
    assert kinds(world.caller.asked) == [VerifyPassword]


async def test_a_flow_that_must_enroll_takes_no_otp(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.enrollment_started)

    assert problem(await browser.post("/api/v1/login/otp", json={"code": "123456"})) == (409, "wrong_state")
    assert kinds(world.caller.asked) == [VerifyPassword]


async def test_a_method_that_was_not_offered_is_not_asked_of_anybody(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(lambda asked: world.otp_required(asked).model_copy(update={"methods": (AuthenticatorType.TOTP,)}))

    response = await browser.post("/api/v1/login/otp", json={"code": "AAAA", "method": "recovery_code"})

    assert problem(response) == (409, "wrong_state")
    assert kinds(world.caller.asked) == [VerifyPassword]


@pytest.mark.parametrize(
    "stray",
    [{"flow_id": "another"}, {"user_id": BOB.user_id}, {"tenant_id": BOB.tenant_id}],
    ids=lambda stray: next(iter(stray)),
)
async def test_a_grant_that_is_not_of_this_login_is_refused(
    world: World, log_in: Login, browser: httpx.AsyncClient, stray: dict[str, Any]
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, lambda asked: world.granted(asked).model_copy(update=stray))

    response = await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert problem(response) == (403, "access_denied")
    assert world.sessions.kept == {}
    assert (await browser.get("/api/v1/login")).status_code == 200


async def test_a_grant_of_another_flow_is_refused_at_the_password_too(world: World, log_in: Login) -> None:
    response = await log_in(lambda asked: world.granted_by_password(asked, flow_id=FlowId("another")))

    assert problem(response) == (403, "access_denied")
    assert world.sessions.kept == {}


async def test_of_two_requests_that_finish_one_flow_one_is_signed_in(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    stale = dict(world.flows.kept)
    world.caller.answers(VerifyOtp, world.granted)
    cookies = {FLOW_COOKIE: browser.cookies[FLOW_COOKIE]}
    first = await browser.post("/api/v1/login/otp", json={"code": "123456"})

    def granted_while_another_request_ends_the_flow(asked: Command) -> Event:
        world.flows.kept = {}
        return world.granted(asked)

    world.flows.kept = stale
    world.caller.answers(VerifyOtp, granted_while_another_request_ends_the_flow)
    async with client(world.app(), "https://portal.example") as other:
        other.cookies.update(cookies)
        second = await other.post("/api/v1/login/otp", json={"code": "123456"})

    assert first.status_code == 200
    assert problem(second) == (404, "no_login")
    assert len(world.sessions.kept) == 1


async def test_a_login_that_was_given_up_meanwhile_is_not_finished(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)

    def granted_after_the_user_gave_up(asked: Command) -> Event:
        world.flows.kept = {}
        return world.granted(asked)

    world.caller.answers(VerifyOtp, granted_after_the_user_gave_up)

    assert problem(await browser.post("/api/v1/login/otp", json={"code": "123456"})) == (404, "no_login")
    assert world.sessions.kept == {}


@pytest.mark.parametrize("command", [VerifyOtp, ConfirmEnrollment, SkipEnrollment, ResumeEnrollment])
async def test_a_service_that_does_not_answer_grants_nothing_and_the_login_can_go_on(
    world: World, log_in: Login, browser: httpx.AsyncClient, command: type[Command]
) -> None:
    await log_in(world.otp_required if command is VerifyOtp else world.enrollment_started)
    calls = {
        VerifyOtp: lambda: browser.post("/api/v1/login/otp", json={"code": "123456"}),
        ConfirmEnrollment: lambda: browser.post("/api/v1/login/enrollment", json={"code": "123456"}),
        SkipEnrollment: lambda: browser.post("/api/v1/login/enrollment/skip"),
        ResumeEnrollment: lambda: browser.get("/api/v1/login"),
    }

    away = await calls[command]()
    world.caller.answers(command, world.enrollment_started if command is ResumeEnrollment else world.granted)
    back = await calls[command]()

    assert problem(away) == (503, "unavailable")
    assert int(away.headers["retry-after"]) > 0
    assert back.status_code == 200


async def test_a_password_that_nobody_can_judge_is_not_judged(world: World, browser: httpx.AsyncClient) -> None:
    response = await browser.post("/api/v1/login", json={"username": "ada", "password": "x"})

    assert problem(response) == (503, "unavailable")
    assert response.headers["retry-after"]
    assert world.sessions.kept == {}


async def test_while_the_database_is_away_nothing_is_granted_and_the_login_can_go_on(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)

    world.sessions.is_away = True
    away = await browser.post("/api/v1/login/otp", json={"code": "123456"})
    world.sessions.is_away = False
    back = await browser.post("/api/v1/login/otp", json={"code": "123456"})

    assert problem(away) == (503, "unavailable")
    assert back.status_code == 200


async def test_recovery_codes_that_cannot_be_opened_grant_nothing_and_the_login_can_go_on(
    world: World, log_in: Login, browser: httpx.AsyncClient
) -> None:
    await log_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, lambda asked: world.granted(asked, recovery_codes="broken"))

    response = await browser.post("/api/v1/login/enrollment", json={"code": "123456"})

    assert problem(response) == (500, "internal_error")
    assert world.sessions.kept == {}
    assert len(world.flows.kept) == 1


def rejected(asked: ConfirmEnrollment, reason: CodeFailure, world: World, skew: int | None = None) -> Event:
    return EnrollmentRejected(
        flow_id=asked.flow_id,
        tenant_id=asked.tenant_id,
        user_id=asked.user_id,
        occurred_at=world.clock(),
        reason=reason,
        clock_skew_seconds=skew,
    )
