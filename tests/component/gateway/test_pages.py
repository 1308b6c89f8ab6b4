"""The pages over HTTP: each form leads to the right page, whatever happens meanwhile, and never past the gate."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from services.gateway.guard import LARGEST_BODY
from services.gateway.problems import Code, Problem
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import ConfirmEnrollment, EnrollmentRejected, OtpRejected, ResumeEnrollment, VerifyOtp
from shared.contracts.policy import SkipEnrollment
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, LoginFailure, Mode
from tests.component.gateway.conftest import PROVISIONING, World, client
from tests.component.gateway.test_session import hear
from tests.examples import ADA, BOB, FLOW, NOON, Person

HTML = {"accept": "text/html,application/xhtml+xml"}
FORMS = (
    "/login",
    "/login/cancel",
    "/login/setup",
    "/login/setup/skip",
    "/login/setup/recovery-codes",
    "/login/setup/recovery-codes/later",
    "/login/code",
    "/logout",
    "/account/security/sessions/x/end",
    "/account/security/other-sessions/end",
    "/account/security/code",
    "/account/security/sign-in",
    "/account/security/authenticators",
    f"/account/security/authenticators/{FLOW}/code",
    f"/account/security/authenticators/{FLOW}/name",
    f"/account/security/authenticators/{FLOW}/removal",
    "/account/security/recovery-codes",
)
CODES = ["AAAA-BBBB-CCCC-DDDD", "EEEE-FFFF-GGGG-HHHH"]


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that comes over https, keeps its cookies and follows where it is led."""
    async with client(world.app(), "https://portal.example") as opened:
        opened.headers.update(HTML)
        opened.follow_redirects = True
        yield opened


Type = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def send(browser: httpx.AsyncClient) -> Type:
    """Sends a form as the page with it does."""

    async def send(path: str, fields: dict[str, str] | None = None) -> httpx.Response:
        return await browser.post(
            path, data=fields or {"": ""}, headers={"sec-fetch-site": "same-origin", "origin": "https://portal.example"}
        )

    return send


SignIn = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def sign_in(world: World, send: Type) -> SignIn:
    """Types a username and a password, to which the services answer as told."""

    async def sign_in(answer: Callable[[Any], Any], person: Person = ADA) -> httpx.Response:
        world.caller.answers(VerifyPassword, answer)
        world.caller.answers(ResumeEnrollment, world.enrollment_started)
        return await send("/login", {"username": person.username, "password": person.password})

    return sign_in


def place(response: httpx.Response) -> str:
    """Where a browser was led to."""
    return response.url.raw_path.decode()


def heading(response: httpx.Response) -> str:
    [found] = re.findall(r"<h1[^>]*>\s*(.*?)\s*</h1>", response.text, re.DOTALL)
    return str(found)


def notice(response: httpx.Response) -> str:
    found = re.search(r'id="notice".*?<p>(.*?)</p>', response.text, re.DOTALL)
    return "" if found is None else " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())


def failed(command: Any) -> LoginFailed:
    return LoginFailed(flow_id=command.flow_id, occurred_at=NOON, reason=LoginFailure.WRONG_PASSWORD)


def rejected(world: World, reason: CodeFailure, **members: Any) -> Callable[[Any], EnrollmentRejected]:
    return lambda command: EnrollmentRejected(
        flow_id=command.flow_id, occurred_at=world.clock(), **dict(ADA.named), reason=reason, **members
    )


def otp_rejected(world: World) -> Callable[[Any], OtpRejected]:
    return lambda command: OtpRejected(
        flow_id=command.flow_id,
        occurred_at=world.clock(),
        **dict(ADA.named),
        method=command.method,
        reason=CodeFailure.WRONG,
    )


def granted_with_codes(world: World) -> Callable[[Any], Any]:
    sealed = '["' + '","'.join(CODES) + '"]'
    return lambda command: world.granted(command, recovery_codes=world.recovery_codes(command.flow_id, sealed))


