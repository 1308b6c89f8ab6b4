"""Every code that is judged goes through here, whichever login, endpoint or instance it comes by.

The ledger lies in the owner's document, so a judgement and its count are one conditional write. Two hundred guesses at
once over two hundred logins are judged one after the other, and the sixth is not judged any more.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from services.enrollment.domain.ledger import Attempts, Ledger
from services.enrollment.domain.owner import Decision, Occasion, Owner
from shared.contracts.attempts import AttemptsThrottled, CodesUnlocked, Proof, UserLocked, UserUnlocked
from shared.contracts.enrollment import EnrollmentConfirmed, EnrollmentRejected, OtpRejected, OtpVerified
from shared.contracts.management import AuthenticatorAdded
from shared.contracts.message import Event
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import CodeFailure

_GUESSES = frozenset({CodeFailure.WRONG, CodeFailure.CLOCK_OUT_OF_STEP})
"""What counts. A code that was right once and is shown again is a double click or a replay, and no guess: it tells
nothing about any other code. One for an enrollment that is over was not judged."""


def attempt(owner: Owner, proof: Proof, occasion: Occasion, judge: Callable[[Owner], Decision]) -> Decision:
    """Judge a code, if it may be judged now, and count what comes of it.

    While a wait is on nothing is judged, not even a right code: raises `TooManyAttempts`. An attempt that was counted
    and comes again is judged again and not counted again, so that it gets its answer. A success forgets the failures
    at its own kind of proof; a recovery code also opens the lock on the codes of the app.
    """
    _admit(owner.attempts.of(proof), occasion)
    after, events = judge(owner)
    if any(isinstance(event, OtpVerified | EnrollmentConfirmed | AuthenticatorAdded) for event in events):
        cleared = replace(after, attempts=after.attempts.noted(proof, Ledger()))
        return _reopened(cleared, occasion, events)
    if any(isinstance(event, OtpRejected | EnrollmentRejected) and event.reason in _GUESSES for event in events):
        return _counted(after, proof, occasion, events)
    return after, events


def unlock(owner: Owner, occasion: Occasion) -> Decision:
    """Forget all failures, by order of an administrator."""
    told = UserUnlocked(**occasion.of(owner), proofs=(Proof.TOTP, Proof.RECOVERY_CODE))
    return replace(owner, attempts=Attempts()), (told,)


def _admit(ledger: Ledger, occasion: Occasion) -> None:
    if ledger.holds(occasion.attempt):
        return
    if ledger.is_locked:
        raise TooManyAttempts
    until = ledger.free_again
    if until is not None and until > occasion.now:
        raise TooManyAttempts(math.ceil((until - occasion.now) / timedelta(seconds=1)))


def _counted(owner: Owner, proof: Proof, occasion: Occasion, events: tuple[Event, ...]) -> Decision:
    before = owner.attempts.of(proof)
    if before.holds(occasion.attempt):
        return owner, events
    ledger = before.failed(occasion.attempt, occasion.now)
    counted = replace(owner, attempts=owner.attempts.noted(proof, ledger))
    until = ledger.free_again
    if ledger.is_locked:
        locked = UserLocked(**occasion.of(owner), proof=proof, in_a_row=ledger.in_a_row)
        return counted, (*events, locked)
    if until is not None and until > occasion.now:
        throttled = AttemptsThrottled(**occasion.of(owner), proof=proof, in_a_row=ledger.in_a_row, until=until)
        return counted, (*events, throttled)
    return counted, events


def _reopened(owner: Owner, occasion: Occasion, events: tuple[Event, ...]) -> Decision:
    """After a success: what is still locked then are the codes of the app, and a recovery code is what was right."""
    if not owner.attempts.totp.is_locked:
        return owner, events
    return replace(owner, attempts=Attempts()), (*events, CodesUnlocked(**occasion.of(owner)))
