"""A login as policy sees it: the evidence it was told, and the decision it made last.

    LoginSucceeded -> enroll | challenge | grant
    enroll         -> grant, by EnrollmentConfirmed, or by SkipEnrollment while the grace lasts
    challenge      -> grant, by OtpVerified

Each step is judged by the policy of now. A grant stays on record: a step that comes again grants nothing more.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.policy.domain.decision import Decision, Evidence, Outcome, Standing, decide
from services.policy.domain.enforcement import Effective
from shared.contracts.auth import LoginSucceeded
from shared.contracts.enrollment import EnrollmentConfirmed, OtpVerified
from shared.contracts.policy import AccessGranted, EnrollmentRequired, OtpRequired
from shared.contracts.refusals import EnrollmentIsRequired, WrongState
from shared.contracts.vocabulary import FlowId, Sealed, TenantId, UserId

LIFETIME = timedelta(hours=1)
GRANTED_FOR = timedelta(hours=25)
"""How long a login that was granted is remembered after its password: longer than any session that it may become."""

Step = EnrollmentRequired | OtpRequired | AccessGranted
"""What is told of a decision."""

ENROLLED = Standing(enrolled=True)
"""The standing of whoever has just proven a second factor."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One login of one user. There is none without a password: that is what it begins with."""

    flow_id: FlowId
    tenant_id: TenantId
    user_id: UserId
    username: str
    display_name: str
    evidence: Evidence
    decision: Decision
    expires_at: datetime
    revision: int = 0


def password_proven(
    flow: Flow | None, login: LoginSucceeded, standing: Standing, effective: Effective, now: datetime
) -> tuple[Flow, Step]:
    """Begin a login with its password; told again, give the answer that a password deserves, and keep what came since.

    A password that is told once more is not judged together with the code that followed it: it would be granted twice.
    """
    password = Evidence(pwd=login.occurred_at if flow is None else flow.evidence.pwd)
    decision = decide(password, standing, effective, now)
    if flow is None:
        lifetime = GRANTED_FOR if decision.outcome is Outcome.GRANT else LIFETIME
        flow = Flow(
            flow_id=login.flow_id,
            tenant_id=login.tenant_id,
            user_id=login.user_id,
            username=login.username,
            display_name=login.display_name,
            evidence=password,
            decision=decision,
            expires_at=login.occurred_at + lifetime,
        )
    elif flow.decision.outcome is not Outcome.GRANT:
        is_granted = decision.outcome is Outcome.GRANT
        flow = granted(flow, decision) if is_granted else replace(flow, decision=decision)
    return flow, _told(flow, decision, effective)


def code_proven(
    flow: Flow, proof: OtpVerified | EnrollmentConfirmed, effective: Effective, now: datetime
) -> tuple[Flow, Step]:
    """Add a second factor to a login that has its password."""
    evidence = replace(flow.evidence, otp=flow.evidence.otp or proof.occurred_at)
    decision = decide(evidence, ENROLLED, effective, now)
    codes = proof.recovery_codes if isinstance(proof, EnrollmentConfirmed) else None
    return granted(replace(flow, evidence=evidence), decision), _told(flow, decision, effective, codes)


def put_off(flow: Flow, standing: Standing, effective: Effective, now: datetime) -> tuple[Flow, Step]:
    """Grant a login without a second factor while the user's grace lasts.

    Raises `EnrollmentIsRequired` when it does not, `WrongState` when there is no enrollment to put off.
    """
    if flow.evidence.otp is not None:
        raise WrongState("This login has its second factor already.")
    decision = decide(flow.evidence, standing, effective, now)
    if decision.outcome is Outcome.CHALLENGE:
        raise WrongState("You have an authenticator app: answer with a code from it.")
    if decision.outcome is Outcome.ENROLL and decision.grace_until is None:
        raise EnrollmentIsRequired("An authenticator app must be set up now.")
    decision = replace(decision, outcome=Outcome.GRANT)
    return granted(flow, decision), _told(flow, decision, effective)


def granted(flow: Flow, decision: Decision) -> Flow:
    """The login that became a session: what was proven in it counts as long as the session may last."""
    return replace(flow, decision=decision, expires_at=flow.evidence.pwd + GRANTED_FOR)


def _told(flow: Flow, decision: Decision, effective: Effective, codes: Sealed | None = None) -> Step:
    """Say what was decided."""
    login = {
        "occurred_at": decision.decided_at,
        "flow_id": flow.flow_id,
        "tenant_id": flow.tenant_id,
        "user_id": flow.user_id,
    }
    if decision.outcome is Outcome.CHALLENGE:
        return OtpRequired(**login)
    if decision.outcome is Outcome.ENROLL:
        return EnrollmentRequired(
            **login,
            username=flow.username,
            issuer=effective.tenant_name,
            skippable_until=decision.grace_until,
        )
    return AccessGranted(
        **login,
        username=flow.username,
        display_name=flow.display_name,
        amr=decision.amr,
        assurance=len(decision.amr),
        granted_until=decision.grace_until,
        policy_revision=decision.policy_revision,
        chain=decision.chain,
        recovery_codes=codes,
    )
