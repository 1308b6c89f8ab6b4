"""Enrollment: the same secret until it is confirmed, a first code that counts, and an answer that can be lost."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.enrollment.domain.enrollment import MOST_SETS, PENDING_FOR, confirm, resume, start
from services.enrollment.domain.ledger import Attempts
from services.enrollment.domain.owner import Account, Decision, Occasion, Owner, State
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.enrollment import (
    EnrollmentConfirmed,
    EnrollmentRejected,
    EnrollmentStarted,
    OtpRejected,
    OtpVerified,
)
from shared.contracts.message import Event
from shared.contracts.policy import OtpRequired
from shared.contracts.refusals import WrongState
from shared.contracts.vocabulary import (
    AuthenticatorId,
    AuthenticatorType,
    CodeFailure,
    FlowId,
    Service,
    TenantId,
    UserId,
)
from shared.crypto.keyring import Keyring, new_key
from tests.examples import ADA, FLOW, NOON
from tests.keys import Keys
from tests.phone import Phone, provisioning, recovery_codes

KEYS = Keys()
GATEWAY = KEYS.opener(Service.GATEWAY)
# Told, not random: two codes of a random secret are the same now and then.
SECRETS = (hashlib.sha1(str(number).encode()).digest() for number in itertools.count())  # noqa: S324 - 20 bytes
VAULT = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer(), new_secret=lambda: next(SECRETS))
ACCOUNT = Account("The customer-1", ADA.username)
NOBODY_YET = Owner(ADA.tenant_id, ADA.user_id)

NOW = Occasion(FLOW, NOON)
OTHER = FlowId("another login")
TOTP, RECOVERY_CODE = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE


def later(flow: FlowId = FLOW, **time: float) -> Occasion:
    return Occasion(flow, NOON + timedelta(**time))


def started(owner: Owner = NOBODY_YET, occasion: Occasion = NOW) -> tuple[Owner, EnrollmentStarted, Phone]:
    owner, (event,) = start(owner, ACCOUNT, occasion, VAULT)
    assert isinstance(event, EnrollmentStarted)
    return owner, event, Phone.scanning(event, GATEWAY)


def enrolled(occasion: Occasion = NOW) -> tuple[Owner, EnrollmentConfirmed, Phone]:
    owner, _, phone = started()
    owner, (event,) = confirm(owner, phone.code(occasion.now), occasion, VAULT)
    assert isinstance(event, EnrollmentConfirmed)
    return owner, event, phone


def apart_from_the_count(owner: Owner) -> Owner:
    return replace(owner, attempts=Attempts())


def only(decision: Decision) -> Event:
    _, (event,) = decision
    return event


def test_a_user_is_shown_what_his_app_needs() -> None:
    owner, event, phone = started()

    shown = provisioning(event, GATEWAY)
    assert shown.otpauth_uri.startswith("otpauth://totp/The%20customer-1:ada%40customer-1.example?")
    assert f"secret={shown.secret}&" in shown.otpauth_uri
    assert shown.qr_svg.startswith("<svg")
    assert phone.entry == ("The customer-1", ADA.username)
    assert (event.tenant_id, event.user_id, event.flow_id) == (ADA.tenant_id, ADA.user_id, FLOW)
    assert event.expires_at == NOON + timedelta(minutes=15)
    assert owner.active == ()


def test_a_secret_has_160_bits_and_is_nobody_elses() -> None:
    vault = Vault(Keyring.parse(KEYS.keyring), KEYS.sealer())

    owners = [start(NOBODY_YET, ACCOUNT, NOW, vault)[0] for _ in range(2)]
    first, second = (vault.secret_of(owner, owner.authenticators[0]) for owner in owners)

    assert (len(first), len(second)) == (20, 20)
    assert first != second


def test_the_secret_is_not_stored_as_it_is() -> None:
    owner, event, _ = started()

    shown = provisioning(event, GATEWAY)

    assert shown.secret not in repr(owner)
    assert repr(VAULT.secret_of(owner, owner.authenticators[0])) not in repr(owner)


@pytest.mark.parametrize("names", [("😀" * 60, "😀" * 60), ("名" * 256, "字" * 256), ("A:B / C", "ö ü@ä:8080/x")])
def test_names_of_any_length_and_letters_can_be_shown(names: tuple[str, str]) -> None:
    _, (event,) = start(NOBODY_YET, Account(*names), NOW, VAULT)

    assert isinstance(event, EnrollmentStarted)
    assert EnrollmentStarted.model_validate_json(event.model_dump_json()) == event
    assert Phone.scanning(event, GATEWAY).entry[0] is not None


def test_a_reload_a_second_tab_and_a_second_login_show_the_same_secret() -> None:
    owner, event, _ = started()

    reloaded, (again,) = resume(owner, later(minutes=1), VAULT, skippable_until=NOON + timedelta(days=7))
    elsewhere, (other,) = start(owner, ACCOUNT, later(OTHER, minutes=14), VAULT)

    assert isinstance(again, EnrollmentStarted)
    assert isinstance(other, EnrollmentStarted)
    assert provisioning(event, GATEWAY) == provisioning(again, GATEWAY) == provisioning(other, GATEWAY)
    assert event.expires_at == again.expires_at == other.expires_at
    assert again.skippable_until == NOON + timedelta(days=7)
    assert owner == reloaded == elsewhere


def test_a_reload_shows_the_same_qr_code_when_the_tenant_is_called_otherwise_meanwhile() -> None:
    owner, event, _ = started()
    owner, _ = start(owner, Account("Another name", ADA.username), later(OTHER, minutes=1), VAULT)

    again = only(resume(owner, later(minutes=2), VAULT))

    assert isinstance(again, EnrollmentStarted)
    assert provisioning(again, GATEWAY) == provisioning(event, GATEWAY)
    assert owner.account == Account("Another name", ADA.username)


def test_an_enrollment_that_expired_is_started_anew_and_its_secret_forgotten() -> None:
    owner, event, phone = started()

    over = later(minutes=15)
    renewed, second, _ = started(owner, over)

    assert second.authenticator_id != event.authenticator_id
    assert provisioning(second, GATEWAY).secret != provisioning(event, GATEWAY).secret
    assert [one.id for one in renewed.authenticators] == [second.authenticator_id]
    assert isinstance(only(confirm(renewed, phone.code(over.now), over, VAULT)), EnrollmentRejected)


def test_the_first_right_code_makes_it_active_and_brings_ten_recovery_codes() -> None:
    owner, event, _ = enrolled()

    (active,) = owner.active
    codes = recovery_codes(event, GATEWAY)
    assert (active.id, active.confirmed_by, active.confirmed_at) == (event.authenticator_id, FLOW, NOON)
    assert active.expires_at is None
    assert len(set(codes)) == 10
    assert all(code not in repr(owner) for code in codes)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_one_step_to_either_side_is_tolerated(steps: int) -> None:
    owner, _, phone = started()

    assert isinstance(only(confirm(owner, phone.code(NOON, steps=steps), NOW, VAULT)), EnrollmentConfirmed)


@pytest.mark.parametrize(("steps", "seconds"), [(-10, -300), (-2, -60), (2, 60), (10, 300)])
def test_a_clock_that_is_off_is_named_at_enrollment(steps: int, seconds: int) -> None:
    owner, _, phone = started()

    after, (event,) = confirm(owner, phone.code(NOON, steps=steps), NOW, VAULT)

    assert isinstance(event, EnrollmentRejected)
    assert (event.reason, event.clock_skew_seconds) == (CodeFailure.CLOCK_OUT_OF_STEP, seconds)
    assert apart_from_the_count(after) == owner


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "ADA2-ADA2-ADA2-ADA2"]
)
def test_a_wrong_first_code_changes_nothing_but_its_count_however_often_it_comes(code: str) -> None:
    owner, _, _ = started()

    after, (event,) = confirm(owner, code, NOW, VAULT)
    again = confirm(after, code, NOW, VAULT)

    assert isinstance(event, EnrollmentRejected)
    assert (event.reason, event.clock_skew_seconds) == (CodeFailure.WRONG, None)
    assert apart_from_the_count(after) == owner
    assert apart_from_the_count(again[0]) == owner


def test_a_code_that_is_too_far_off_is_merely_wrong() -> None:
    owner, _, phone = started()

    event = only(confirm(owner, phone.code(NOON, steps=11), NOW, VAULT))

    assert isinstance(event, EnrollmentRejected)
    assert event.reason is CodeFailure.WRONG


def test_a_right_code_is_too_late_when_the_enrollment_expired() -> None:
    owner, _, phone = started()
    over = later(minutes=15)

    after, (event,) = confirm(owner, phone.code(over.now), over, VAULT)

    assert isinstance(event, EnrollmentRejected)
    assert event.reason is CodeFailure.ENROLLMENT_EXPIRED
    assert after.active == ()


def test_the_code_of_the_confirmation_is_used_up() -> None:
    owner, _, phone = enrolled()

    again = only(verify(owner, TOTP, phone.code(NOON), later(OTHER, seconds=20), VAULT))
    following = only(verify(owner, TOTP, phone.code(NOON, steps=1), later(OTHER, seconds=20), VAULT))

    assert isinstance(again, OtpRejected)
    assert again.reason is CodeFailure.ALREADY_USED
    assert isinstance(following, OtpVerified)


def test_who_was_beaten_by_another_tab_is_asked_for_a_code() -> None:
    owner, _, phone = enrolled()

    for beaten in (
        only(confirm(owner, phone.code(NOON), later(OTHER), VAULT)),
        only(resume(owner, later(OTHER), VAULT)),
        only(start(owner, ACCOUNT, later(OTHER), VAULT)),
    ):
        assert isinstance(beaten, OtpRequired)
        assert beaten.flow_id == OTHER
        assert beaten.methods == (TOTP, RECOVERY_CODE)


def test_a_second_authenticator_is_never_pending_beside_an_active_one() -> None:
    owner, _, _ = enrolled()

    after, _ = start(owner, Account("Another name", ADA.username), later(OTHER, days=1), VAULT)

    assert [one.state for one in after.authenticators] == [State.ACTIVE]
    assert after.account == Account("Another name", ADA.username)


def test_a_lost_answer_is_given_again_with_codes_that_work() -> None:
    owner, first, phone = enrolled()

    owner, (second,) = confirm(owner, phone.code(NOON), later(minutes=5), VAULT)

    assert isinstance(second, EnrollmentConfirmed)
    assert second.authenticator_id == first.authenticator_id
    (code, *_) = recovery_codes(second, GATEWAY)
    assert code not in recovery_codes(first, GATEWAY)
    assert isinstance(verify(owner, RECOVERY_CODE, code, later(OTHER), VAULT)[1][0], OtpVerified)


def test_whose_answer_was_lost_sees_recovery_codes_after_a_reload_too_when_he_is_asked_for_a_code() -> None:
    owner, first, phone = enrolled()
    owner, (reloaded,) = resume(owner, later(seconds=30), VAULT)

    owner, (second,) = verify(owner, TOTP, phone.code(NOON, steps=1), later(seconds=30), VAULT)

    assert isinstance(reloaded, OtpRequired)
    assert isinstance(second, EnrollmentConfirmed)
    (code, *_) = recovery_codes(second, GATEWAY)
    assert code not in recovery_codes(first, GATEWAY)
    assert isinstance(verify(owner, RECOVERY_CODE, code, later(OTHER), VAULT)[1][0], OtpVerified)


def test_another_login_and_one_that_has_had_codes_so_often_are_let_in_without_new_ones() -> None:
    owner, _, phone = enrolled()
    code = phone.code(NOON, steps=1)

    _, (elsewhere,) = verify(owner, TOTP, code, later(OTHER, seconds=30), VAULT)
    for _ in range(MOST_SETS - 1):
        owner, _ = verify(owner, TOTP, code, later(seconds=30), VAULT)
    after, (at_last,) = verify(owner, TOTP, code, later(seconds=30), VAULT)

    assert isinstance(elsewhere, OtpVerified)
    assert isinstance(at_last, OtpVerified)
    assert len(after.recovery) == MOST_SETS


def test_a_double_click_leaves_no_dead_codes_on_paper_and_the_unseen_ones_die_at_the_first_use() -> None:
    owner, first, phone = enrolled()
    owner, (second,) = confirm(owner, phone.code(NOON), NOW, VAULT)
    assert isinstance(second, EnrollmentConfirmed)
    seen, unseen = recovery_codes(first, GATEWAY), recovery_codes(second, GATEWAY)

    used, (verified, _) = verify(owner, RECOVERY_CODE, seen[0], later(OTHER), VAULT)
    other_set = only(verify(used, RECOVERY_CODE, unseen[0], later(FlowId("a third")), VAULT))
    same_set, (next_one, _) = verify(used, RECOVERY_CODE, seen[1], later(FlowId("a third")), VAULT)

    assert isinstance(verified, OtpVerified)
    assert isinstance(other_set, OtpRejected)
    assert isinstance(next_one, OtpVerified)
    assert [codes.left for codes in same_set.recovery] == [8]


def test_a_lost_answer_is_given_again_for_a_newer_code_too_which_is_used_up_then() -> None:
    owner, _, phone = enrolled()
    newer = phone.code(NOON, steps=1)

    owner, (event,) = confirm(owner, newer, later(seconds=30), VAULT)

    assert isinstance(event, EnrollmentConfirmed)
    assert isinstance(only(verify(owner, TOTP, newer, later(OTHER, seconds=30), VAULT)), OtpRejected)


def test_a_wrong_code_gets_no_new_recovery_codes_from_the_login_that_confirmed() -> None:
    owner, _, phone = enrolled()

    wrong = confirm(owner, "000000" if phone.code(NOON) != "000000" else "000001", NOW, VAULT)
    older = confirm(owner, phone.code(NOON, steps=-1), NOW, VAULT)

    assert [type(only(decision)) for decision in (wrong, older)] == [EnrollmentRejected, EnrollmentRejected]
    assert apart_from_the_count(wrong[0]) == older[0] == owner


def test_a_code_that_another_login_has_used_since_confirms_nothing_again() -> None:
    owner, _, phone = enrolled()
    owner, _ = verify(owner, TOTP, phone.code(NOON, steps=1), later(OTHER, seconds=30), VAULT)

    for code in (phone.code(NOON), phone.code(NOON, steps=1)):
        event = only(confirm(owner, code, later(seconds=31), VAULT))
        assert isinstance(event, EnrollmentRejected)
        assert event.reason is CodeFailure.ALREADY_USED


def test_repeating_for_ever_makes_no_codes_for_ever() -> None:
    owner, _, phone = enrolled()

    for _ in range(MOST_SETS + 3):
        owner, (event,) = confirm(owner, phone.code(NOON), NOW, VAULT)

    assert isinstance(event, EnrollmentRejected)
    assert len(owner.recovery) == MOST_SETS


@pytest.mark.parametrize(
    "decide",
    [
        lambda: resume(NOBODY_YET, NOW, VAULT),
        lambda: confirm(NOBODY_YET, "123456", NOW, VAULT),
        lambda: verify(NOBODY_YET, TOTP, "123456", NOW, VAULT),
        lambda: verify(NOBODY_YET, RECOVERY_CODE, "ADA2-ADA2-ADA2-ADA2", NOW, VAULT),
    ],
    ids=["resume", "confirm", "verify a code", "verify a recovery code"],
)
def test_who_never_was_asked_to_enroll_cannot_go_on(decide: Callable[[], Decision]) -> None:
    with pytest.raises(WrongState):
        decide()


def test_a_secret_that_was_moved_to_another_user_tenant_or_authenticator_cannot_be_read() -> None:
    owner, _, _ = enrolled()
    (active,) = owner.active

    for moved in (
        (replace(owner, user_id=UserId("bob")), active),
        (replace(owner, tenant_id=TenantId("another")), active),
        (owner, replace(active, id=AuthenticatorId("another"))),
    ):
        with pytest.raises(ValueError, match="does not belong here"):
            VAULT.secret_of(*moved)


def test_an_authenticator_comes_under_the_new_key_when_it_is_used() -> None:
    owner, _, phone = enrolled()
    rotated = Vault(Keyring.parse(f"{new_key()},{KEYS.keyring}"), KEYS.sealer())

    after, (event,) = verify(owner, TOTP, phone.code(NOON, steps=1), later(OTHER), rotated)

    assert isinstance(event, OtpVerified)
    assert after.active[0].secret.kid != owner.active[0].secret.kid
    assert rotated.secret_of(after, after.active[0]) == VAULT.secret_of(owner, owner.active[0])


def test_pending_lasts_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == PENDING_FOR
