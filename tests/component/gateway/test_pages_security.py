"""The security page over HTTP: it shows what is there, asks for a code where one is due, and goes on where one was."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.audit import ListSecurityEvents, SecurityEvent, SecurityEventsListed
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import EnrollmentRejected, OtpRejected
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
from shared.contracts.vocabulary import AuthenticationMethod, AuthenticatorId, AuthenticatorType, CodeFailure, Mode
from tests.component.gateway.conftest import World, client
from tests.component.gateway.test_login import SESSION_COOKIE
from tests.component.gateway.test_pages import HTML, heading, notice, place
from tests.examples import ADA

HERS = AuthenticatorId(str(uuid4()))
SECURITY = "/account/security"
REMOVAL = f"{SECURITY}/authenticators/{HERS}/removal"


class Visitor:
    """Ada, signed in with both factors, on the pages."""

    def __init__(self, world: World, browser: httpx.AsyncClient) -> None:
        self.world = world
        self.browser = browser

    async def look(self, path: str = SECURITY) -> httpx.Response:
        return await self.browser.get(path)

    async def send(self, path: str, **fields: str) -> httpx.Response:
        headers = {"sec-fetch-site": "same-origin", "origin": "https://portal.example"}
        return await self.browser.post(path, data=fields or {"": ""}, headers=headers)

    def of(self, asked: Any) -> dict[str, Any]:
        told = {"flow_id": asked.flow_id, "login": asked.login, "occurred_at": self.world.clock()}
        return told | dict(ADA.named)

    def answers(self, kind: type[Command], answer: type[Any], **members: Any) -> None:
        self.world.caller.answers(kind, lambda asked: answer(**self.of(asked), **members))

    def refuses(self, kind: type[Command], code: RefusalCode) -> None:
        self.world.caller.answers(
            kind,
            lambda asked: RequestRefused(
                flow_id=asked.flow_id, occurred_at=self.world.clock(), code=code, detail="Not now."
            ),
        )

    def has(self, *names: str, codes: int = 7) -> None:
        listed = [
            ListedAuthenticator(
                authenticator_id=HERS if number == 0 else AuthenticatorId(str(uuid4())),
                name=name,
                created_at=self.world.clock(),
            )
            for number, name in enumerate(names)
        ]
        self.answers(ListAuthenticators, AuthenticatorsListed, authenticators=tuple(listed), recovery_codes_left=codes)

    def steps_up(self) -> None:
        self.answers(
            StepUp,
            StepUpGranted,
            amr=(AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
            assurance=2,
            fresh_until=self.world.clock() + timedelta(minutes=5),
            policy_revision=8,
            chain=(),
        )

    def rejects(self, kind: type[Command], answer: type[Any], reason: CodeFailure, **members: Any) -> None:
        self.world.caller.answers(
            kind,
            lambda asked: answer(
                flow_id=asked.flow_id,
                occurred_at=self.world.clock(),
                **dict(ADA.named),
                reason=reason,
                **members,
            ),
        )

    def makes_codes(self) -> None:
        self.world.caller.answers(
            RenewRecoveryCodes,
            lambda asked: RecoveryCodesRenewed(
                **self.of(asked), recovery_codes=self.world.recovery_codes(asked.flow_id)
            ),
        )

    def hidden(self, page: httpx.Response) -> dict[str, str]:
        return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text))


@pytest.fixture
async def ada(world: World) -> AsyncIterator[Visitor]:
    async with client(world.app(), "https://portal.example") as browser:
        world.caller.answers(VerifyPassword, world.granted)
        await browser.post("/api/v1/login", json={"username": ADA.username, "password": "x"})
        browser.headers.update(HTML)
        browser.follow_redirects = True
        yield Visitor(world, browser)


async def test_it_shows_what_protects_the_account(ada: Visitor) -> None:
    ada.has("Phone", "Tablet <b>")
    at = ada.world.clock()
    events = [SecurityEvent(topic=topic, occurred_at=at) for topic in (LoginFailed.topic, "unheard.of.v1")]
    ada.answers(ListSecurityEvents, SecurityEventsListed, events=tuple(events))

    page = await ada.look()

    assert "Phone" in page.text
    assert "Tablet &lt;b&gt;" in page.text
    assert "7 codes are left." in page.text
    assert page.text.count("Someone tried a wrong password") == 1
    assert REMOVAL in page.text
    asked: Any = ada.world.caller.asked[-1]
    assert (asked.tenant_id, asked.user_id) == (ADA.tenant_id, ADA.user_id)


async def test_what_cannot_be_asked_for_is_left_out_and_the_rest_is_shown(ada: Visitor) -> None:
    page = await ada.look()

    assert page.status_code == 200
    assert "Where you are signed in" in page.text
    assert "Add an app" not in page.text
    assert "What happened lately" not in page.text


async def test_no_button_stands_there_that_could_not_work(ada: Visitor) -> None:
    await ada.world.sessions.note(
        EnforcementChanged(
            occurred_at=ada.world.clock(),
            tenant_id=ADA.tenant_id,
            before=Mode.OPTIONAL,
            after=Mode.REQUIRED,
            policy_revision=8,
        )
    )
    ada.has("Phone")
    last = await ada.look()
    ada.has(*"abcde")
    full = await ada.look()

    assert REMOVAL not in last.text
    assert "add the new one first" in last.text
    assert f'action="{SECURITY}/authenticators"' not in full.text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (REMOVAL, RemoveAuthenticator),
        (f"{SECURITY}/recovery-codes", RenewRecoveryCodes),
        (f"{SECURITY}/authenticators", AddAuthenticator),
    ],
)
async def test_where_a_code_is_due_it_is_asked_for_and_then_one_goes_on_where_one_was(
    ada: Visitor, path: str, kind: type[Command]
) -> None:
    ada.has("Phone", "Tablet")
    ada.refuses(kind, RefusalCode.FRESH_CODE_REQUIRED)
    before = ada.browser.cookies[SESSION_COOKIE]

    asked = await ada.send(path)
    assert heading(asked) == "Confirm that it is you"
    ada.steps_up()
    ada.makes_codes()
    ada.answers(RemoveAuthenticator, RemovalNoted, authenticator_id=HERS)
    ada.world.caller.answers(AddAuthenticator, ada.world.enrollment_started)
    arrived = await ada.send(f"{SECURITY}/code", code="123 456", **ada.hidden(asked))

    where = {
        RemoveAuthenticator: (SECURITY, "Security of your account"),
        RenewRecoveryCodes: ("/login/setup/recovery-codes", "Keep your recovery codes"),
        AddAuthenticator: (f"{SECURITY}/authenticators/new", "Add an app"),
    }
    assert (place(arrived), heading(arrived)) == where[kind]
    assert ada.browser.cookies[SESSION_COOKIE] != before
    done: Any = next(command for command in reversed(ada.world.caller.asked) if type(command) is kind)
    assert getattr(done, "authenticator_id", HERS) == HERS


async def test_a_wrong_code_asks_again_and_forgets_nothing(ada: Visitor) -> None:
    ada.has("Phone", "Tablet")
    ada.refuses(RemoveAuthenticator, RefusalCode.FRESH_CODE_REQUIRED)
    ada.rejects(StepUp, OtpRejected, CodeFailure.WRONG, method=AuthenticatorType.TOTP)

    asked = await ada.send(REMOVAL)
    again = await ada.send(f"{SECURITY}/code", code="000000", **ada.hidden(asked))
    malformed = await ada.send(f"{SECURITY}/code", code="12", **ada.hidden(again))

    assert notice(again).startswith("There is a problem: This code was not accepted.")
    assert notice(malformed) == "There is a problem: Enter the six digits that your app shows."
    assert ada.hidden(asked) == ada.hidden(again) == ada.hidden(malformed)
    assert ada.hidden(again)["id"] == HERS


async def test_a_recovery_code_does_as_well(ada: Visitor) -> None:
    ada.has("Phone")
    ada.steps_up()
    ada.makes_codes()

    page = await ada.look(f"{SECURITY}/code?then=renew_codes&method=recovery_code")
    arrived = await ada.send(f"{SECURITY}/code", code="aaaa bbbb", **ada.hidden(page))

    asked: Any = next(command for command in ada.world.caller.asked if isinstance(command, StepUp))
    assert asked.method is AuthenticatorType.RECOVERY_CODE
    assert heading(arrived) == "Keep your recovery codes"


@pytest.mark.parametrize("then", ["", "?then=remove", "?then=remove&id=../x", "?then=//evil.example", "?then=add&id=<"])
async def test_what_an_address_says_that_nobody_can_want_leads_nowhere(ada: Visitor, then: str) -> None:
    ada.has("Phone")

    page = await ada.look(f"{SECURITY}/code{then}")

    assert ada.hidden(page) == {"then": "add", "method": "totp"}


async def test_who_has_no_app_signs_in_again_and_comes_back(ada: Visitor) -> None:
    ada.has()
    ada.refuses(AddAuthenticator, RefusalCode.FRESH_CODE_REQUIRED)

    asked = await ada.send(f"{SECURITY}/authenticators")
    assert 'name="code"' not in asked.text
    signed_out = await ada.send(f"{SECURITY}/sign-in")
    ada.world.caller.answers(AddAuthenticator, ada.world.enrollment_started)
    back = await ada.send("/login", username=ADA.username, password="x")

    assert heading(signed_out) == "Sign in"
    assert place(back) == f"{SECURITY}/authenticators/new"


async def test_an_app_is_added_by_its_first_code(ada: Visitor) -> None:
    ada.has("Phone")
    ada.world.caller.answers(AddAuthenticator, lambda asked: ada.world.enrollment_started(asked, authenticator_id=HERS))
    ada.answers(ConfirmAuthenticator, AdditionNoted, authenticator_id=HERS, name="App")

    shown = await ada.send(f"{SECURITY}/authenticators")
    done = await ada.send(f"{SECURITY}/authenticators/{HERS}/code", code="123456")

    assert f"{SECURITY}/authenticators/{HERS}/code" in shown.text
    assert (place(done), notice(done)[:22]) == (SECURITY, "The app is set up. Tho")


async def test_the_first_app_brings_codes_that_are_to_be_kept(ada: Visitor) -> None:
    ada.world.caller.answers(
        ConfirmAuthenticator,
        lambda asked: AdditionNoted(
            **ada.of(asked),
            authenticator_id=HERS,
            name="App",
            recovery_codes=ada.world.recovery_codes(asked.flow_id),
        ),
    )

    done = await ada.send(f"{SECURITY}/authenticators/{HERS}/code", code="123456")

    assert heading(done) == "Keep your recovery codes"
    assert "AAAA-BBBB" in done.text


@pytest.mark.parametrize(
    ("tell", "says"),
    [
        (lambda ada: ada.rejects(ConfirmAuthenticator, EnrollmentRejected, CodeFailure.WRONG), "not accepted"),
        (
            lambda ada: ada.rejects(ConfirmAuthenticator, EnrollmentRejected, CodeFailure.ENROLLMENT_EXPIRED),
            "has expired",
        ),
        (lambda ada: ada.refuses(ConfirmAuthenticator, RefusalCode.NOT_FOUND), "has expired"),
        (lambda ada: ada.refuses(ConfirmAuthenticator, RefusalCode.TOO_MANY_ATTEMPTS), "Too many attempts"),
        (lambda _: None, "cannot do this right now"),
    ],
)
async def test_a_first_code_that_is_not_taken_leads_back_to_the_qr_code(
    ada: Visitor, tell: Callable[[Visitor], None], says: str
) -> None:
    ada.world.caller.answers(AddAuthenticator, ada.world.enrollment_started)
    tell(ada)

    page = await ada.send(f"{SECURITY}/authenticators/{HERS}/code", code="123456")

    assert (place(page), heading(page)) == (f"{SECURITY}/authenticators/new", "Add an app")
    assert says in notice(page)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (RefusalCode.LAST_AUTHENTICATOR, "can only be replaced"),
        (RefusalCode.NOT_FOUND, "no such app"),
        (RefusalCode.WRONG_STATE, "sign out and in again"),
    ],
)
async def test_a_removal_that_is_refused_says_why(ada: Visitor, code: RefusalCode, says: str) -> None:
    ada.has("Phone")
    ada.refuses(RemoveAuthenticator, code)

    page = await ada.send(REMOVAL)

    assert place(page) == SECURITY
    assert says in notice(page)


async def test_an_app_is_renamed_and_a_name_that_is_none_is_not_sent(ada: Visitor) -> None:
    ada.has("Phone")
    ada.answers(RenameAuthenticator, AuthenticatorRenamed, authenticator_id=HERS, name="Tablet")

    named = await ada.send(f"{SECURITY}/authenticators/{HERS}/name", name=" Tablet ")
    empty = await ada.send(f"{SECURITY}/authenticators/{HERS}/name", name="   ")
    ada.refuses(RenameAuthenticator, RefusalCode.NAME_TAKEN)
    taken = await ada.send(f"{SECURITY}/authenticators/{HERS}/name", name="Tablet")

    assert notice(named) == "The app has its new name."
    assert "at most 64 letters" in notice(empty)
    assert "Another of your apps" in notice(taken)
    assert sum(isinstance(command, RenameAuthenticator) for command in ada.world.caller.asked) == 2


async def test_all_other_sessions_end_by_one_button(ada: Visitor) -> None:
    async with client(ada.world.app(), "https://portal.example") as elsewhere:
        await elsewhere.post("/api/v1/login", json={"username": ADA.username, "password": "x"})
    assert f"{SECURITY}/other-sessions/end" in (await ada.look()).text

    page = await ada.send(f"{SECURITY}/other-sessions/end")

    assert notice(page) == "You are signed out everywhere else."
    assert len(ada.world.sessions.kept) == 1
    assert f"{SECURITY}/other-sessions/end" not in page.text


async def test_a_session_that_ended_elsewhere_leads_to_the_login_from_every_page(ada: Visitor) -> None:
    ada.world.sessions.kept.clear()

    for path in (SECURITY, f"{SECURITY}/code", f"{SECURITY}/authenticators/new"):
        assert place(await ada.look(path)) == "/login"
    for path in (REMOVAL, f"{SECURITY}/code", f"{SECURITY}/authenticators", f"{SECURITY}/recovery-codes"):
        assert place(await ada.send(path, code="123456")) == "/login"


async def test_new_codes_replace_those_that_were_still_to_be_kept(ada: Visitor) -> None:
    ada.makes_codes()
    await ada.send(f"{SECURITY}/recovery-codes")

    again = await ada.send(f"{SECURITY}/recovery-codes")

    assert heading(again) == "Keep your recovery codes"


async def test_dutch_and_german_are_spoken_here_too(ada: Visitor) -> None:
    ada.has("Phone")

    dutch = await ada.look(f"{SECURITY}/code?lang=nl")
    german = await ada.look(f"{SECURITY}/code?lang=de")

    assert heading(dutch) == "Bevestig dat u het bent"
    assert heading(german) == "Bestätigen Sie, dass Sie es sind"
