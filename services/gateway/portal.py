"""The portal: what all pages have in common, from the form that comes in to the way that leads on."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from fastapi import Request, Response

from services.gateway.account import Account
from services.gateway.conversation import Conversation, Granted
from services.gateway.entry import Entry
from services.gateway.flows import Flow, FlowState
from services.gateway.pages.answers import Answers
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.views import NO_BRAND, View
from services.gateway.problems import Code, Problem
from services.gateway.sessions import Session
from services.gateway.tenants import Tenants
from services.gateway.unkept import Unkept
from shared.contracts.vocabulary import AuthenticatorType
from shared.runtime.messaging import Unreachable

HOME = "/"
SIGN_IN = "/login"
SETUP = "/login/setup"
SCAN = f"{SETUP}?step=scan"
CONFIRM = f"{SETUP}?step=code"
KEEP_CODES = f"{SETUP}/recovery-codes"
ENTER_CODE = "/login/code"
ENTER_RECOVERY_CODE = f"{ENTER_CODE}?method={AuthenticatorType.RECOVERY_CODE}"
SECURITY = "/account/security"

PLACES: Mapping[FlowState, str] = {FlowState.ENROLLMENT_REQUIRED: SETUP, FlowState.OTP_REQUIRED: ENTER_CODE}
"""Where a login in progress goes on."""

_NOTICES: Mapping[Code, Notice] = {
    Code.INVALID_CREDENTIALS: Notice.CREDENTIALS_WRONG,
    Code.ACCESS_DENIED: Notice.ACCESS_DENIED,
    Code.ENROLLMENT_REQUIRED: Notice.CANNOT_PUT_OFF,
    Code.LAST_AUTHENTICATOR: Notice.LAST_APP,
    Code.TOO_MANY_AUTHENTICATORS: Notice.MOST_APPS,
    Code.NAME_TAKEN: Notice.NAME_TAKEN,
    Code.NOT_FOUND: Notice.APP_GONE,
    Code.WRONG_STATE: Notice.SIGN_IN_AGAIN,
}
_MOST_FIELDS = 16
_LONGEST_WAIT = 3600
"""Seconds for which a person may sit before a countdown."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Stores:
    """What the pages look up that the API does not."""

    unkept: Unkept
    tenants: Tenants


@dataclass(frozen=True)
class Portal:
    """What a page is made with."""

    entry: Entry
    answers: Answers
    unkept: Unkept
    tenants: Tenants

    @property
    def conversation(self) -> Conversation:
        """The same that leads the logins of the API."""
        return self.entry.conversation

    @property
    def account(self) -> Account:
        """The same that answers the API about authenticators."""
        return Account(self.conversation)

    async def page(self, request: Request, view: View, whose: Session | Flow) -> Response:
        """A page of somebody who is signed in or on his way there, as his account presents itself."""
        brand = await self.tenants.brand(whose.tenant_id) or NO_BRAND
        return self.answers.page(request, view, brand, signed_in=isinstance(whose, Session))

    async def enter(self, request: Request, granted: Granted) -> Response:
        """Sign in, and go where the browser wanted to; new recovery codes, which are held, are to be kept before."""
        response: Response = self.answers.arrive(request)
        if granted.recovery_codes is not None:
            response = self.answers.go(KEEP_CODES)
        await self.entry.let_in(request, response, granted)
        return response

    def elsewhere(self, reason: Problem | Unreachable) -> Response | None:
        """The way from a form that is not the login's present step: it was moved or ended, perhaps in another tab."""
        match reason:
            case Problem(code=Code.NO_LOGIN):
                return self.answers.go(SIGN_IN, Told(Notice.FLOW_OVER))
            case Problem(code=Code.WRONG_STATE):
                return self.answers.go(SIGN_IN)  # which knows the present step
            case _:
                return None


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a form as a page sends it; of a field that comes twice, the first."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE)
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Problem(Code.INVALID_REQUEST) from None
    return dict(reversed(fields))


def told(reason: Problem | Unreachable, wrong: Notice = Notice.CODE_WRONG) -> Told:
    """What a person is told when he was not let go on."""
    if isinstance(reason, Unreachable):
        return Told(Notice.UNAVAILABLE)
    if reason.code is Code.TOO_MANY_ATTEMPTS:
        seconds = int((reason.headers or {}).get("Retry-After", "60"))
        return Told(Notice.TOO_MANY_ATTEMPTS, seconds) if seconds <= _LONGEST_WAIT else Told(Notice.LOCKED)
    return Told(wrong if reason.code is Code.INVALID_CODE else _NOTICES.get(reason.code, Notice.UNAVAILABLE))


def account_named(uri: str) -> str:
    """What the app will call the account: the label of a key URI."""
    return unquote(urlsplit(uri).path.removeprefix("/"))


def after_first_code(reason: Problem | Unreachable, scan: str, confirm: str) -> tuple[str, Told]:
    """Where a first code that was not accepted leads, and what is said of it."""
    match reason.members if isinstance(reason, Problem) else {}:
        case {"enrollment_expired": True}:
            return scan, Told(Notice.KEY_RENEWED)
        case {"clock_skew_seconds": int(skew)}:
            return confirm, Told(Notice.CLOCK_AHEAD if skew > 0 else Notice.CLOCK_BEHIND, abs(skew))
        case _:
            return confirm, told(reason)
