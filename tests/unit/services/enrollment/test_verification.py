"""Verification: a code is good once, for one login, and nothing older is good after it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.enrollment.domain.enrollment import start
from services.enrollment.domain.ledger import Attempts
from services.enrollment.domain.owner import Account, Decision, Occasion, Owner, State
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.enrollment import EnrollmentStarted, OtpRejected, OtpVerified, RecoveryCodeUsed
from shared.contracts.policy import OtpRequired
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, FlowId
from shared.crypto import otp
from shared.crypto.keyring import Keyring
from shared.crypto.recovery_codes import new_recovery_codes
from tests.examples import ADA, FLOW, NOON
from tests.keys import Keys

KEYS = Keys()
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer())
ACCOUNT = Account("The customer-1", ADA.username)
SECRET = bytes(range(20))
CODES, KEPT = new_recovery_codes()

NOW = Occasion(FLOW, NOON)
OTHER = FlowId("another login")
TOTP, RECOVERY_CODE = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE


def later(flow: FlowId = FLOW, **time: float) -> Occasion:
    return Occasion(flow, NOON + timedelta(**time))


def code(steps: int = 0, secret: bytes = SECRET) -> str:
    return otp.code_at(secret, otp.step_at(NOON) + steps)


def enrolled(*secrets: bytes, codes: bool = True) -> Owner:
    owner = Owner(ADA.tenant_id, ADA.user_id, ACCOUNT, recovery=(RecoverySet.issued(KEPT, NOON),) if codes else ())
    for secret in secrets or (SECRET,):
        owner = owner.given(replace(VAULT.authenticator(owner, ACCOUNT, secret, NOON), state=State.ACTIVE))
    return owner


def totp(owner: Owner, typed: str, occasion: Occasion = NOW) -> Decision:
    return verify(owner, TOTP, typed, occasion, VAULT)


def recover(owner: Owner, typed: str, occasion: Occasion = NOW) -> Decision:
    return verify(owner, RECOVERY_CODE, typed, occasion, VAULT)


def apart_from_the_count(owner: Owner) -> Owner:
    return replace(owner, attempts=Attempts())


def rejection(decision: Decision) -> CodeFailure:
    _, (event,) = decision
    assert isinstance(event, OtpRejected)
    return event.reason


def test_a_right_code_is_evidence_of_this_login_alone() -> None:
    _, (event,) = totp(enrolled(), code())

    assert isinstance(event, OtpVerified)
    assert (event.flow_id, event.tenant_id, event.user_id) == (FLOW, ADA.tenant_id, ADA.user_id)
    assert event.method is TOTP


def test_a_code_is_good_only_once() -> None:
    owner, _ = totp(enrolled(), code())

    for seconds in (0, 29, 59):
        again = totp(owner, code(), later(OTHER, seconds=seconds))
        assert rejection(again) is (CodeFailure.ALREADY_USED if seconds < 60 else CodeFailure.WRONG)
        assert again[0] == owner


def test_after_a_newer_code_an_older_one_that_was_never_used_fails() -> None:
    owner, _ = totp(enrolled(), code(1))

    assert rejection(totp(owner, code(0), later(OTHER))) is CodeFailure.ALREADY_USED
    assert rejection(totp(owner, code(0), later())) is CodeFailure.ALREADY_USED


def test_a_message_that_comes_again_is_no_replay_of_itself() -> None:
    owner, _ = totp(enrolled(), code(-1))

    for seconds in (0, 29, 120):
        again, (event,) = totp(owner, code(-1), later(seconds=seconds))
        assert isinstance(event, OtpVerified)
        assert again == owner


def test_a_login_whose_code_was_overtaken_by_another_login_may_not_show_it_again() -> None:
    owner, _ = totp(enrolled(), code(0))
    owner, _ = totp(owner, code(1), later(OTHER))

    assert rejection(totp(owner, code(0))) is CodeFailure.ALREADY_USED


@pytest.mark.parametrize("steps", [-3, -2, 2, 3, 10])
def test_a_code_of_another_time_is_wrong_and_says_nothing_about_clocks(steps: int) -> None:
    owner = enrolled()

    decision = totp(owner, code(steps))

    assert rejection(decision) is CodeFailure.WRONG
    assert apart_from_the_count(decision[0]) == owner


def test_any_of_several_authenticators_answers_and_only_its_own_step_is_used_up() -> None:
    other_secret = bytes(20)
    owner = enrolled(SECRET, other_secret)

    owner, (event,) = totp(owner, code(0, other_secret))

    assert isinstance(event, OtpVerified)
    assert [one.last_step for one in owner.active] == [-1, otp.step_at(NOON)]
    assert isinstance(totp(owner, code(0), later(OTHER))[1][0], OtpVerified)
    assert rejection(totp(owner, code(0, other_secret), later(OTHER))) is CodeFailure.ALREADY_USED


def test_a_pending_authenticator_answers_no_challenge() -> None:
    owner = enrolled()
    pending = VAULT.authenticator(owner, ACCOUNT, bytes(20), NOON)

    assert rejection(totp(owner.given(pending), code(0, bytes(20)))) is CodeFailure.WRONG


def test_who_has_no_authenticator_is_taken_to_enrollment() -> None:
    owner = Owner(ADA.tenant_id, ADA.user_id, ACCOUNT)

    for decision in (totp(owner, code()), recover(owner, CODES[0])):
        after, (event,) = decision
        assert isinstance(event, EnrollmentStarted)
        assert after.active == ()
        assert after.pending is not None


@pytest.mark.parametrize("typed", [CODES[0], CODES[9].lower(), CODES[3].replace("-", " ")])
def test_a_recovery_code_signs_in_once_and_its_use_is_told(typed: str) -> None:
    owner, events = recover(enrolled(), typed)

    verified, used = events
    assert isinstance(verified, OtpVerified)
    assert verified.method is RECOVERY_CODE
    assert isinstance(used, RecoveryCodeUsed)
    assert used.left == 9
    assert rejection(recover(owner, typed, later(OTHER))) is CodeFailure.ALREADY_USED


def test_a_recovery_code_that_comes_again_in_its_login_is_verified_and_not_told_twice() -> None:
    owner, _ = recover(enrolled(), CODES[0])

    again, events = recover(owner, CODES[0], later(minutes=5))

    assert [type(event) for event in events] == [OtpVerified]
    assert again == owner


def test_ten_recovery_codes_are_ten_logins() -> None:
    owner = enrolled()
    left = []

    for number, typed in enumerate(CODES):
        owner, (_, used) = recover(owner, typed, later(FlowId(f"login {number}")))
        assert isinstance(used, RecoveryCodeUsed)
        left.append(used.left)

    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    _, (asked,) = start(owner, ACCOUNT, NOW, VAULT)
    assert isinstance(asked, OtpRequired)
    assert asked.methods == (TOTP,)


@pytest.mark.parametrize("typed", ["", "ADA2-ADA2-ADA2-ADA2", code(), "A" * 10_000])
def test_a_wrong_recovery_code_changes_nothing_but_its_count(typed: str) -> None:
    owner = enrolled()

    decision = recover(owner, typed)

    assert rejection(decision) is CodeFailure.WRONG
    assert apart_from_the_count(decision[0]) == owner


def test_a_method_judges_its_own_kind_of_code_only() -> None:
    owner = enrolled()

    assert rejection(totp(owner, CODES[0])) is CodeFailure.WRONG
    assert rejection(recover(owner, code())) is CodeFailure.WRONG


def test_who_has_no_recovery_codes_recovers_nothing() -> None:
    assert rejection(recover(enrolled(codes=False), CODES[0])) is CodeFailure.WRONG
