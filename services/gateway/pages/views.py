"""What each page shows, as plain frozen values: templates look nothing up and decide nothing about a login."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from services.gateway.pages.notices import Told
from services.gateway.pages.stores import STORES, App

ACCENT = "2a5bd0"
"""The accent of a tenant that has none of its own."""


def in_groups(secret: str) -> tuple[str, ...]:
    """A key in groups of four."""
    return tuple(secret[at : at + 4] for at in range(0, len(secret), 4))


@dataclass(frozen=True)
class Brand:
    """How a tenant presents itself: sanitised before it comes here (`shared.contracts.branding`)."""

    name: str = "Wardgate"
    accent: str = ACCENT
    logo: str | None = None


NO_BRAND = Brand()


@dataclass(frozen=True)
class View:
    """One page; `told` is what it has to say about what just happened."""

    template: ClassVar[str]
    width: ClassVar[Literal["narrow", "middle", "wide"]] = "narrow"
    told: Told | None = None


@dataclass(frozen=True)
class SignIn(View):
    """Username and password."""

    template = "sign_in.html"
    username: str = ""


@dataclass(frozen=True, kw_only=True)
class SetupApp(View):
    """First step of the wizard: get an app."""

    template = "setup_app.html"
    width = "wide"
    step: ClassVar[int] = 1
    skippable_until: datetime | None = None
    apps: tuple[App, ...] = STORES


@dataclass(frozen=True, kw_only=True)
class SetupScan(View):
    """Second step: give the app the key."""

    template = "setup_scan.html"
    width = "wide"
    step: ClassVar[int] = 2
    account: str
    secret: str
    otpauth_uri: str
    skippable_until: datetime | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The key in groups of four, as it is read out and typed."""
        return in_groups(self.secret)


@dataclass(frozen=True, kw_only=True)
class SetupCode(View):
    """Third step: the first code from the app."""

    template = "setup_code.html"
    width = "wide"
    step: ClassVar[int] = 3
    now: datetime
    skippable_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KeepCodes(View):
    """Fourth step: the recovery codes, of which one is typed back."""

    template = "keep_codes.html"
    width = "wide"
    step: ClassVar[int] = 4
    codes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EnterCode(View):
    """The second factor of a later login."""

    template = "enter_code.html"
    now: datetime
    method: Literal["totp", "recovery_code"] = "totp"


@dataclass(frozen=True, kw_only=True)
class Home(View):
    """Signed in: who, where, by which factors, until when."""

    template = "home.html"
    width = "middle"
    username: str
    display_name: str
    tenant: str
    amr: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime
    codes_unkept: bool = False


@dataclass(frozen=True)
class Authenticator:
    """An authenticator app of this user."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True)
class OpenSession:
    """A browser that is signed in as this user."""

    id: str
    authenticated_at: datetime
    seen_at: datetime
    amr: tuple[str, ...]
    is_this: bool


class Happening(StrEnum):
    """What a person is shown of his own trail."""

    SIGNED_IN = "signed_in"
    PASSWORD_WRONG = "password_wrong"  # noqa: S105 - a word for what happened
    CODE_REJECTED = "code_rejected"
    THROTTLED = "throttled"
    AUTHENTICATOR_ADDED = "authenticator_added"
    AUTHENTICATOR_REMOVED = "authenticator_removed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"


@dataclass(frozen=True)
class SecurityEvent:
    """Something that happened to this account."""

    what: Happening
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Security(View):
    """What protects this account. A part that is None is not shown: nothing stands there that does nothing."""

    template = "security.html"
    width = "wide"
    sessions: tuple[OpenSession, ...]
    authenticators: tuple[Authenticator, ...] | None = None
    most_authenticators: int = 5
    last_is_required: bool = False
    codes_left: int | None = None
    events: tuple[SecurityEvent, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ShowCode(View):
    """A fresh code, before something is changed that protects the account."""

    template = "show_code.html"
    now: datetime
    method: Literal["totp", "recovery_code"] = "totp"
    fields: Mapping[str, str]
    """What is done when the code is right."""
    by_app: str
    by_recovery_code: str
    has_app: bool = True


@dataclass(frozen=True, kw_only=True)
class AddApp(View):
    """Another app: the key and its first code, on one page."""

    template = "add_app.html"
    width = "wide"
    id: str
    account: str
    secret: str
    otpauth_uri: str
    now: datetime

    @property
    def groups(self) -> tuple[str, ...]:
        """The key in groups of four, as it is read out and typed."""
        return in_groups(self.secret)


class Cause(StrEnum):
    """Why there is no page to show."""

    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    CROSS_SITE = "cross_site"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Trouble(View):
    """A page that says what went wrong and where to go from here."""

    template = "trouble.html"
    cause: Cause
    retry_after: int = 0