async def test_whoever_is_not_signed_in_is_asked_to(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/")

    assert (place(response), heading(response), notice(response)) == ("/login", "Sign in", "")


async def test_the_whole_wizard_leads_from_the_password_to_the_overview(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient
) -> None:
    first = await sign_in(world.enrollment_started)
    assert (place(first), heading(first)) == ("/login/setup", "Get an authenticator app")
    second = await browser.get("/login/setup?step=scan")
    assert PROVISIONING.otpauth_uri in second.text
    assert "<span>GEZD</span>" in second.text
    third = await browser.get("/login/setup?step=code")
    assert heading(third) == "Enter the code from the app"

    world.caller.answers(ConfirmEnrollment, granted_with_codes(world))
    fourth = await send("/login/setup", {"code": " 123 456 "})
    assert place(fourth) == "/login/setup/recovery-codes"
    assert all(code in fourth.text for code in CODES)
    file = await browser.get("/login/setup/recovery-codes.txt")
    assert file.text.split("\r\n") == [ADA.username, "", *CODES, ""]

    wrong = await send("/login/setup/recovery-codes", {"code": "AAAA-AAAA-AAAA-AAAA"})
    assert "not one of the codes" in notice(wrong)
    last = await send("/login/setup/recovery-codes", {"code": "eeee ffff gggg hhhh"})

    assert (place(last), heading(last)) == ("/", f"Hello, {ADA.display_name}")
    assert "safe with you" in notice(last)
    assert "Reminder" not in last.text
    assert [world.opened(command, "code") for command in world.caller.asked if isinstance(command, ConfirmEnrollment)]
    assert heading(await browser.get("/login/setup/recovery-codes")) == f"Hello, {ADA.display_name}"


async def test_whoever_keeps_his_codes_later_is_reminded(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, granted_with_codes(world))
    await send("/login/setup", {"code": "123456"})

    response = await send("/login/setup/recovery-codes/later")

    assert place(response) == "/"
    assert "You have not yet shown that you kept your recovery codes" in response.text


async def test_the_codes_are_shown_for_an_hour_at_most(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient
) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, granted_with_codes(world))
    await send("/login/setup", {"code": "123456"})

    world.clock.pass_by(timedelta(minutes=30))
    await browser.get("/")
    world.clock.pass_by(timedelta(minutes=30))
    response = await browser.get("/login/setup/recovery-codes")

    assert (place(response), notice(response)) == ("/", "The recovery codes can no longer be shown.")


async def test_nobody_is_signed_in_to_codes_that_could_not_be_held_ready_for_him_and_the_same_code_is_good_again(
    world: World, sign_in: SignIn, send: Type
) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, granted_with_codes(world))

    world.unkept.is_away = True
    away = await send("/login/setup", {"code": "123456"})
    granted_meanwhile = dict(world.sessions.kept)
    world.unkept.is_away = False
    back = await send("/login/setup", {"code": "123456"})

    assert (away.status_code, granted_meanwhile) == (503, {})
    assert (place(back), len(world.sessions.kept)) == ("/login/setup/recovery-codes", 1)


async def test_a_later_login_asks_for_the_code_alone(world: World, sign_in: SignIn, send: Type) -> None:
    challenged = await sign_in(world.otp_required)
    assert (place(challenged), heading(challenged)) == ("/login/code", "Enter your code")

    world.caller.answers(VerifyOtp, world.granted)
    response = await send("/login/code", {"method": "totp", "code": "123456"})

    assert (place(response), heading(response)) == ("/", f"Hello, {ADA.display_name}")


async def test_a_recovery_code_can_be_used_instead(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient
) -> None:
    await sign_in(world.otp_required)
    assert heading(await browser.get("/login/code?method=recovery_code")) == "Use a recovery code"
    world.caller.answers(VerifyOtp, otp_rejected(world))

    again = await send("/login/code", {"method": "recovery_code", "code": "AAAA BBBB"})

    assert place(again) == "/login/code?method=recovery_code"
    assert "recovery code was not accepted" in notice(again)
    assert isinstance(command := world.caller.asked[-1], VerifyOtp)
    assert command.method is AuthenticatorType.RECOVERY_CODE


async def test_a_wrong_password_is_said_without_the_username_being_lost(sign_in: SignIn, browser: Any) -> None:
    response = await sign_in(failed)

    assert place(response) == "/login"
    assert "do not go together" in notice(response)
    assert f'value="{ADA.username}"' in response.text
    assert ADA.password not in response.text
    assert notice(await browser.get("/login")) == ""


