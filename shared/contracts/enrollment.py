"""What enrollment is asked and what it tells: authenticators and their codes."""

from pydantic import AwareDatetime, BaseModel

from shared.contracts.message import Command, Event, InFlow, OfUser
from shared.contracts.vocabulary import (
    OPERATOR,
    AuthenticatorId,
    AuthenticatorType,
    CodeFailure,
    Name,
    Sealed,
    Service,
)


class ConfirmEnrollment(InFlow, OfUser, Command):
    """Judge the first code from a new authenticator app."""

    topic = "confirm-enrollment.v1"
    to = Service.ENROLLMENT

    code: Sealed


class ResumeEnrollment(InFlow, OfUser, Command):
    """Tell the enrollment in progress once more: the same secret on reload and in a second tab."""

    topic = "resume-enrollment.v1"
    to = Service.ENROLLMENT

    skippable_until: AwareDatetime | None = None


class VerifyOtp(InFlow, OfUser, Command):
    """Judge a code at login."""

    topic = "verify-otp.v1"
    to = Service.ENROLLMENT

    method: AuthenticatorType = AuthenticatorType.TOTP
    code: Sealed


class Provisioning(BaseModel, frozen=True):
    """What an authenticator app needs to be told. Travels only sealed, as JSON."""

    secret: str
    otpauth_uri: str
    qr_svg: str


class EnrollmentStarted(InFlow, OfUser, Event):
    """A new authenticator waits for its first code."""

    topic = "enrollment.started.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True

    authenticator_id: AuthenticatorId
    provisioning: Sealed
    """For the gateway alone: a `Provisioning` as JSON."""
    expires_at: AwareDatetime
    skippable_until: AwareDatetime | None = None


class EnrollmentConfirmed(InFlow, OfUser, Event):
    """The first code was right: the authenticator is active. Evidence of a second factor."""

    topic = "enrollment.confirmed.v1"
    by = frozenset({Service.ENROLLMENT})
    kept = True

    authenticator_id: AuthenticatorId
    recovery_codes: Sealed
    """For the gateway alone: a JSON list of codes."""
    bindings: int = 0
    """How often the user's active authenticators have changed: an older word that comes late is no news."""


class EnrollmentRejected(InFlow, OfUser, Event):
    """The first code was not accepted; the enrollment stands as it was."""

    topic = "enrollment.rejected.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True

    reason: CodeFailure
    clock_skew_seconds: int | None = None
    """How far the app's clock is ahead of ours (behind: negative), where the code is right for another time."""


class OtpVerified(InFlow, OfUser, Event):
    """A code was right and is used up. Evidence of a second factor; it grants nothing."""

    topic = "otp.verified.v1"
    by = frozenset({Service.ENROLLMENT})

    method: AuthenticatorType


class OtpRejected(InFlow, OfUser, Event):
    """A code was not accepted."""

    topic = "otp.rejected.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True

    method: AuthenticatorType
    reason: CodeFailure


class RecoveryCodeUsed(InFlow, OfUser, Event):
    """A recovery code was spent; `left` are still good."""

    topic = "recovery-code.used.v1"
    by = frozenset({Service.ENROLLMENT})
    kept = True

    left: int


class ImportedAuthenticator(OfUser):
    """An authenticator that a user brings along."""

    username: Name
    issuer: Name
    secret: Sealed


class ImportAuthenticators(InFlow, Command):
    """Take authenticators from a directory, or only check that they could be taken."""

    topic = "import-authenticators.v1"
    to = Service.ENROLLMENT
    by = frozenset({OPERATOR})

    authenticators: tuple[ImportedAuthenticator, ...]
    check_only: bool


class AuthenticatorsChecked(InFlow, Event):
    """The authenticators of a directory could be taken."""

    topic = "authenticators.checked.v1"
    by = frozenset({Service.ENROLLMENT})
    answer = True


class Bound(OfUser):
    """A user who has an authenticator, after so many changes of his active ones."""

    bindings: int = 0


class AuthenticatorsImported(InFlow, Event):
    """These users have an authenticator from now on. Answered by policy, which must know before they sign in."""

    topic = "authenticators.imported.v1"
    by = frozenset({Service.ENROLLMENT})

    owners: tuple[Bound, ...]
    added: int
