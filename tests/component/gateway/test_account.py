"""The account over HTTP: authenticators, recovery codes, sessions; what is asked of whom, and in whose name."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.enrollment import EnrollmentRejected, OtpRejected
from shared.contracts.gateway import SessionEnded, SessionEnding
from shared.contracts.management import (
    AddAuthenticator,
    AdditionNoted,
    AuthenticatorRenamed,
    AuthenticatorsListed,
    ConfirmAuthenticator,
    ListAuthenticators,
    ListedAuthenticator,
    RecoveryCodesRenewed,
    RemovalNoted,
    RemoveAuthenticator,
    RenameAuthenticator,
    RenewRecoveryCodes,
    StepUp,
    StepUpGranted,
)
from shared.contracts.message import Command
from shared.contracts.policy import EnforcementChanged
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import (
    AuthenticationMethod,
    AuthenticatorId,
    AuthenticatorType,
    CodeFailure,
    FlowId,
    Mode,
    Service,
)
from tests.component.gateway.conftest import PROVISIONING, Login, World
from tests.component.gateway.test_login import SESSION_COOKIE, problem
from tests.examples import ADA, BOB, Person

HERS = AuthenticatorId(str(uuid4()))
BOTH = (AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP)


@dataclass(frozen=True)
class Request:
    """A request, and what is asked of the services for it."""

    kind: type[Command]
    method: str
    path: str
    body: Any = None

    @property
    def sent(self) -> tuple[str, str, Any]:
        return self.method, self.path, self.body


CHANGES = [
    Request(AddAuthenticator, "POST", "/authenticators"),
    Request(ConfirmAuthenticator, "POST", f"/authenticators/{HERS}/confirm", {"code": "123456"}),
    Request(RenameAuthenticator, "PATCH", f"/authenticators/{HERS}", {"name": "Tablet"}),
    Request(RemoveAuthenticator, "DELETE", f"/authenticators/{HERS}"),
    Request(RenewRecoveryCodes, "POST", "/recovery-codes"),
    Request(StepUp, "POST", "/session/step-up", {"code": "123456"}),
]
LOOKS = [
    Request(ListAuthenticators, "GET", "/authenticators"),
    Request(ListAuthenticators, "GET", "/recovery-codes"),
]
every_change = pytest.mark.parametrize("asked", CHANGES, ids=lambda asked: asked.kind.__name__)
every_request = pytest.mark.parametrize("asked", [*CHANGES, *LOOKS], ids=lambda asked: f"{asked.method} {asked.path}")
as_ada = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def ask(browser: httpx.AsyncClient) -> Callable[..., Any]:
    """Sends a request to the API."""

    async def ask(method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        sent = {} if body is None else {"json": body}
        return await browser.request(method, f"/api/v1{path}", **sent, **more)

    return ask


@pytest.fixture
async def signed_in(world: World, log_in: Login) -> httpx.Response:
    """Ada, with both factors."""
    return await log_in(world.granted)


def of(asked: Any, world: World, person: Person = ADA) -> dict[str, Any]:
    return {"flow_id": asked.flow_id, "login": asked.login, "occurred_at": world.clock(), **dict(person.named)}


def refuses(world: World, kind: type[Command], code: RefusalCode, seconds: int | None = None) -> None:
    world.caller.answers(
        kind,
        lambda asked: RequestRefused(
            flow_id=asked.flow_id, occurred_at=world.clock(), code=code, detail="Not now.", retry_after_seconds=seconds
        ),
    )


def steps_up(world: World, person: Person = ADA) -> None:
    world.caller.answers(
        StepUp,
        lambda asked: StepUpGranted(
            **of(asked, world, person),
            amr=BOTH,
            assurance=2,
            fresh_until=world.clock() + timedelta(minutes=5),
            policy_revision=8,
            chain=(),
        ),
    )


def lists(world: World) -> None:
    one = ListedAuthenticator(authenticator_id=HERS, name="Phone", created_at=world.clock())
    world.caller.answers(
        ListAuthenticators,
        lambda asked: AuthenticatorsListed(
            **of(asked, world),
            authenticators=(one,),
            recovery_codes_left=7,
            recovery_codes_issued_at=world.clock(),
        ),
    )


# Who asks


@every_request
async def test_a_stranger_is_told_nothing_and_changes_nothing(world: World, ask: Any, asked: Request) -> None:
    assert problem(await ask(*asked.sent)) == (401, "no_session")
    assert world.caller.asked == []


@every_request
@as_ada
async def test_it_is_asked_in_the_name_of_the_session_and_of_nobody_whom_a_client_names(
    world: World, ask: Any, asked: Request
) -> None:
    [session] = world.sessions.kept.values()
    refuses(world, asked.kind, RefusalCode.ACCESS_DENIED)
    theirs = {"user_id": BOB.user_id, "tenant_id": BOB.tenant_id}

    await ask(*asked.sent, params=theirs, headers={"x-user-id": BOB.user_id})

    command: Any = world.caller.asked[-1]
    assert type(command) is asked.kind
    assert (command.tenant_id, command.user_id) == (ADA.tenant_id, ADA.user_id)
    assert (command.login, command.flow_id == session.flow_id) == (session.flow_id, False)
    if asked.body is not None:
        assert problem(await ask(asked.method, asked.path, asked.body | theirs)) == (422, "invalid_request")


@every_change
@as_ada
async def test_another_site_changes_nothing_in_the_name_of_a_user(world: World, ask: Any, asked: Request) -> None:
    before = len(world.caller.asked)

    response = await ask(*asked.sent, headers={"sec-fetch-site": "cross-site"})

    assert problem(response) == (403, "cross_site")
    assert len(world.caller.asked) == before


@pytest.mark.parametrize("other", [dict(BOB.named), {"login": "another"}, {"flow_id": "another"}])
@as_ada
async def test_an_answer_about_another_user_login_or_conversation_is_no_answer(
    world: World, ask: Any, other: dict[str, Any]
) -> None:
    world.caller.answers(
        RemoveAuthenticator, lambda asked: RemovalNoted(**of(asked, world) | other, authenticator_id=HERS)
    )

    assert problem(await ask("DELETE", f"/authenticators/{HERS}")) == (403, "access_denied")


@every_request
@as_ada
async def test_without_an_answer_nothing_is_said_to_have_been_done(ask: Any, asked: Request) -> None:
    assert problem(await ask(*asked.sent)) == (503, "unavailable")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (RefusalCode.FRESH_CODE_REQUIRED, (403, "fresh_code_required")),
        (RefusalCode.LAST_AUTHENTICATOR, (409, "last_authenticator")),
        (RefusalCode.TOO_MANY_AUTHENTICATORS, (409, "too_many_authenticators")),
        (RefusalCode.NAME_TAKEN, (409, "name_taken")),
        (RefusalCode.NOT_FOUND, (404, "not_found")),
        (RefusalCode.WRONG_STATE, (409, "wrong_state")),
    ],
)
@as_ada
async def test_a_refusal_is_said_by_its_name(world: World, ask: Any, code: RefusalCode, said: tuple[int, str]) -> None:
    refuses(world, RemoveAuthenticator, code)

    assert problem(await ask("DELETE", f"/authenticators/{HERS}")) == said


# Stepping up


@as_ada
async def test_a_step_up_renews_the_token_and_the_one_before_is_worth_nothing(
    world: World, ask: Any, browser: httpx.AsyncClient
) -> None:
    stolen, [before] = browser.cookies[SESSION_COOKIE], world.sessions.kept.values()
    steps_up(world)

    response = await ask("POST", "/session/step-up", {"code": "123456"})

    assert response.status_code == 200
    assert response.json()["fresh_until"].startswith("2026-03-02T12:05")
    [after] = world.sessions.kept.values()
    assert (after.session_id, after.flow_id) == (before.session_id, before.flow_id)
    assert after.token_hash != before.token_hash
    assert (await ask("GET", "/session")).status_code == 200
    browser.cookies.clear()
    assert problem(await ask("GET", "/session", headers={"cookie": f"{SESSION_COOKIE}={stolen}"})) == (
        401,
        "no_session",
    )


@as_ada
async def test_the_code_travels_sealed_to_enrollment_in_a_flow_of_its_own(world: World, ask: Any) -> None:
    steps_up(world)

    await ask("POST", "/session/step-up", {"code": "AAAA-BBBB", "method": "recovery_code"})

    asked: Any = world.caller.asked[-1]
    assert world.opened(asked, "code") == "AAAA-BBBB"
    assert asked.method is AuthenticatorType.RECOVERY_CODE
    assert "AAAA" not in asked.model_dump_json()


@as_ada
async def test_a_wrong_code_changes_neither_the_token_nor_what_it_rests_on(world: World, ask: Any) -> None:
    kept = dict(world.sessions.kept)
    world.caller.answers(
        StepUp,
        lambda asked: OtpRejected(
            flow_id=asked.flow_id,
            occurred_at=world.clock(),
            **dict(ADA.named),
            method=AuthenticatorType.TOTP,
            reason=CodeFailure.WRONG,
        ),
    )

    response = await ask("POST", "/session/step-up", {"code": "000000"})

    assert problem(response) == (401, "invalid_code")
    assert "set-cookie" not in response.headers
    assert world.sessions.kept == kept


@as_ada
async def test_guesses_at_a_step_up_are_counted_by_address_like_all_others(world: World, ask: Any) -> None:
    world.caller.answers(
        StepUp,
        lambda asked: OtpRejected(
            flow_id=asked.flow_id,
            occurred_at=world.clock(),
            **dict(ADA.named),
            method=AuthenticatorType.TOTP,
            reason=CodeFailure.WRONG,
        ),
    )
    for _ in range(5):
        await ask("POST", "/session/step-up", {"code": "000000"})
    asked = len(world.caller.asked)

    response = await ask("POST", "/session/step-up", {"code": "000000"})

    assert problem(response) == (429, "too_many_attempts")
    assert len(world.caller.asked) == asked


@as_ada
async def test_a_throttled_user_is_told_when_to_come_again(world: World, ask: Any) -> None:
    refuses(world, StepUp, RefusalCode.TOO_MANY_ATTEMPTS, 60)

    response = await ask("POST", "/session/step-up", {"code": "123456"})

    assert problem(response) == (429, "too_many_attempts")
    assert response.headers["retry-after"] == "60"


@as_ada
async def test_a_session_that_was_ended_meanwhile_does_not_come_back_by_stepping_up(world: World, ask: Any) -> None:
    def ended_meanwhile(asked: Any) -> StepUpGranted:
        world.sessions.kept.clear()
        return StepUpGranted(
            **of(asked, world),
            amr=BOTH,
            assurance=2,
            fresh_until=world.clock(),
            policy_revision=8,
            chain=(),
        )

    world.caller.answers(StepUp, ended_meanwhile)

    response = await ask("POST", "/session/step-up", {"code": "123456"})

    assert problem(response) == (401, "no_session")
    assert world.sessions.kept == {}


async def test_who_must_step_up_can_do_so_and_nothing_else_before(world: World, log_in: Login, ask: Any) -> None:
    await log_in(world.granted_by_password)
    await world.sessions.note(
        EnforcementChanged(
            occurred_at=world.clock(),
            tenant_id=ADA.tenant_id,
            before=Mode.OPTIONAL,
            after=Mode.REQUIRED,
            policy_revision=8,
        )
    )
    steps_up(world)

    assert problem(await ask("POST", "/authenticators")) == (401, "step_up_required")
    assert (await ask("POST", "/session/step-up", {"code": "123456"})).status_code == 200
    assert (await ask("GET", "/session")).json()["amr"] == ["pwd", "otp"]


# Authenticators and recovery codes


@as_ada
async def test_authenticators_are_listed_with_what_is_known_of_them(world: World, ask: Any) -> None:
    lists(world)

    [one] = (await ask("GET", "/authenticators")).json()

    assert (one["id"], one["name"], one["type"], one["last_used_at"]) == (HERS, "Phone", "totp", None)
    assert (await ask("GET", "/recovery-codes")).json()["left"] == 7


@as_ada
async def test_a_new_one_is_shown_as_at_a_login(world: World, ask: Any) -> None:
    world.caller.answers(AddAuthenticator, world.enrollment_started)

    response = await ask("POST", "/authenticators")

    assert response.status_code == 201
    assert response.json()["secret"] == PROVISIONING.secret
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("codes", [None, '["AAAA-BBBB"]'])
@as_ada
async def test_a_confirmed_one_brings_recovery_codes_where_there_were_none(
    world: World, ask: Any, codes: str | None
) -> None:
    def noted(asked: Any) -> AdditionNoted:
        sealed = None if codes is None else world.recovery_codes(asked.flow_id, codes)
        return AdditionNoted(**of(asked, world), authenticator_id=HERS, name="App", recovery_codes=sealed)

    world.caller.answers(ConfirmAuthenticator, noted)

    response = await ask("POST", f"/authenticators/{HERS}/confirm", {"code": "123456"})

    said = {"id": HERS, "name": "App"} | ({} if codes is None else {"recovery_codes": ["AAAA-BBBB"]})
    assert (response.status_code, response.json()) == (200, said)


@as_ada
async def test_a_first_code_for_another_time_says_how_far_the_clock_is_off(world: World, ask: Any) -> None:
    world.caller.answers(
        ConfirmAuthenticator,
        lambda asked: EnrollmentRejected(
            flow_id=asked.flow_id,
            occurred_at=world.clock(),
            **dict(ADA.named),
            reason=CodeFailure.CLOCK_OUT_OF_STEP,
            clock_skew_seconds=-120,
        ),
    )

    response = await ask("POST", f"/authenticators/{HERS}/confirm", {"code": "123456"})

    assert problem(response) == (401, "invalid_code")
    assert response.json()["clock_skew_seconds"] == -120


@as_ada
async def test_one_is_renamed_and_removed(world: World, ask: Any) -> None:
    world.caller.answers(
        RenameAuthenticator, lambda asked: AuthenticatorRenamed(**of(asked, world), authenticator_id=HERS, name="T")
    )
    world.caller.answers(RemoveAuthenticator, lambda asked: RemovalNoted(**of(asked, world), authenticator_id=HERS))

    assert (await ask("PATCH", f"/authenticators/{HERS}", {"name": " Tablet "})).status_code == 204
    assert world.caller.asked[-1].name == "Tablet"
    assert (await ask("DELETE", f"/authenticators/{HERS}")).status_code == 204


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "two\nlines", "\x1b[31mred"])
@as_ada
async def test_a_name_is_one_short_line(ask: Any, name: str) -> None:
    response = await ask("PATCH", f"/authenticators/{HERS}", {"name": name})

    assert problem(response) == (422, "invalid_request")


@as_ada
async def test_new_recovery_codes_are_shown_once(world: World, ask: Any) -> None:
    world.caller.answers(
        RenewRecoveryCodes,
        lambda asked: RecoveryCodesRenewed(**of(asked, world), recovery_codes=world.recovery_codes(asked.flow_id)),
    )

    response = await ask("POST", "/recovery-codes")

    assert (response.status_code, response.json()) == (201, {"recovery_codes": ["AAAA-BBBB"]})


@as_ada
async def test_codes_of_another_conversation_cannot_be_opened(world: World, ask: Any) -> None:
    world.caller.answers(
        RenewRecoveryCodes,
        lambda asked: RecoveryCodesRenewed(**of(asked, world), recovery_codes=world.recovery_codes(FlowId("other"))),
    )

    assert problem(await ask("POST", "/recovery-codes")) == (500, "internal_error")


# Sessions


async def test_all_other_sessions_of_this_user_end_and_nobody_elses(
    world: World, log_in: Login, browser: httpx.AsyncClient, ask: Any
) -> None:
    for person in (ADA, BOB, ADA):
        browser.cookies.clear()
        await log_in(lambda asked, person=person: world.granted(asked, person))
    hers, his, here = world.sessions.kept.values()

    response = await ask("DELETE", "/sessions")

    assert response.status_code == 204
    assert set(world.sessions.kept) == {his.token_hash, here.token_hash}
    told = [event for event in world.told if isinstance(event, SessionEnded)]
    assert [(event.session_id, event.reason) for event in told] == [(hers.session_id, SessionEnding.FROM_ELSEWHERE)]


async def test_another_users_session_id_ends_nothing(
    world: World, log_in: Login, browser: httpx.AsyncClient, ask: Any
) -> None:
    await log_in(lambda asked: world.granted(asked, BOB))
    [his] = world.sessions.kept.values()
    browser.cookies.clear()
    await log_in(world.granted)

    assert problem(await ask("DELETE", f"/sessions/{his.session_id}")) == (404, "not_found")
    assert his.token_hash in world.sessions.kept
    assert SessionEnding.FROM_ELSEWHERE not in {getattr(event, "reason", None) for event in world.told}


def test_the_services_that_codes_are_sealed_to_are_the_ones_that_judge_them() -> None:
    assert {kind.to for kind in (StepUp, ConfirmAuthenticator)} == {Service.ENROLLMENT}
    assert {kind.to for kind in (AddAuthenticator, RemoveAuthenticator, RenewRecoveryCodes)} == {Service.POLICY}
