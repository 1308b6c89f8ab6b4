"""Attempts: what is counted, what must wait, what locks and what unlocks."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from services.enrollment.domain.attempts import unlock
from services.enrollment.domain.enrollment import confirm, start
from services.enrollment.domain.ledger import Attempts, Failure, Ledger
from services.enrollment.domain.owner import Account, Decision, Occasion, Owner, State
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.attempts import (
    DAY,
    FREE,
    LOCKED_AFTER,
    AttemptsThrottled,
    CodesUnlocked,
    Proof,
    UserLocked,
    UserUnlocked,
)
from shared.contracts.enrollment import (
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    OtpRejected,
    OtpVerified,
)
from shared.contracts.message import Event, MessageId
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import AuthenticatorType, FlowId
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from tests.examples import ADA, NOON
from tests.keys import Keys

KEYS = Keys()
SECRET = bytes(range(20))
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer(), new_secret=lambda: SECRET)
ACCOUNT = Account("The customer-1", ADA.username)
CODES, KEPT = new_recovery_codes()
TOTP, RECOVERY_CODE = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE
WRONG = {TOTP: "000000", RECOVERY_CODE: "ADA2-ADA2-ADA2-ADA2"}


def enrolled() -> Owner:
    owner = Owner(ADA.tenant_id, ADA.user_id, ACCOUNT, recovery=(RecoverySet.issued(KEPT, NOON),))
    return owner.given(replace(VAULT.authenticator(owner, ACCOUNT, SECRET, NOON), state=State.ACTIVE))


def at(**time: float) -> Occasion:
    """Another login each time, and another command."""
    return Occasion(FlowId(str(uuid4())), NOON + timedelta(**time), MessageId(uuid4()))


def right(occasion: Occasion) -> str:
    return otp.code_at(SECRET, otp.step_at(occasion.now))


def guess(owner: Owner, method: AuthenticatorType = TOTP, occasion: Occasion | None = None) -> Decision:
    return verify(owner, method, WRONG[method], occasion or at(), VAULT)


def after_guesses(number: int, method: AuthenticatorType = TOTP, owner: Owner | None = None) -> Owner:
    owner = owner or enrolled()
    for _ in range(number):
        owner, _ = guess(owner, method)
    return owner


def locked(proof: Proof, in_a_row: int = LOCKED_AFTER) -> Owner:
    latest = tuple(Failure(NOON - 2 * DAY, None) for _ in range(20))
    return replace(enrolled(), attempts=Attempts().noted(proof, Ledger(in_a_row, latest)))


def retry_after(owner: Owner, occasion: Occasion, method: AuthenticatorType = TOTP) -> int | None:
    with pytest.raises(TooManyAttempts) as refused:
        verify(owner, method, right(occasion) if method is TOTP else CODES[0], occasion, VAULT)
    return refused.value.retry_after_seconds


def kinds(events: tuple[Event, ...]) -> list[object]:
    return [type(event) for event in events]


@pytest.mark.parametrize("method", [TOTP, RECOVERY_CODE])
def test_while_a_wait_is_on_not_even_the_right_code_is_judged_and_the_wait_is_told_to_the_second(
    method: AuthenticatorType,
) -> None:
    owner = after_guesses(FREE, method)

    assert retry_after(owner, at(), method) == 60
    assert retry_after(owner, at(seconds=0.1), method) == 60
    assert retry_after(owner, at(seconds=59), method) == 1
    assert retry_after(owner, at(seconds=59.9), method) == 1
    typed = CODES[0] if method is RECOVERY_CODE else right(at(seconds=60))
    _, (event, *_) = verify(owner, method, typed, at(seconds=60), VAULT)
    assert isinstance(event, OtpVerified)


def test_an_attempt_during_a_wait_makes_it_no_longer() -> None:
    owner = after_guesses(FREE)

    waiting = [retry_after(owner, at(seconds=second)) for second in (10, 20, 30)]

    assert waiting == [50, 40, 30]


def test_the_failure_that_brings_a_wait_tells_of_it() -> None:
    owner = after_guesses(FREE - 1)

    _, events = guess(owner)

    assert kinds(events) == [OtpRejected, AttemptsThrottled]
    throttled = events[1]
    assert isinstance(throttled, AttemptsThrottled)
    assert (throttled.user_id, throttled.proof, throttled.in_a_row) == (ADA.user_id, Proof.TOTP, FREE)
    assert throttled.until == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("method", [TOTP, RECOVERY_CODE])
def test_a_wrong_code_that_is_delivered_again_counts_once_and_gets_the_same_answer(method: AuthenticatorType) -> None:
    occasion = at()
    once, (answer, *_) = guess(after_guesses(FREE - 1, method), method, occasion)

    again, events = guess(once, method, occasion)

    assert again == once
    assert events == (answer.model_copy(update={"id": events[0].id}),)


def test_enrollment_and_login_share_one_ledger() -> None:
    owner, _ = start(Owner(ADA.tenant_id, ADA.user_id), ACCOUNT, at(), VAULT)
    for _ in range(FREE):
        owner, (event, *_) = confirm(owner, "000000", at(), VAULT)
        assert isinstance(event, EnrollmentRejected)

    with pytest.raises(TooManyAttempts):
        confirm(owner, right(at()), at(), VAULT)
    active = replace(owner.authenticators[0], state=State.ACTIVE, expires_at=None)
    assert retry_after(owner.changed(active), at()) == 60


def test_during_a_wait_a_code_at_a_login_before_the_first_app_is_judged_no_more_than_a_first_code() -> None:
    owner, _ = start(Owner(ADA.tenant_id, ADA.user_id), ACCOUNT, at(), VAULT)
    for _ in range(FREE):
        owner, _ = confirm(owner, "000000", at(), VAULT)

    for typed in ("000000", right(at())):
        after, (event,) = verify(owner, TOTP, typed, at(), VAULT)

        assert isinstance(event, EnrollmentStarted)
        assert (after.active, after.attempts) == ((), owner.attempts)


def test_the_first_right_code_of_an_enrollment_forgets_the_failures() -> None:
    owner, _ = start(Owner(ADA.tenant_id, ADA.user_id), ACCOUNT, at(), VAULT)
    owner, _ = confirm(owner, "000000", at(), VAULT)

    owner, (event,) = confirm(owner, right(at()), at(), VAULT)

    assert isinstance(event, EnrollmentConfirmed)
    assert owner.attempts == Attempts()


@pytest.mark.parametrize(("guessed", "other"), [(TOTP, RECOVERY_CODE), (RECOVERY_CODE, TOTP)])
def test_who_guesses_at_one_kind_of_code_does_not_keep_the_user_from_the_other_nor_is_forgotten_by_it(
    guessed: AuthenticatorType, other: AuthenticatorType
) -> None:
    owner = after_guesses(FREE, guessed)

    after, (event, *_) = verify(owner, other, CODES[0] if other is RECOVERY_CODE else right(at()), at(), VAULT)

    assert isinstance(event, OtpVerified)
    assert after.attempts == owner.attempts
    assert retry_after(after, at(), guessed) == 60


def test_a_success_forgets_the_failures() -> None:
    owner = after_guesses(FREE - 1)

    owner, _ = verify(owner, TOTP, right(at()), at(), VAULT)

    assert owner.attempts == Attempts()


def test_a_code_that_was_used_before_is_a_double_click_and_no_guess() -> None:
    owner, _ = verify(enrolled(), TOTP, right(at()), at(), VAULT)
    owner, _ = verify(owner, RECOVERY_CODE, CODES[0], at(), VAULT)

    for method, typed in ((TOTP, right(at())), (RECOVERY_CODE, CODES[0])):
        after, (event,) = verify(owner, method, typed, at(), VAULT)
        assert isinstance(event, OtpRejected)
        assert after == owner


def test_no_more_than_twenty_guesses_are_judged_in_a_day() -> None:
    owner, judged = enrolled(), 0

    for minute in range(24 * 60):
        try:
            owner, _ = guess(owner, occasion=at(minutes=minute))
        except TooManyAttempts:
            continue
        judged += 1

    assert judged == 20
    assert retry_after(owner, at(hours=23, minutes=59)) == 60
    assert isinstance(guess(owner, occasion=at(hours=24))[1][0], OtpRejected)


def test_the_hundredth_failure_in_a_row_locks_for_good_and_tells_of_it() -> None:
    owner, events = guess(locked(Proof.TOTP, LOCKED_AFTER - 1))

    assert kinds(events) == [OtpRejected, UserLocked]
    assert retry_after(owner, at(days=365)) is None


def test_a_recovery_code_opens_the_lock_on_the_codes_of_the_app() -> None:
    owner, events = verify(locked(Proof.TOTP), RECOVERY_CODE, CODES[0], at(), VAULT)

    assert CodesUnlocked in kinds(events)
    assert isinstance(verify(owner, TOTP, right(at()), at(), VAULT)[1][0], OtpVerified)


def test_a_code_of_the_app_does_not_open_the_lock_on_recovery_codes() -> None:
    owner, _ = verify(locked(Proof.RECOVERY_CODE), TOTP, right(at()), at(), VAULT)

    assert retry_after(owner, at(), RECOVERY_CODE) is None


@pytest.mark.parametrize("proof", [Proof.TOTP, Proof.RECOVERY_CODE])
def test_an_administrator_opens_either_lock(proof: Proof) -> None:
    owner, (event,) = unlock(locked(proof), at())

    assert isinstance(event, UserUnlocked)
    assert owner.attempts == Attempts()
