from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from services.policy.domain.decision import Grace, Outcome, Standing, at_login, narrowed
from services.policy.domain.enforcement import Effective
from services.policy.domain.flow import LIFETIME, Flow, Step, code_proven, password_proven, put_off
from shared.contracts.auth import LoginSucceeded
from shared.contracts.enrollment import EnrollmentConfirmed, OtpVerified
from shared.contracts.policy import AccessGranted, EnrollmentRequired, Link, OtpRequired
from shared.contracts.refusals import EnrollmentIsRequired, WrongState
from shared.contracts.vocabulary import (
    Audience,
    AuthenticationMethod,
    AuthenticatorId,
    AuthenticatorType,
    FlowId,
    Mode,
)
from tests.examples import ADA, FLOW, NOON

DAY = timedelta(days=1)
ENROLLED = Standing(enrolled=True)
NEW = Standing()
PASSWORD, OTP = AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP


def under(mode: Mode, grace_days: int = 0, revision: int = 1) -> Effective:
    chain = (Link(tenant_id=ADA.tenant_id, audience=Audience.STAFF, mode=mode, revision=revision),)
    return Effective(mode, grace_days, chain, revision, tenant_name="The customer")


def login(flow_id: FlowId = FLOW, at: datetime = NOON) -> LoginSucceeded:
    return LoginSucceeded(
        occurred_at=at, flow_id=flow_id, **dict(ADA.named), username=ADA.username, display_name=ADA.display_name
    )


def verified(flow_id: FlowId = FLOW, at: datetime = NOON) -> OtpVerified:
    return OtpVerified(occurred_at=at, flow_id=flow_id, **dict(ADA.named), method=AuthenticatorType.TOTP)


def confirmed(flow_id: FlowId = FLOW, at: datetime = NOON) -> EnrollmentConfirmed:
    return EnrollmentConfirmed(
        occurred_at=at,
        flow_id=flow_id,
        **dict(ADA.named),
        authenticator_id=AuthenticatorId("hers"),
        recovery_codes="sealed",
    )


REQUIRED, OPTIONAL, A_WEEK = under(Mode.REQUIRED), under(Mode.OPTIONAL), under(Mode.REQUIRED, 7)
IN_GRACE = Standing(grace=Grace(NOON, NOON + 7 * DAY))


def begun(standing: Standing, effective: Effective) -> Flow:
    flow, _ = password_proven(None, login(), standing, effective, NOON)
    return flow


def granted(step: Step) -> AccessGranted:
    assert isinstance(step, AccessGranted)
    return step


def test_a_login_begins_with_its_password_and_ends_an_hour_after_it() -> None:
    flow, _ = password_proven(None, login(), NEW, REQUIRED, NOON + timedelta(minutes=1))

    assert (flow.evidence.pwd, flow.evidence.otp) == (NOON, None)
    assert flow.expires_at == NOON + LIFETIME
    assert (flow.tenant_id, flow.user_id, flow.username) == (ADA.tenant_id, ADA.user_id, ADA.username)


def test_who_must_enroll_is_told_under_which_name_and_until_when_he_may_put_it_off() -> None:
    _, told = password_proven(None, login(), IN_GRACE, A_WEEK, NOON)

    assert isinstance(told, EnrollmentRequired)
    assert (told.username, told.issuer, told.skippable_until) == (ADA.username, "The customer", NOON + 7 * DAY)


def test_who_has_an_authenticator_is_asked_for_it_even_where_nobody_demands_it() -> None:
    _, told = password_proven(None, login(), ENROLLED, OPTIONAL, NOON)

    assert isinstance(told, OtpRequired)


def test_a_grant_names_the_user_the_evidence_and_the_policy() -> None:
    effective = under(Mode.OPTIONAL, revision=8)

    _, told = password_proven(None, login(), NEW, effective, NOON)

    grant = granted(told)
    assert (grant.username, grant.display_name) == (ADA.username, ADA.display_name)
    assert (grant.amr, grant.assurance, grant.granted_until) == ((PASSWORD,), 1, None)
    assert (grant.policy_revision, grant.chain) == (8, effective.chain)


