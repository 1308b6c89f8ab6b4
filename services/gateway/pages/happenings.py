"""Which events of the trail a person is shown of himself, and as what."""

from collections.abc import Iterable, Mapping

from services.gateway.pages.views import Happening, SecurityEvent
from shared.contracts import audit
from shared.contracts.attempts import AttemptsThrottled, UserLocked
from shared.contracts.auth import LoginFailed
from shared.contracts.enrollment import EnrollmentConfirmed, EnrollmentRejected, OtpRejected, RecoveryCodeUsed
from shared.contracts.gateway import SessionStarted
from shared.contracts.management import AuthenticatorAdded, AuthenticatorRemoved, RecoveryCodesRenewed

_HAPPENINGS: Mapping[str, Happening] = {
    SessionStarted.topic: Happening.SIGNED_IN,
    LoginFailed.topic: Happening.PASSWORD_WRONG,
    OtpRejected.topic: Happening.CODE_REJECTED,
    EnrollmentRejected.topic: Happening.CODE_REJECTED,
    AttemptsThrottled.topic: Happening.THROTTLED,
    UserLocked.topic: Happening.THROTTLED,
    EnrollmentConfirmed.topic: Happening.AUTHENTICATOR_ADDED,
    AuthenticatorAdded.topic: Happening.AUTHENTICATOR_ADDED,
    AuthenticatorRemoved.topic: Happening.AUTHENTICATOR_REMOVED,
    RecoveryCodeUsed.topic: Happening.RECOVERY_CODE_USED,
    RecoveryCodesRenewed.topic: Happening.RECOVERY_CODES_MADE,
}

TOPICS = tuple(_HAPPENINGS)


def happenings(events: Iterable[audit.SecurityEvent]) -> tuple[SecurityEvent, ...]:
    """What is shown of these events."""
    return tuple(
        SecurityEvent(_HAPPENINGS[event.topic], event.occurred_at) for event in events if event.topic in _HAPPENINGS
    )