@pytest.mark.parametrize("fields", [{"username": "ada"}, {"password": "x"}, {"username": " ", "password": "x"}, {}])
async def test_a_login_form_that_lacks_something_asks_nobody(world: World, send: Type, fields: dict[str, str]) -> None:
    response = await send("/login", fields)

    assert "Enter both" in notice(response)
    assert world.caller.asked == []


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "12345\n6x"]
)
async def test_a_code_that_is_none_asks_nobody(world: World, sign_in: SignIn, send: Type, code: str) -> None:
    await sign_in(world.otp_required)

    response = await send("/login/code", {"method": "totp", "code": code})

    assert "six digits" in notice(response)
    assert [type(command) for command in world.caller.asked] == [VerifyPassword]


async def test_a_wrong_first_code_can_be_entered_again(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, rejected(world, CodeFailure.WRONG))

    response = await send("/login/setup", {"code": "123456"})

    assert place(response) == "/login/setup?step=code"
    assert "not accepted" in notice(response)


@pytest.mark.parametrize(("skew", "sentence"), [(90, "1:30 minutes ahead"), (-90, "1:30 minutes behind")])
async def test_a_clock_out_of_step_is_said(world: World, sign_in: SignIn, send: Type, skew: int, sentence: str) -> None:
    await sign_in(world.enrollment_started)
    answer = rejected(world, CodeFailure.CLOCK_OUT_OF_STEP, clock_skew_seconds=skew)
    world.caller.answers(ConfirmEnrollment, answer)

    assert sentence in notice(await send("/login/setup", {"code": "123456"}))


async def test_an_expired_qr_code_leads_back_to_the_new_one(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ConfirmEnrollment, rejected(world, CodeFailure.ENROLLMENT_EXPIRED))

    response = await send("/login/setup", {"code": "123456"})

    assert place(response) == "/login/setup?step=scan"
    assert "this is a new one" in notice(response)