def test_a_password_and_a_code_are_granted_at_the_second_level() -> None:
    flow, told = code_proven(begun(ENROLLED, REQUIRED), verified(), REQUIRED, NOON)

    grant = granted(told)
    assert (grant.amr, grant.assurance, grant.recovery_codes) == ((PASSWORD, OTP), 2, None)
    assert flow.decision.outcome is Outcome.GRANT


def test_recovery_codes_are_handed_on_with_the_grant_and_not_kept() -> None:
    flow, told = code_proven(begun(NEW, REQUIRED), confirmed(), REQUIRED, NOON)

    assert granted(told).recovery_codes == "sealed"
    assert "sealed" not in repr(flow)


def test_each_step_is_judged_by_the_policy_of_now() -> None:
    flow = begun(ENROLLED, under(Mode.OPTIONAL, revision=1))

    flow, told = code_proven(flow, verified(), under(Mode.REQUIRED, revision=2), NOON)

    assert (granted(told).policy_revision, flow.decision.policy_revision) == (2, 2)
    assert flow.decision.mode is Mode.REQUIRED


def test_an_enrollment_that_is_put_off_is_a_grant_that_ends_with_the_grace() -> None:
    flow, told = put_off(begun(IN_GRACE, A_WEEK), IN_GRACE, A_WEEK, NOON + DAY)

    grant = granted(told)
    assert (grant.amr, grant.assurance, grant.granted_until) == ((PASSWORD,), 1, NOON + 7 * DAY)
    assert (flow.decision.outcome, flow.decision.grace_until) == (Outcome.GRANT, NOON + 7 * DAY)


def test_an_enrollment_that_is_put_off_twice_has_the_same_answer() -> None:
    flow, once = put_off(begun(IN_GRACE, A_WEEK), IN_GRACE, A_WEEK, NOON)
    _, twice = put_off(flow, IN_GRACE, A_WEEK, NOON)

    assert once.model_copy(update={"id": twice.id}) == twice


@pytest.mark.parametrize("effective", [under(Mode.REQUIRED, 7), under(Mode.REQUIRED)])
def test_an_enrollment_cannot_be_put_off_after_the_grace_or_without_one(effective: Effective) -> None:
    late = NOON + 7 * DAY

    with pytest.raises(EnrollmentIsRequired):
        put_off(begun(IN_GRACE, effective), IN_GRACE, effective, late)
    with pytest.raises(EnrollmentIsRequired):
        put_off(begun(NEW, effective), NEW, effective, NOON)


def test_a_challenge_cannot_be_put_off_even_in_a_period_of_grace() -> None:
    enrolled_in_grace = replace(IN_GRACE, enrolled=True)

    with pytest.raises(WrongState):
        put_off(begun(enrolled_in_grace, A_WEEK), enrolled_in_grace, A_WEEK, NOON)


def test_a_login_that_has_both_factors_cannot_be_granted_less() -> None:
    flow, _ = code_proven(begun(IN_GRACE, A_WEEK), verified(), A_WEEK, NOON)

    with pytest.raises(WrongState):
        put_off(flow, IN_GRACE, A_WEEK, NOON)


def test_a_password_that_is_told_again_after_the_code_loses_no_evidence_and_grants_nothing_new() -> None:
    flow, _ = code_proven(begun(ENROLLED, REQUIRED), verified(), REQUIRED, NOON)

    after, told = password_proven(flow, login(), ENROLLED, REQUIRED, NOON + timedelta(minutes=1))

    assert after == flow
    assert isinstance(told, OtpRequired)


