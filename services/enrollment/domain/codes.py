"""Whether a code from an app is good: right, and not used before."""

from datetime import UTC, datetime, timedelta

from services.enrollment.domain.owner import Authenticator, Occasion
from shared.contracts.vocabulary import CodeFailure
from shared.crypto import otp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def judge(authenticator: Authenticator, secret: bytes, code: str, occasion: Occasion) -> int | CodeFailure:
    """The time step that this code uses up, or why it is not accepted.

    A step is good once, and with it every earlier one is over (RFC 6238 section 5.2). Only the login that used the
    last step may show its code again, also when the code has left the window meanwhile: its message was delivered
    twice, or its answer was lost, and the same question gets the same answer.
    """
    step = otp.matching_step(secret, code, occasion.now)
    shown_again = _matches(secret, code, authenticator.last_step) and authenticator.last_flow == occasion.flow
    if step is not None and step > authenticator.last_step:
        return step
    if shown_again:
        return authenticator.last_step
    return CodeFailure.WRONG if step is None else CodeFailure.ALREADY_USED


def clock_skew_seconds(secret: bytes, code: str, now: datetime) -> int | None:
    """How far the app's clock is ahead of ours, where that is what is wrong with the code."""
    skew = otp.clock_skew(secret, code, now)
    return None if skew is None else int(skew / timedelta(seconds=1))


def _matches(secret: bytes, code: str, step: int) -> bool:
    return step >= 0 and otp.matching_step(secret, code, _EPOCH + step * otp.STEP, window=0) is not None
