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


class Problem(BaseModel, frozen=True):
    """What is wrong with one entry of a directory: a tenant by its id, a user by his username."""

    entry: str
    text: str


class Refused(Exception):  # noqa: N818 - a refusal is not an error of the system
    """The request is understood and will not be done."""

    code: ClassVar[RefusalCode]

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
    problems: tuple[Problem, ...] = ()
