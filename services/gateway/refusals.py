"""What answers that are no yes mean to a browser."""

from collections.abc import Mapping

import structlog

from services.gateway.problems import Code, Problem
from shared.contracts.enrollment import EnrollmentRejected
from shared.contracts.message import Event, InFlow
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import CodeFailure, FlowId

_log = structlog.get_logger(__name__)

_CODES: Mapping[RefusalCode, Code] = {
    RefusalCode.WRONG_STATE: Code.WRONG_STATE,
    RefusalCode.ENROLLMENT_REQUIRED: Code.ENROLLMENT_REQUIRED,
    RefusalCode.ACCESS_DENIED: Code.ACCESS_DENIED,
    RefusalCode.TOO_MANY_ATTEMPTS: Code.TOO_MANY_ATTEMPTS,
    RefusalCode.FRESH_CODE_REQUIRED: Code.FRESH_CODE_REQUIRED,
    RefusalCode.LAST_AUTHENTICATOR: Code.LAST_AUTHENTICATOR,
    RefusalCode.TOO_MANY_AUTHENTICATORS: Code.TOO_MANY_AUTHENTICATORS,
    RefusalCode.NAME_TAKEN: Code.NAME_TAKEN,
    RefusalCode.NOT_FOUND: Code.NOT_FOUND,
}


def is_about(answer: Event, flow_id: FlowId) -> bool:
    """Whether an answer belongs to this conversation."""
    return isinstance(answer, InFlow | RequestRefused) and answer.flow_id == flow_id


def refusal(answer: Event) -> Problem:
    """What is said on an answer that lets nobody in by name (deny by default)."""
    if isinstance(answer, RequestRefused) and answer.code in _CODES:
        return Problem(_CODES[answer.code], answer.detail, retry_after=answer.retry_after_seconds)
    _log.error("an answer that does not fit", topic=answer.topic, answer=str(answer.id))
    return Problem(Code.ACCESS_DENIED)


def rejection(rejected: EnrollmentRejected) -> Problem:
    """What is said of a first code that was not accepted."""
    match rejected:
        case EnrollmentRejected(reason=CodeFailure.ENROLLMENT_EXPIRED):
            return Problem(
                Code.INVALID_CODE,
                "The QR code has expired. Load the login again for a new one.",
                enrollment_expired=True,
            )
        case EnrollmentRejected(clock_skew_seconds=int(skew)):
            return Problem(Code.INVALID_CODE, _clock_advice(skew), clock_skew_seconds=skew)
        case _:
            return Problem(Code.INVALID_CODE)


def _clock_advice(skew: int) -> str:
    direction = "ahead" if skew > 0 else "behind"
    minutes = max(1, round(abs(skew) / 60))
    return f"The clock of the device is about {minutes} min {direction}. Let it set the time by itself, then try again."
