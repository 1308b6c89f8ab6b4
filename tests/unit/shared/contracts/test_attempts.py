"""How much guessing is allowed: five failures, growing waits, twenty a day."""

from datetime import datetime, timedelta

import pytest

from shared.contracts.attempts import DAY, FREE, LOCKED_AFTER, MOST_IN_A_DAY, free_again
from tests.examples import NOON


def spaced(number: int, apart: timedelta = timedelta(hours=2)) -> list[datetime]:
    """So many failures, the last of them at noon."""
    return [NOON - apart * before for before in reversed(range(number))]


@pytest.mark.parametrize("failures", range(FREE))
def test_the_first_failures_cost_no_wait(failures: int) -> None:
    assert free_again(failures, spaced(failures)) is None


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(5, 1), (6, 2), (7, 4), (8, 8), (9, 16), (10, 30), (11, 60), (12, 60), (99, 60)],
)
def test_each_further_failure_costs_the_next_wait(failures: int, minutes: int) -> None:
    assert free_again(failures, spaced(min(failures, 12))) == NOON + timedelta(minutes=minutes)


def test_after_twenty_in_a_day_nothing_is_judged_until_the_first_of_them_is_a_day_old() -> None:
    latest = spaced(MOST_IN_A_DAY, timedelta(hours=1))

    assert free_again(MOST_IN_A_DAY, latest) == latest[0] + DAY
    assert free_again(MOST_IN_A_DAY, latest) == NOON + timedelta(hours=5)


def test_whoever_guesses_as_fast_as_he_may_gets_twenty_guesses_a_day_and_is_locked_out_on_the_fifth() -> None:
    now, failures, of_day = NOON, list[datetime](), dict[int, int]()

    while len(failures) < LOCKED_AFTER:
        now = max(now, free_again(len(failures), failures[-MOST_IN_A_DAY:]) or now)
        failures.append(now)
        of_day[(now - NOON) // DAY] = of_day.get((now - NOON) // DAY, 0) + 1

    assert of_day == {0: 20, 1: 20, 2: 20, 3: 20, 4: 20}
    assert failures[11] - failures[0] == timedelta(minutes=1 + 2 + 4 + 8 + 16 + 30 + 60)
