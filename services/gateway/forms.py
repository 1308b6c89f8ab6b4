"""Forms: the JSON that browsers send, and the JSON they are shown."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.gateway.account import Added, Adding, Renewed
from services.gateway.flows import Flow, FlowState
from services.gateway.sessions import Session
from shared.contracts.enrollment import Provisioning
from shared.contracts.management import AuthenticatorName, AuthenticatorsListed, ListedAuthenticator
from shared.contracts.vocabulary import AuthenticationMethod, AuthenticatorType, TenantId, UserId


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _View(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class LoginForm(_Form):
    """A username and a password."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(repr=False)


class ConfirmationForm(_Form):
    """The first code that a new authenticator app shows."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(repr=False)


class OtpForm(ConfirmationForm):
    """A code, and what it comes from."""

    method: AuthenticatorType = AuthenticatorType.TOTP


class NameForm(_Form):
    """What an authenticator app is called from now on."""

    name: AuthenticatorName


class EnrollmentView(_View):
    """What an authenticator app must be told, and until when."""

    secret: str
    """Base32 without padding, to be typed where the QR code cannot be scanned."""
    otpauth_uri: str
    qr_svg: str
    expires_at: datetime
    skippable_until: datetime | None
    """Until when the enrollment can be put off; null where it cannot."""


class ChallengeView(_View):
    """What can answer the challenge."""

    methods: list[AuthenticatorType]


class SessionView(_View):
    """Who is signed in, and on what evidence (`amr` after RFC 8176)."""

    user_id: UserId
    username: str
    display_name: str
    tenant_id: TenantId
    amr: list[AuthenticationMethod]
    assurance: int
    """1: a password. 2: a second factor too."""
    authenticated_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, session: Session) -> Self:
        """What a browser sees of its session."""
        return cls.model_validate(session, from_attributes=True)


class OpenSessionView(_View):
    """A session of the user who asks."""

    session_id: str
    """Its public name, which opens nothing."""
    amr: list[AuthenticationMethod]
    assurance: int
    authenticated_at: datetime
    last_seen: datetime
    """Its last use, to the minute."""
    expires_at: datetime
    current: bool
    """Whether it is the one that asks."""

    @classmethod
    def of(cls, session: Session, here: Session) -> Self:
        """What the browser signed in as `here` sees of a session."""
        return cls(
            session_id=session.session_id,
            amr=list(session.amr),
            assurance=session.assurance,
            authenticated_at=session.authenticated_at,
            last_seen=session.last_seen,
            expires_at=session.expires_at,
            current=session.session_id == here.session_id,
        )


class RenewedSessionView(SessionView):
    """Who is signed in, once he has stepped up."""

    fresh_until: datetime
    """Until when he may add and remove authenticator apps and make recovery codes."""

    @classmethod
    def renewed(cls, renewed: Renewed) -> Self:
        """What a browser sees of its session under its new token."""
        session = SessionView.of(renewed.session)
        return cls(**session.model_dump(), fresh_until=renewed.fresh_until)


class AuthenticatorView(_View):
    """An authenticator app of this user."""

    id: str
    name: str
    type: Literal["totp"] = "totp"
    created_at: datetime
    last_used_at: datetime | None
    """When a code of it was accepted last, if ever."""

    @classmethod
    def of(cls, listed: ListedAuthenticator) -> Self:
        """What a browser sees of it."""
        return cls(
            id=listed.authenticator_id,
            name=listed.name,
            created_at=listed.created_at,
            last_used_at=listed.last_used_at,
        )


class AddingView(_View):
    """What a new authenticator app must be told, and until when."""

    id: str
    secret: str
    """Base32 without padding, to be typed where the QR code cannot be scanned."""
    otpauth_uri: str
    qr_svg: str
    expires_at: datetime

    @classmethod
    def of(cls, adding: Adding) -> Self:
        """What a browser sees of it."""
        return cls(id=adding.authenticator_id, **adding.provisioning.model_dump(), expires_at=adding.expires_at)


class AddedView(_View):
    """A new authenticator app that is good from now on."""

    id: str
    name: str
    recovery_codes: list[str] | None = None
    """Shown this once, where there were none left."""

    @classmethod
    def of(cls, added: Added) -> Self:
        """What a browser sees of it."""
        view = cls(id=added.authenticator_id, name=added.name)
        codes = added.recovery_codes
        return view if codes is None else view.model_copy(update={"recovery_codes": codes})


class RecoveryCodesView(_View):
    """How many recovery codes are left."""

    left: int
    issued_at: datetime | None
    """When they were made; null where there never were any."""

    @classmethod
    def of(cls, listed: AuthenticatorsListed) -> Self:
        """What a browser sees of them."""
        return cls(left=listed.recovery_codes_left, issued_at=listed.recovery_codes_issued_at)


class NewRecoveryCodesView(_View):
    """New recovery codes."""

    recovery_codes: list[str]
    """Shown this once."""


class FlowView(_View):
    """How a login stands. A member that does not apply is absent."""

    state: FlowState | Literal["authenticated"]
    expires_at: datetime
    """When this state ends: until then the login must be finished, or the session lasts."""
    enrollment: EnrollmentView | None = None
    challenge: ChallengeView | None = None
    session: SessionView | None = None
    recovery_codes: list[str] | None = None
    """Shown this once."""

    @classmethod
    def challenging(cls, flow: Flow) -> Self:
        """A login that waits for a code."""
        return cls(state=flow.state, expires_at=flow.expires_at, challenge=ChallengeView(methods=list(flow.methods)))

    @classmethod
    def enrolling(cls, flow: Flow, provisioning: Provisioning, expires_at: datetime) -> Self:
        """A login that waits for the first code from a new authenticator app."""
        enrollment = EnrollmentView(
            **provisioning.model_dump(), expires_at=expires_at, skippable_until=flow.skippable_until
        )
        return cls(state=flow.state, expires_at=flow.expires_at, enrollment=enrollment)

    @classmethod
    def authenticated(cls, session: Session, recovery_codes: list[str] | None) -> Self:
        """A login that became a session."""
        view = cls(state="authenticated", expires_at=session.expires_at, session=SessionView.of(session))
        return view if recovery_codes is None else view.model_copy(update={"recovery_codes": recovery_codes})
