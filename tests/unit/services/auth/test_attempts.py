"""Attempts at passwords: entered before they are judged, settled after, and never more than the rule allows."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.attempts import (
    REMEMBERED,
    UNDER_WAY,
    Attempt,
    Busy,
    Ledger,
    enter,
    ledger_key,
    ledger_name,
    settle,
    unlock,
)
from services.auth.domain.user import User
from shared.contracts.attempts import DAY, FREE, LOCKED_AFTER, AttemptsThrottled, Proof, UserLocked, UserUnlocked
from shared.contracts.auth import LoginFailed, LoginSucceeded, username_key
from shared.contracts.message import Event, MessageId
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import LoginFailure
from tests.examples import ADA, FLOW, NOON

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


def attempt() -> MessageId:
    return MessageId(uuid4())


def failed(at: datetime = NOON, user: User | None = USER) -> LoginFailed:
    reason = LoginFailure.UNKNOWN_USER if user is None else LoginFailure.WRONG_PASSWORD
    whose = {} if user is None else {"tenant_id": user.tenant_id, "user_id": user.user_id}
    return LoginFailed(occurred_at=at, flow_id=FLOW, reason=reason, **whose)


def succeeded(at: datetime = NOON) -> LoginSucceeded:
    return LoginSucceeded(
        occurred_at=at, flow_id=FLOW, **dict(ADA.named), username=ADA.username, display_name=ADA.display_name
    )


def guess(
    ledger: Ledger, at: datetime = NOON, user: User | None = USER, one: MessageId | None = None
) -> tuple[Ledger, tuple[Event, ...]]:
    one = one or attempt()
    return settle(enter(ledger, one, at), one, user, failed(at, user))


def after_guesses(number: int, user: User | None = USER) -> Ledger:
    ledger = Ledger()
    for _ in range(number):
        ledger, _ = guess(ledger, user=user)
    return ledger


def long_ago(in_a_row: int) -> Ledger:
    return Ledger(in_a_row, tuple(Attempt(attempt(), NOON - 2 * DAY) for _ in range(20)))


def retry_after(ledger: Ledger, at: datetime = NOON) -> int | None:
    with pytest.raises(TooManyAttempts) as refused:
        enter(ledger, attempt(), at)
    return refused.value.retry_after_seconds


@pytest.mark.parametrize("user", [USER, None])
def test_after_five_failures_the_next_attempt_waits_to_the_second_be_the_username_known_or_not(
    user: User | None,
) -> None:
    ledger = after_guesses(FREE, user)

    assert retry_after(ledger) == 60
    assert retry_after(ledger, NOON + timedelta(seconds=59.5)) == 1
    assert enter(ledger, attempt(), NOON + timedelta(seconds=60))


@pytest.mark.parametrize("user", [USER, None])
def test_the_failure_that_brings_a_wait_tells_of_it_and_names_who_exists(user: User | None) -> None:
    _, (event,) = guess(after_guesses(FREE - 1, user), user=user)

    assert isinstance(event, AttemptsThrottled)
    assert (event.proof, event.in_a_row, event.until) == (Proof.PASSWORD, FREE, NOON + timedelta(minutes=1))
    assert event.user_id == (None if user is None else ADA.user_id)


def test_what_is_under_way_counts_as_failed_until_it_is_settled() -> None:
    ledger, attempts = Ledger(), [attempt() for _ in range(FREE)]
    for one in attempts:
        ledger = enter(ledger, one, NOON)

    with pytest.raises(Busy):
        enter(ledger, attempt(), NOON)
    after_success, _ = settle(ledger, attempts[0], USER, succeeded())
    assert enter(after_success, attempt(), NOON)
    for one in attempts:
        ledger, _ = settle(ledger, one, USER, failed())
    assert retry_after(ledger) == 60


def test_a_wrong_password_that_is_delivered_again_counts_once_even_while_a_wait_is_on() -> None:
    one = attempt()
    ledger, _ = guess(after_guesses(FREE - 1), one=one)

    again, told = guess(ledger, one=one)

    assert again == ledger
    assert told == ()


def test_a_message_that_comes_again_before_it_was_settled_is_the_same_attempt() -> None:
    one = attempt()
    ledger = enter(Ledger(), one, NOON)

    assert enter(ledger, one, NOON + timedelta(seconds=1)) == ledger


def test_an_attempt_that_nobody_settles_has_failed() -> None:
    ledger = enter(Ledger(), attempt(), NOON)

    later = ledger.at(NOON + UNDER_WAY)

    assert (later.in_a_row, later.under_way) == (1, ())
    assert later.latest == ledger.under_way


def test_a_success_forgets_the_failures_but_not_what_is_under_way() -> None:
    ledger = enter(after_guesses(FREE - 1), other := attempt(), NOON)
    ledger, _ = settle(replace(ledger, under_way=()), attempt(), USER, succeeded())
    assert ledger == Ledger()

    ledger = replace(after_guesses(FREE - 2), under_way=(Attempt(other, NOON),))
    one = attempt()
    ledger, _ = settle(enter(ledger, one, NOON), one, USER, succeeded())

    assert (ledger.in_a_row, ledger.latest, [each.id for each in ledger.under_way]) == (0, (), [other])


def test_the_hundredth_failure_in_a_row_locks_a_user_and_tells_of_it() -> None:
    ledger, events = guess(long_ago(LOCKED_AFTER - 1))

    assert ledger.is_locked
    assert [type(event) for event in events] == [UserLocked, AttemptsThrottled]
    assert ledger.expires_at(NOON) is None


def test_a_username_that_nobody_has_is_never_locked_and_waits_as_long_as_one_that_is() -> None:
    known, _ = guess(long_ago(LOCKED_AFTER - 1))
    unknown, events = guess(long_ago(LOCKED_AFTER - 1), user=None)

    assert not unknown.is_locked
    assert [type(event) for event in events] == [AttemptsThrottled]
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


@given(st.lists(st.tuples(st.sampled_from(["guess", "enter", "settle", "right"]), st.integers(0, 90)), max_size=60))
def test_whatever_happens_in_whatever_order_no_five_failures_are_followed_by_a_sixth_within_a_minute(
    steps: list[tuple[str, int]],
) -> None:
    ledger, now, under_way, failures = Ledger(), NOON, list[tuple[MessageId, datetime]](), list[datetime]()
    verdict: LoginSucceeded | LoginFailed

    for what, seconds in steps:
        now += timedelta(seconds=seconds)
        failed_at = now
        if what == "settle" and under_way:
            (one, began), verdict = under_way.pop(), failed(now)
            failed_at = now if now < began + UNDER_WAY else began  # given up, and counted then: no failure of now
        else:
            one, verdict = attempt(), succeeded(now) if what == "right" else failed(now)
            try:
                ledger = enter(ledger, one, now)
            except (TooManyAttempts, Busy):
                continue
            if what == "enter":
                under_way.append((one, now))
                continue
        ledger, _ = settle(ledger, one, USER, verdict)
        failures = [] if what == "right" else sorted([*failures, failed_at])
        assert what == "settle" or len(failures) <= FREE or now - failures[-2] >= timedelta(minutes=1)
