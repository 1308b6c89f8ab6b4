"""Refusals: what a service will not do, each with a stable public code. Never retried, always answered."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel

from shared.contracts.message import Event
from shared.contracts.vocabulary import FlowId, Service, TenantId, UserId


class RefusalCode(StrEnum):
    """The codes that a caller may see."""

    WRONG_STATE = "wrong_state"
    ENROLLMENT_REQUIRED = "enrollment_required"
    ACCESS_DENIED = "access_denied"
    IMPORT_REJECTED = "import_rejected"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    FRESH_CODE_REQUIRED = "fresh_code_required"
    LAST_AUTHENTICATOR = "last_authenticator"
    TOO_MANY_AUTHENTICATORS = "too_many_authenticators"
    NAME_TAKEN = "name_taken"
    NOT_FOUND = "not_found"
    UNKNOWN_USER = "unknown_user"
    """Said to operators alone: a stranger is never told who exists."""


class Problem(BaseModel, frozen=True):
    """What is wrong with one entry of a directory: a tenant by its id, a user by his username."""

    entry: str
    text: str


class Refused(Exception):  # noqa: N818 - a refusal is not an error of the system
    """The request is understood and will not be done."""

    code: ClassVar[RefusalCode]
    retry_after_seconds: int | None = None
    """When it may be asked again, where that is known."""

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        """Say in `detail` what a person can act on; it is shown, so it holds no secret."""
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class WrongState(Refused):
    """The login is not at a point where this can be done."""

    code = RefusalCode.WRONG_STATE


class EnrollmentIsRequired(Refused):
    """There is no way on without an authenticator app."""

    code = RefusalCode.ENROLLMENT_REQUIRED


class AccessDenied(Refused):
    """No policy says that this user may enter, so he may not (deny by default)."""

    code = RefusalCode.ACCESS_DENIED


class ImportRejected(Refused):
    """A directory does not fit; nothing of it was taken. The problems name the entries."""

    code = RefusalCode.IMPORT_REJECTED


class TooManyAttempts(Refused):
    """So many attempts failed that this one is not judged at all, be it right or wrong."""

    code = RefusalCode.TOO_MANY_ATTEMPTS

    def __init__(self, retry_after_seconds: int | None = None) -> None:
        """Say how long to wait; nothing where waiting does not help."""
        helps = "A recovery code or an administrator helps." if retry_after_seconds is None else "Wait, then try again."
        super().__init__(f"Too many attempts have failed. {helps}")
        self.retry_after_seconds = retry_after_seconds


class FreshCodeRequired(Refused):
    """What was proven in this login is too long ago for what is asked."""

    code = RefusalCode.FRESH_CODE_REQUIRED


class LastAuthenticator(Refused):
    """It is the last one, and one is required: it can be replaced, not taken away."""

    code = RefusalCode.LAST_AUTHENTICATOR


class TooManyAuthenticators(Refused):
    """The user has as many authenticators as there can be."""

    code = RefusalCode.TOO_MANY_AUTHENTICATORS


class NameTaken(Refused):
    """Another authenticator of the user is called so."""

    code = RefusalCode.NAME_TAKEN


class NotFound(Refused):
    """The user has nothing of this id. What others have is said of in the same words."""

    code = RefusalCode.NOT_FOUND


class UnknownUser(Refused):
    """There is no user of this name."""

    code = RefusalCode.UNKNOWN_USER


class RequestRefused(Event):
    """A request was refused."""

    topic = "request.refused.v1"
    by = frozenset({Service.AUTH, Service.POLICY, Service.ENROLLMENT})
    answer = True

    flow_id: FlowId
    tenant_id: TenantId | None = None
    user_id: UserId | None = None
    code: RefusalCode
    detail: str
    retry_after_seconds: int | None = None
    """With `too_many_attempts`: how long to wait; none where waiting does not help."""
    problems: tuple[Problem, ...] = ()
