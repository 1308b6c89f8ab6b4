"""What a flow becomes when a login is told its next step."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.flows import Flow, FlowState
from shared.contracts.enrollment import EnrollmentStarted
from shared.contracts.policy import OtpRequired
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType
from tests.examples import ADA, BOB, FLOW, NOON

TOLD: dict[str, Any] = {"flow_id": FLOW, "occurred_at": NOON, **dict(ADA.named)}
CHALLENGE = OtpRequired(**TOLD)
ENROLLMENT = EnrollmentStarted(
    **TOLD,
    authenticator_id=AuthenticatorId("an authenticator"),
    provisioning="sealed",
    expires_at=NOON,
    skippable_until=NOON,
)


def test_a_challenge_keeps_what_can_answer_it_and_nothing_of_an_enrollment() -> None:
    flow = Flow.begun(CHALLENGE, "a digest", NOON + timedelta(minutes=15))

    assert flow.state is FlowState.OTP_REQUIRED
    assert flow.methods == (AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE)
    assert flow.skippable_until is None


def test_an_enrollment_keeps_its_grace_and_nothing_secret() -> None:
    flow = Flow.begun(ENROLLMENT, "a digest", NOON)

    assert flow.state is FlowState.ENROLLMENT_REQUIRED
    assert flow.skippable_until == NOON
    assert flow.methods == ()
    assert "sealed" not in repr(flow)


@given(st.lists(st.sampled_from([CHALLENGE, ENROLLMENT]), min_size=1))
def test_whatever_a_login_is_told_the_flow_stands_as_if_it_had_begun_so(
    steps: list[OtpRequired | EnrollmentStarted],
) -> None:
    flow = Flow.begun(ENROLLMENT, "a digest", NOON)

    for step in steps:
        flow = flow.told(step)

    assert flow == Flow.begun(steps[-1], "a digest", NOON)


def test_a_flow_is_of_one_user_of_one_tenant() -> None:
    flow = Flow.begun(CHALLENGE, "a digest", NOON)

    assert flow.is_of(ADA.named)
    assert not flow.is_of(BOB.named)
    assert not flow.is_of(ADA.named.model_copy(update={"tenant_id": BOB.tenant_id}))
