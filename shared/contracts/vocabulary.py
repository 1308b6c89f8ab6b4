"""The words of the field that messages are made of, closed where they can be closed."""

from enum import StrEnum
from typing import Annotated, Final, NewType

from pydantic import StringConstraints

TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
AuthenticatorId = NewType("AuthenticatorId", str)
FlowId = NewType("FlowId", str)
"""One login in progress, or one request of somebody who is signed in already. It is the AMQP correlation id of every
message of that conversation, and no secret."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True)]
"""What a person calls a tenant, a user or himself."""


class _Seal:
    """Marks a sealed value in an annotation, so that it can be told from other text."""


SEAL = _Seal()

Sealed = Annotated[str, StringConstraints(max_length=200 * 1024), SEAL]
"""A secret that only its recipient can open (`shared.crypto.sealing`); safe to be seen on any queue."""


class Service(StrEnum):
    """Everything that is deployed and speaks on the broker."""

    GATEWAY = "gateway"
    AUTH = "auth"
    POLICY = "policy"
    ENROLLMENT = "enrollment"
    AUDIT = "audit"


OPERATOR: Final = "operator"
"""Who stands at the command line: no service, but one who asks, and who gives parked messages back to their readers."""


class TenantKind(StrEnum):
    """What an account is to the accounts above and below it."""

    VENDOR = "vendor"
    RESELLER = "reseller"
    CUSTOMER = "customer"


class Mode(StrEnum):
    """What an account says of second factors. `inherit` is "not set": what is above decides, and it is never "off"."""

    INHERIT = "inherit"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Audience(StrEnum):
    """Whom an account's setting is for."""

    STAFF = "staff"
    """The account's own users."""
    CUSTOMERS = "customers"
    """The users of every account below it."""


class AuthenticatorType(StrEnum):
    """The kinds of authenticator that can answer a challenge."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"


class AuthenticationMethod(StrEnum):
    """Authentication method reference values (RFC 8176, section 2)."""

    PASSWORD = "pwd"  # noqa: S105 - a word of RFC 8176
    OTP = "otp"
    """A code that is good once: from an authenticator app, or a recovery code."""


class LoginFailure(StrEnum):
    """Why a password login failed. For the audit trail; a stranger is never told which."""

    UNKNOWN_USER = "unknown_user"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    DISABLED = "disabled"
    LOCKED = "locked"


class CodeFailure(StrEnum):
    """Why a code was not accepted."""

    WRONG = "wrong"
    ALREADY_USED = "already_used"
    CLOCK_OUT_OF_STEP = "clock_out_of_step"
    """Right for another time: told at enrollment only, where it helps an honest user and no attacker."""
    ENROLLMENT_EXPIRED = "enrollment_expired"
