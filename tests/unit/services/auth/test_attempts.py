"""Attempts at passwords: whatever is hashed at once, no more of it is told than the rule allows."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.attempts import REMEMBERED, Attempt, Ledger, admit, ledger_key, ledger_name, settle, unlock
from services.auth.domain.login import Check
from services.auth.domain.user import User
from shared.contracts.attempts import DAY, FREE, LOCKED_AFTER, AttemptsThrottled, Proof, UserLocked, UserUnlocked
from shared.contracts.auth import LoginFailed, LoginSucceeded, VerifyPassword, username_key
from shared.contracts.message import Event, MessageId
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import LoginFailure
from tests.examples import ADA, FLOW, NOON

RIGHT, WRONG = Check(matches=True), Check(matches=False)
KEY = ledger_key("a secret")
IMPORT = MessageId(uuid4())
USER = User(
    user_id=ADA.user_id,
    tenant_id=ADA.tenant_id,
    username=ADA.username,
    username_key=username_key(ADA.username),
    display_name=ADA.display_name,
    password_hash="a hash",
    imported_hash=None,
    disabled=False,
    created_by=IMPORT,
    changed_by=IMPORT,
    revision=1,
)


def typed() -> VerifyPassword:
    return VerifyPassword(flow_id=FLOW, username=ADA.username, password="sealed")


def guess(
    ledger: Ledger, at: datetime = NOON, user: User | None = USER, one: VerifyPassword | None = None
) -> tuple[Ledger, tuple[Event, ...]]:
    return settle(ledger, one or typed(), user, WRONG, at)


def after_guesses(number: int, user: User | None = USER) -> Ledger:
    ledger = Ledger()
    for _ in range(number):
        ledger, _ = guess(ledger, user=user)
    return ledger


def long_ago(in_a_row: int) -> Ledger:
    return Ledger(in_a_row, tuple(Attempt(MessageId(uuid4()), NOON - 2 * DAY) for _ in range(20)))


def retry_after(ledger: Ledger, at: datetime = NOON) -> int | None:
    with pytest.raises(TooManyAttempts) as refused:
        admit(ledger, typed().id, at)
    return refused.value.retry_after_seconds


@pytest.mark.parametrize("user", [USER, None])
def test_after_five_failures_the_next_attempt_waits_to_the_second_be_the_username_known_or_not(
    user: User | None,
) -> None:
    ledger = after_guesses(FREE, user)

    assert retry_after(ledger) == 60
    assert retry_after(ledger, NOON + timedelta(seconds=59.5)) == 1
    assert admit(ledger, typed().id, NOON + timedelta(seconds=60)) == ledger


@pytest.mark.parametrize("checked", [RIGHT, WRONG])
def test_what_was_hashed_while_others_failed_is_not_judged_be_it_right_or_wrong(checked: Check) -> None:
    admit(after_guesses(FREE - 1), (late := typed()).id, NOON)

    with pytest.raises(TooManyAttempts) as refused:
        settle(after_guesses(FREE), late, USER, checked, NOON)

    assert refused.value.retry_after_seconds == 60


def test_a_right_password_that_was_hashed_while_the_user_was_locked_lets_nobody_in() -> None:
    locked, _ = guess(long_ago(LOCKED_AFTER - 1))

    ledger, (told, *_) = settle(locked, typed(), USER, RIGHT, NOON + DAY)

    assert isinstance(told, LoginFailed)
    assert told.reason is LoginFailure.LOCKED
    assert ledger.is_locked


@pytest.mark.parametrize("user", [USER, None])
def test_the_failure_that_brings_a_wait_tells_of_it_and_names_who_exists(user: User | None) -> None:
    _, (failed, event) = guess(after_guesses(FREE - 1, user), user=user)

    assert isinstance(failed, LoginFailed)
    assert isinstance(event, AttemptsThrottled)
    assert (event.proof, event.in_a_row, event.until) == (Proof.PASSWORD, FREE, NOON + timedelta(minutes=1))
    assert event.user_id == (None if user is None else ADA.user_id)


def test_a_wrong_password_that_is_delivered_again_counts_once_even_while_a_wait_is_on() -> None:
    one = typed()
    ledger, (failed, _) = guess(after_guesses(FREE - 1), one=one)

    again, (told,) = guess(admit(ledger, one.id, NOON), one=one)

    assert again == ledger
    assert type(told) is type(failed) is LoginFailed


def test_a_success_forgets_the_failures() -> None:
    ledger, (told,) = settle(after_guesses(FREE - 1), typed(), USER, RIGHT, NOON)

    assert ledger == Ledger()
    assert isinstance(told, LoginSucceeded)


def test_the_hundredth_failure_in_a_row_locks_a_user_and_tells_of_it() -> None:
    ledger, events = guess(long_ago(LOCKED_AFTER - 1))

    assert ledger.is_locked
    assert [type(event) for event in events] == [LoginFailed, AttemptsThrottled, UserLocked]
    assert ledger.expires_at(NOON) is None


def test_a_username_that_nobody_has_is_never_locked_and_waits_as_long_as_one_that_is() -> None:
    known, _ = guess(long_ago(LOCKED_AFTER - 1))
    unknown, events = guess(long_ago(LOCKED_AFTER - 1), user=None)

    assert not unknown.is_locked
    assert [type(event) for event in events] == [LoginFailed, AttemptsThrottled]
    assert retry_after(known) == retry_after(unknown) == 3600


def test_failures_are_forgotten_in_time_and_a_lock_is_not() -> None:
    ledger, _ = guess(long_ago(LOCKED_AFTER - 1))

    later = ledger.at(NOON + REMEMBERED)

    assert (later.in_a_row, later.latest, later.is_locked) == (0, (), True)
    assert after_guesses(1).expires_at(NOON) == NOON + REMEMBERED


def test_an_administrator_opens_the_lock() -> None:
    ledger, _ = guess(long_ago(LOCKED_AFTER - 1))

    ledger, (event,) = unlock(ledger, USER, FLOW, NOON)

    assert ledger == Ledger()
    assert isinstance(event, UserUnlocked)
    assert event.proofs == (Proof.PASSWORD,)


def test_a_password_that_was_typed_as_a_username_does_not_stand_in_the_name_of_its_ledger() -> None:
    name = ledger_name(None, ADA.password, KEY)

    assert ADA.password not in name
    assert name == ledger_name(None, f" {ADA.password.upper()}", KEY)
    assert name != ledger_name(None, ADA.password, ledger_key("another secret"))
    assert ledger_name(USER, ADA.username, KEY) == ADA.user_id


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "settle"]), st.sampled_from([RIGHT, WRONG, WRONG, WRONG]), st.integers(0, 90)
        ),
        max_size=80,
    )
)
def test_whatever_is_hashed_at_once_and_ends_in_whatever_order_nothing_is_told_within_a_minute_of_the_fifth_failure(
    steps: list[tuple[str, Check, int]],
) -> None:
    ledger, now, under_way, failures = Ledger(), NOON, list[VerifyPassword](), list[datetime]()

    for what, checked, seconds in steps:
        now += timedelta(seconds=seconds if len(failures) < FREE else seconds % 20)
        try:
            if what == "begin":
                admit(ledger, (one := typed()).id, now)
                under_way.append(one)
                continue
            ledger, _ = settle(ledger, under_way.pop() if under_way else typed(), USER, checked, now)
        except TooManyAttempts:
            continue
        assert len(failures) < FREE or now - failures[-1] >= timedelta(minutes=1)
        failures = [] if checked is RIGHT else [*failures, now]
