from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.decision import Evidence, Grace, Outcome, Standing, at_login, decide, narrowed
from services.policy.domain.enforcement import Effective
from shared.contracts.policy import Link
from shared.contracts.vocabulary import Audience, AuthenticationMethod, Mode
from tests.examples import CUSTOMER, NOON

PASSWORD = Evidence(pwd=NOON)
BOTH = Evidence(pwd=NOON, otp=NOON)
ENROLLED = Standing(enrolled=True)
NEW = Standing()
DAY = timedelta(days=1)


def under(mode: Mode, grace_days: int = 0) -> Effective:
    chain = (Link(tenant_id=CUSTOMER, audience=Audience.STAFF, mode=mode, revision=5),)
    return Effective(mode, grace_days, chain, revision=5, tenant_name="The customer")


def in_grace(days: float) -> Standing:
    """A user whose seven days began so long ago."""
    began = NOON - days * DAY
    return Standing(grace=Grace(began, began + 7 * DAY))


effectives = st.builds(under, st.sampled_from([Mode.OPTIONAL, Mode.REQUIRED]), st.integers(0, 365))
moments = st.integers(-400, 400).map(lambda days: NOON + days * DAY)
graces = st.builds(lambda began, days: Grace(began, began + days * DAY), moments, st.integers(0, 365))
standings = st.builds(Standing, enrolled=st.booleans(), grace=st.none() | graces)


@pytest.mark.parametrize(
    ("evidence", "standing", "effective", "outcome"),
    [
        (PASSWORD, NEW, under(Mode.REQUIRED), Outcome.ENROLL),
        (PASSWORD, NEW, under(Mode.OPTIONAL), Outcome.GRANT),
        (PASSWORD, ENROLLED, under(Mode.REQUIRED), Outcome.CHALLENGE),
        (PASSWORD, ENROLLED, under(Mode.OPTIONAL), Outcome.CHALLENGE),
        (PASSWORD, in_grace(3), under(Mode.REQUIRED, 7), Outcome.ENROLL),
        (BOTH, ENROLLED, under(Mode.REQUIRED), Outcome.GRANT),
        (BOTH, ENROLLED, under(Mode.OPTIONAL), Outcome.GRANT),
        (BOTH, NEW, under(Mode.REQUIRED), Outcome.GRANT),
        (PASSWORD, NEW, under(Mode.INHERIT), Outcome.ENROLL),
    ],
)
def test_evidence_standing_and_enforcement_decide(
    evidence: Evidence, standing: Standing, effective: Effective, outcome: Outcome
) -> None:
    assert decide(evidence, standing, effective, NOON).outcome is outcome


def test_a_decision_names_its_evidence_and_the_policy_that_made_it() -> None:
    effective = under(Mode.REQUIRED)

    decision = decide(BOTH, ENROLLED, effective, NOON)

    assert decision.amr == (AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP)
    assert (decision.mode, decision.policy_revision, decision.chain) == (Mode.REQUIRED, 5, effective.chain)
    assert decision.decided_at == NOON


@given(standings, effectives, moments)
def test_a_password_alone_suffices_only_where_nothing_is_required_and_no_authenticator_is_there(
    standing: Standing, effective: Effective, now: datetime
) -> None:
    granted = decide(PASSWORD, standing, effective, now).outcome is Outcome.GRANT

    assert granted == (effective.mode is Mode.OPTIONAL and not standing.enrolled)


@pytest.mark.parametrize(("days_gone", "is_open"), [(0, True), (6.99, True), (7, False), (7.01, False), (400, False)])
def test_an_enrollment_can_be_put_off_until_the_deadline_and_not_at_it(days_gone: float, *, is_open: bool) -> None:
    standing = in_grace(days_gone)

    decision = decide(PASSWORD, standing, under(Mode.REQUIRED, 7), NOON)

    assert standing.grace is not None
    assert decision.grace_until == (standing.grace.deadline if is_open else None)


def test_the_first_login_that_must_enroll_begins_the_grace() -> None:
    assert at_login(NEW, under(Mode.REQUIRED, 7), NOON) == Grace(NOON, NOON + 7 * DAY)


@pytest.mark.parametrize(
    ("standing", "effective"),
    [(NEW, under(Mode.REQUIRED, 0)), (NEW, under(Mode.OPTIONAL, 7)), (ENROLLED, under(Mode.REQUIRED, 7))],
)
def test_no_grace_begins_where_none_is_given_nothing_is_required_or_nothing_is_missing(
    standing: Standing, effective: Effective
) -> None:
    assert at_login(standing, effective, NOON) is None


def test_another_login_does_not_begin_the_grace_anew() -> None:
    standing = in_grace(3)

    assert at_login(standing, under(Mode.REQUIRED, 7), NOON) == standing.grace


def test_fewer_days_count_from_the_day_on_which_the_grace_began() -> None:
    standing = in_grace(3)

    assert decide(PASSWORD, standing, under(Mode.REQUIRED, 4), NOON).grace_until == NOON + DAY
    assert decide(PASSWORD, standing, under(Mode.REQUIRED, 3), NOON).grace_until is None
    assert decide(PASSWORD, standing, under(Mode.REQUIRED, 0), NOON).grace_until is None


def test_more_days_do_not_extend_a_grace_that_has_begun() -> None:
    standing = in_grace(3)

    assert narrowed(standing, under(Mode.REQUIRED, 365)) == standing.grace


def test_a_shortened_grace_stays_short_when_the_rule_is_eased_again() -> None:
    shortened = Standing(grace=narrowed(in_grace(1), under(Mode.REQUIRED, 2)))

    assert narrowed(shortened, under(Mode.REQUIRED, 7)) == shortened.grace
    assert shortened.grace is not None
    assert shortened.grace.deadline == NOON + DAY


def test_a_grace_runs_on_while_nothing_is_required() -> None:
    standing = in_grace(3)

    assert narrowed(standing, under(Mode.OPTIONAL)) == standing.grace
    assert decide(PASSWORD, in_grace(8), under(Mode.REQUIRED, 7), NOON).grace_until is None


@given(standings, st.lists(st.tuples(effectives, moments)))
def test_no_sequence_of_logins_and_policies_ever_moves_a_deadline_out(
    standing: Standing, history: list[tuple[Effective, datetime]]
) -> None:
    for effective, now in history:
        after = at_login(standing, effective, now)
        if standing.grace is not None:
            assert after is not None
            assert after.began == standing.grace.began
            assert after.deadline <= standing.grace.deadline
        standing = Standing(standing.enrolled, after)
