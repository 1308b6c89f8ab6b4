"""Who may change his authenticators: whoever proved a code in this very login within five minutes, and nobody else."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.policy.domain.decision import Grace, Standing
from services.policy.domain.enforcement import Effective
from services.policy.domain.flow import GRANTED_FOR, Flow, code_proven, password_proven, put_off
from services.policy.domain.management import FRESH_FOR, addition, removal, renewal, renewed
from shared.contracts.management import AddAuthenticator, RemoveAuthenticator, RenewRecoveryCodes, StepUpVerified
from shared.contracts.refusals import FreshCodeRequired, WrongState
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, FlowId, Mode
from tests.examples import ADA, FLOW, NOON
from tests.unit.services.policy.test_flow import (
    ENROLLED,
    NEW,
    OPTIONAL,
    OTP,
    PASSWORD,
    REQUIRED,
    begun,
    login,
    verified,
)

ASKED = {"flow_id": FlowId("this request"), "login": FLOW, **dict(ADA.named)}
STALE = NOON + FRESH_FOR + timedelta(seconds=1)
LATER = NOON + timedelta(hours=3)


def signed_in(standing: Standing = ENROLLED) -> Flow:
    flow, _ = code_proven(begun(standing, REQUIRED), verified(), REQUIRED, NOON)
    return flow


def by_password() -> Flow:
    return begun(NEW, OPTIONAL)


def proof(at: datetime) -> StepUpVerified:
    return StepUpVerified(**ASKED, occurred_at=at, method=AuthenticatorType.TOTP)


def remove(flow: Flow, at: datetime, effective: Effective = REQUIRED) -> bool:
    command = RemoveAuthenticator(**ASKED, authenticator_id=AuthenticatorId("hers"))
    return removal(flow, command, effective, at)[1].even_the_last


def test_the_code_of_the_login_itself_is_fresh_for_five_minutes() -> None:
    flow = signed_in()

    _, allowed = renewal(flow, RenewRecoveryCodes(**ASKED), NOON + FRESH_FOR)

    assert (allowed.login, allowed.flow_id) == (FLOW, "this request")
    with pytest.raises(FreshCodeRequired):
        renewal(flow, RenewRecoveryCodes(**ASKED), STALE)


def test_nothing_is_added_or_removed_on_stale_evidence() -> None:
    with pytest.raises(FreshCodeRequired):
        addition(signed_in(), AddAuthenticator(**ASKED), ENROLLED, REQUIRED, STALE)
    with pytest.raises(FreshCodeRequired):
        remove(signed_in(), STALE)


def test_a_code_shown_anew_is_fresh_for_another_five_minutes() -> None:
    flow, told = renewed(signed_in(), proof(LATER), REQUIRED, LATER)

    assert told.fresh_until == LATER + FRESH_FOR
    assert (told.amr, told.assurance) == ((PASSWORD, OTP), 2)
    assert not remove(flow, LATER + FRESH_FOR)
    with pytest.raises(FreshCodeRequired):
        remove(flow, LATER + FRESH_FOR + timedelta(seconds=1))


def test_a_code_that_is_told_again_hours_later_makes_nothing_fresh() -> None:
    flow, _ = renewed(signed_in(), proof(NOON + timedelta(minutes=1)), REQUIRED, NOON)

    flow, told = renewed(flow, proof(NOON), REQUIRED, LATER)

    assert told.fresh_until == NOON + timedelta(minutes=1) + FRESH_FOR
    with pytest.raises(FreshCodeRequired):
        remove(flow, LATER)


def test_a_login_that_waits_for_its_code_manages_nothing() -> None:
    flow = begun(ENROLLED, REQUIRED)

    for attack in (
        lambda: renewed(flow, proof(NOON), REQUIRED, NOON),
        lambda: addition(flow, AddAuthenticator(**ASKED), NEW, OPTIONAL, NOON),
        lambda: remove(flow, NOON),
        lambda: renewal(flow, RenewRecoveryCodes(**ASKED), NOON),
    ):
        with pytest.raises(WrongState):
            attack()


def test_who_has_no_authenticator_may_set_up_his_first_by_his_password_for_as_long() -> None:
    _, allowed = addition(by_password(), AddAuthenticator(**ASKED), NEW, OPTIONAL, NOON + FRESH_FOR)

    assert (allowed.by_code, allowed.username, allowed.issuer) == (False, ADA.username, "The customer")
    with pytest.raises(FreshCodeRequired):
        addition(by_password(), AddAuthenticator(**ASKED), NEW, OPTIONAL, STALE)


def test_a_fresh_password_is_worth_nothing_where_there_is_an_authenticator() -> None:
    with pytest.raises(FreshCodeRequired):
        addition(by_password(), AddAuthenticator(**ASKED), ENROLLED, OPTIONAL, NOON)
    with pytest.raises(FreshCodeRequired):
        remove(by_password(), NOON)
    with pytest.raises(FreshCodeRequired):
        renewal(by_password(), RenewRecoveryCodes(**ASKED), NOON)


def test_the_last_one_may_go_only_where_the_policy_of_now_requires_none() -> None:
    assert not remove(signed_in(), NOON, REQUIRED)
    assert remove(signed_in(), NOON, OPTIONAL)


def test_a_session_that_rests_on_a_password_has_two_factors_once_a_code_was_shown() -> None:
    flow, told = renewed(by_password(), proof(LATER), REQUIRED, LATER)

    assert (told.amr, told.assurance, told.policy_revision) == ((PASSWORD, OTP), 2, REQUIRED.revision)
    assert flow.decision.mode is Mode.REQUIRED


def test_what_was_proven_is_remembered_longer_than_any_session_lasts_and_not_for_ever() -> None:
    week = replace(NEW, grace=Grace(NOON, NOON + timedelta(days=7)))
    effective = replace(REQUIRED, grace_days=7)
    begins, _ = password_proven(None, login(), week, effective, NOON)
    flow, _ = put_off(begins, week, effective, NOON)
    again, _ = renewed(flow, proof(LATER), REQUIRED, LATER)

    assert timedelta(hours=24) < GRANTED_FOR
    assert {one.expires_at for one in (signed_in(), by_password(), flow, again)} == {NOON + GRANTED_FOR}