async def test_setting_up_can_be_put_off_while_policy_lets_it(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(
        SkipEnrollment,
        lambda command: RequestRefused(
            occurred_at=world.clock(), flow_id=command.flow_id, code=RefusalCode.ENROLLMENT_REQUIRED, detail="no"
        ),
    )
    refused = await send("/login/setup/skip")
    world.caller.answers(SkipEnrollment, world.granted_by_password)
    allowed = await send("/login/setup/skip")

    assert (place(refused), notice(refused)) == (
        "/login/setup",
        "There is a problem: Setting up the app cannot be put off any longer.",
    )
    assert place(allowed) == "/"


async def test_too_many_attempts_say_how_long_to_wait(sign_in: SignIn) -> None:
    def throttled(_: Any) -> Any:
        raise Problem(Code.TOO_MANY_ATTEMPTS, retry_after=75)

    response = await sign_in(throttled)

    assert 'data-countdown="75"' in response.text
    assert "1:15" in notice(response)
    assert "countdown" in "".join(re.findall(r'src="([^"]*)"', response.text))


async def test_a_wait_that_nobody_sits_through_is_not_counted_down(world: World, sign_in: SignIn, send: Type) -> None:
    def locked(_: Any) -> Any:
        raise Problem(Code.TOO_MANY_ATTEMPTS)

    await sign_in(world.otp_required)
    world.caller.answers(VerifyOtp, locked)
    response = await send("/login/code", {"method": "totp", "code": "123456"})

    assert "Use a recovery code" in notice(response)
    assert "data-countdown" not in response.text


@pytest.mark.parametrize("path", ["/login/setup", "/login/code", "/login/setup?step=code"])
async def test_a_login_that_is_over_leads_back_to_its_beginning(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient, path: str
) -> None:
    await sign_in(world.otp_required)
    world.clock.pass_by(timedelta(minutes=15))

    for response in (await browser.get(path), await send("/login/code", {"method": "totp", "code": "123456"})):
        assert place(response) == "/login"
        assert "took too long" in notice(response)


async def test_the_page_of_another_step_leads_to_the_present_one(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient
) -> None:
    await sign_in(world.otp_required)
    assert [place(await browser.get(path)) for path in ("/", "/login", "/login/setup")] == ["/login/code"] * 3

    await sign_in(world.enrollment_started)
    assert [place(await browser.get(path)) for path in ("/", "/login", "/login/code")] == ["/login/setup"] * 3


async def test_the_form_of_another_step_leads_to_the_present_one(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.otp_required)

    response = await send("/login/setup", {"code": "123456"})

    assert place(response) == "/login/code"
    assert world.sessions.kept == {}


async def test_an_app_that_was_set_up_in_another_tab_is_asked_for(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient
) -> None:
    await sign_in(world.enrollment_started)
    world.caller.answers(ResumeEnrollment, world.otp_required)

    response = await browser.get("/login/setup?step=scan")

    assert (place(response), "already set up" in notice(response)) == ("/login/code", True)


@pytest.mark.parametrize("path", ["/login", "/login/setup", "/login/code"])
async def test_going_back_after_signing_in_leads_forward_again(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient, path: str
) -> None:
    await sign_in(world.granted_by_password)

    response = await browser.get(path)

    assert (place(response), notice(response)) == ("/", "")


@pytest.mark.parametrize(
    "path", ["/account/security", "/login/setup/recovery-codes", "/login/setup/recovery-codes.txt"]
)
async def test_no_page_of_a_signed_in_person_opens_during_a_login(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient, path: str
) -> None:
    await sign_in(world.otp_required)

    assert place(await browser.get(path)) == "/login/code"


async def test_someone_else_can_sign_in_instead(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.otp_required)

    response = await send("/login/cancel")

    assert (place(response), heading(response)) == ("/login", "Sign in")
    assert world.flows.kept == {}


async def test_signing_out_ends_the_session(world: World, sign_in: SignIn, send: Type, browser: Any) -> None:
    await sign_in(world.granted_by_password)

    response = await send("/logout")

    assert (place(response), notice(response)) == ("/login", "You are signed out.")
    assert world.sessions.kept == {}
    assert place(await browser.get("/")) == "/login"


async def test_a_raised_demand_is_said_at_the_next_page(world: World, sign_in: SignIn, browser: Any) -> None:
    await sign_in(world.granted_by_password)
    await hear(world, Mode.REQUIRED, 8)

    response = await browser.get("/")

    assert (place(response), notice(response)) == (
        "/login",
        "Your organisation now asks for a second step. Please sign in again.",
    )


async def test_other_sessions_are_seen_and_ended_and_nobody_elses(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient
) -> None:
    for person in (ADA, BOB):
        async with client(world.app(), "https://portal.example") as elsewhere:
            world.caller.answers(VerifyPassword, partial(world.granted, person=person))
            await elsewhere.post("/api/v1/login", json={"username": person.username, "password": "x"})
    await sign_in(world.granted)
    [hers, his, _] = world.sessions.kept.values()

    page = await browser.get("/account/security")
    assert re.findall(r"/sessions/([^/]+)/end", page.text) == [hers.session_id]
    await send(f"/account/security/sessions/{his.session_id}/end")
    ended = await send(f"/account/security/sessions/{hers.session_id}/end")

    assert notice(ended) == "That session is ended."
    assert hers.token_hash not in world.sessions.kept
    assert his.token_hash in world.sessions.kept
    assert "/end" not in ended.text


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}]
)
async def test_no_form_is_taken_from_another_site(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    await sign_in(world.granted_by_password)
    before, asked = dict(world.sessions.kept), len(world.caller.asked)

    response = await browser.post(path, data={"username": "a", "password": "b", "code": "123456"}, headers=headers)

    assert (response.status_code, heading(response)) == (403, "This request came from another site")
    assert (world.sessions.kept, len(world.caller.asked)) == (before, asked)


@pytest.mark.parametrize("path", FORMS)
async def test_only_forms_are_taken(world: World, sign_in: SignIn, browser: httpx.AsyncClient, path: str) -> None:
    await sign_in(world.granted_by_password)

    response = await browser.post(path, json={"code": "123456"})

    assert (response.status_code, heading(response)) == (415, "We could not read that request")


async def test_forms_are_bounded(browser: httpx.AsyncClient) -> None:
    large = await browser.post("/login", data={"username": "x" * LARGEST_BODY})
    many = await browser.post("/login", data={str(number): "x" for number in range(100)})

    assert (large.status_code, heading(large)) == (413, "That was too much at once")
    assert (many.status_code, heading(many)) == (422, "We could not read that request")


async def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(browser: httpx.AsyncClient) -> None:
    for_people = await browser.get("/nowhere")
    for_programs = await browser.get("/nowhere", headers={"accept": "application/json"})
    of_the_api = await browser.get("/api/v1/nowhere")

    assert (for_people.status_code, heading(for_people)) == (404, "There is no such page")
    assert for_programs.headers["content-type"] == of_the_api.headers["content-type"] == "application/problem+json"


async def test_services_that_are_away_cost_nobody_his_login(world: World, sign_in: SignIn, send: Type) -> None:
    await sign_in(world.otp_required)

    away = await send("/login/code", {"method": "totp", "code": "123456"})
    world.caller.answers(VerifyOtp, world.granted)
    back = await send("/login/code", {"method": "totp", "code": "123456"})

    assert (place(away), "Nothing is lost" in notice(away)) == ("/login/code", True)
    assert place(back) == "/"


async def test_a_database_that_is_away_is_a_page_too(world: World, sign_in: SignIn, browser: Any) -> None:
    await sign_in(world.granted_by_password)
    world.sessions.is_away = True

    response = await browser.get("/")

    assert (response.status_code, heading(response)) == (503, "We will be back in a moment")
    assert "retry-after" in response.headers


async def test_a_mistake_of_ours_shows_no_inside(sign_in: SignIn) -> None:
    def mistake(_: Any) -> Any:
        raise RuntimeError("the inside of the house")

    response = await sign_in(mistake)

    assert (response.status_code, heading(response)) == (500, "Something went wrong on our side")
    assert "house" not in response.text


async def test_a_page_carries_the_strict_headers(browser: httpx.AsyncClient) -> None:
    headers = (await browser.get("/login")).headers

    assert "unsafe" not in headers["content-security-policy"]
    assert "form-action 'self' https://app.example" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"].startswith("max-age=")


async def test_everything_that_a_page_links_to_is_there_and_may_be_kept_for_ever(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/login")

    links = re.findall(r'(?:src|href)="(/(?:static|pages)/[^"]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        file = await browser.get(link)
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["/static/pages.css", "/static/..%2frendering.py", "/pages/accent/red.css", "/pages/accent/2a5bd0%7d.css"]
)
async def test_no_other_file_is_there(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_a_language_is_taken_from_the_browser_until_another_is_chosen(browser: httpx.AsyncClient) -> None:
    by_browser = await browser.get("/login", headers={"accept-language": "de-CH,de;q=0.9"})
    await browser.get("/login?lang=nl")
    chosen = await browser.get("/login", headers={"accept-language": "de-CH,de;q=0.9"})

    assert (heading(by_browser), heading(chosen)) == ("Anmelden", "Aanmelden")
    assert '<html lang="nl">' in chosen.text


@pytest.mark.parametrize(
    "value",
    ["", "x", "e30", "bm90IGpzb24", "eyJub3RpY2UiOiI8Yj4ifQ", "A" * 5000, "\x7f", "eyJub3RpY2UiOiJjb2RlX3dyb25nIg"],
)
async def test_a_notice_that_somebody_else_wrote_says_nothing(browser: httpx.AsyncClient, value: str) -> None:
    browser.cookies.set("__Host-wardgate_notice", value)

    response = await browser.get("/login")

    assert (response.status_code, notice(response)) == (200, "")


async def test_a_sign_in_ends_where_the_browser_wanted_to_go(
    world: World, sign_in: SignIn, send: Type, browser: httpx.AsyncClient
) -> None:
    await browser.get("/login", params={"return_to": "https://app.example/orders?page=2"})
    await sign_in(world.otp_required)
    world.caller.answers(VerifyOtp, world.granted)
    browser.follow_redirects = False

    response = await send("/login/code", {"method": "totp", "code": "123456"})
    again = await browser.get("/login", params={"return_to": "https://app.example/orders"})

    assert response.headers["location"] == "https://app.example/orders?page=2"
    assert again.headers["location"] == "https://app.example/orders"


@pytest.mark.parametrize("trap", ["https://evil.example/", "//evil.example", "https://app.example.evil.example/"])
async def test_a_sign_in_never_ends_in_a_trap(
    world: World, sign_in: SignIn, browser: httpx.AsyncClient, trap: str
) -> None:
    await browser.get("/login", params={"return_to": trap})

    response = await sign_in(world.granted_by_password)

    assert str(response.url) == "https://portal.example/"


async def test_without_secure_cookies_pages_are_for_this_machine_alone(world: World) -> None:
    async with client(world.app(cookie_secure=False), "http://rebound.example") as stranger:
        response = await stranger.get("/login", headers=HTML)

    assert (response.status_code, heading(response)) == (403, "You may not see this page")