def test_a_password_that_is_told_again_is_judged_by_the_policy_of_now() -> None:
    flow = begun(NEW, REQUIRED)

    after, told = password_proven(flow, login(), ENROLLED, REQUIRED, NOON)

    assert isinstance(told, OtpRequired)
    assert after.decision.outcome is Outcome.CHALLENGE
    assert (after.evidence, after.expires_at) == (flow.evidence, flow.expires_at)


class Logins(RuleBasedStateMachine):
    """One user, several logins, and a policy that changes under them; messages come in any order and come again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.effective = REQUIRED
        self.standing = NEW
        self.flows: dict[FlowId, Flow] = {}
        self.proven: set[FlowId] = set()

    ids = st.sampled_from([FlowId("one"), FlowId("two"), FlowId("three")])

    @rule(mode=st.sampled_from([Mode.OPTIONAL, Mode.REQUIRED]), grace_days=st.integers(0, 9))
    def policy_changes(self, mode: Mode, grace_days: int) -> None:
        self.effective = under(mode, grace_days, self.effective.revision + 1)

    @rule(days=st.integers(0, 4))
    def time_passes(self, days: int) -> None:
        self.now += days * DAY

    def hold(self, grace: Grace | None) -> None:
        known = self.standing.grace
        if known is not None:
            assert grace is not None
            assert grace.deadline <= known.deadline
        self.standing = replace(self.standing, grace=grace)

    def keep(self, before: Flow | None, judged: tuple[Flow, Step]) -> None:
        after, told = judged
        if before is not None:
            assert after.evidence.pwd == before.evidence.pwd
            assert before.evidence.otp in {None, after.evidence.otp}
        self.flows[after.flow_id] = after
        if isinstance(told, AccessGranted):
            self.check(after, told)

    def check(self, flow: Flow, grant: AccessGranted) -> None:
        assert grant.policy_revision == self.effective.revision
        if grant.assurance == 2:
            assert flow.flow_id in self.proven
        else:
            assert not self.standing.enrolled
            if self.effective.mode is Mode.OPTIONAL:
                assert grant.granted_until is None
            else:
                assert self.standing.grace is not None
                assert grant.granted_until == self.standing.grace.deadline
                assert self.now < grant.granted_until <= self.standing.grace.began + self.effective.grace_days * DAY

    @rule(flow_id=ids)
    def password(self, flow_id: FlowId) -> None:
        self.hold(at_login(self.standing, self.effective, self.now))
        before = self.flows.get(flow_id)
        judged = password_proven(before, login(flow_id, self.now), self.standing, self.effective, self.now)
        self.keep(before, judged)
        if before is not None and before.decision.outcome is Outcome.GRANT:
            assert judged[0] == before

    @rule(flow_id=ids)
    @precondition(lambda self: self.standing.enrolled)
    def code(self, flow_id: FlowId) -> None:
        if flow_id in self.flows:
            self.proven.add(flow_id)
            flow = self.flows[flow_id]
            self.keep(flow, code_proven(flow, verified(flow_id, self.now), self.effective, self.now))

    @rule(flow_id=ids)
    def enrollment(self, flow_id: FlowId) -> None:
        self.standing = replace(self.standing, enrolled=True)
        if flow_id in self.flows:
            self.proven.add(flow_id)
            flow = self.flows[flow_id]
            self.keep(flow, code_proven(flow, confirmed(flow_id, self.now), self.effective, self.now))

    @rule(flow_id=ids)
    def skip(self, flow_id: FlowId) -> None:
        if flow_id not in self.flows:
            return
        self.hold(narrowed(self.standing, self.effective))
        flow = self.flows[flow_id]
        try:
            judged = put_off(flow, self.standing, self.effective, self.now)
        except WrongState:
            assert self.standing.enrolled or flow.evidence.otp is not None
        except EnrollmentIsRequired:
            assert self.effective.mode is Mode.REQUIRED
        else:
            self.keep(flow, judged)


TestLogins = Logins.TestCase
TestLogins.settings = settings(max_examples=80, stateful_step_count=30)
