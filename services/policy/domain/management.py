"""Management: whether somebody who is signed in may change his authenticators, by what was proven in his login.

A code counts for five minutes. Who has no authenticator has no code to give: his password counts as long, for nothing
but to set up the first one.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.policy.domain.decision import Outcome, Standing, decide
from services.policy.domain.enforcement import Effective
from services.policy.domain.flow import ENROLLED, Flow, granted
from shared.contracts.management import (
    AddAuthenticator,
    AdditionAllowed,
    InSession,
    RemovalAllowed,
    RemoveAuthenticator,
    RenewalAllowed,
    RenewRecoveryCodes,
    StepUpGranted,
    StepUpVerified,
)
from shared.contracts.refusals import FreshCodeRequired, WrongState
from shared.contracts.vocabulary import Mode

FRESH_FOR = timedelta(minutes=5)


def renewed(flow: Flow, proof: StepUpVerified, effective: Effective, now: datetime) -> tuple[Flow, StepUpGranted]:
    """Take a code as fresh evidence for a login that became a session; an older one that comes late makes none."""
    _must_be_granted(flow)
    evidence = replace(flow.evidence, otp=max(flow.evidence.otp or proof.occurred_at, proof.occurred_at))
    decision = decide(evidence, ENROLLED, effective, now)
    told = StepUpGranted(
        **_named(proof, now),
        amr=decision.amr,
        assurance=len(decision.amr),
        fresh_until=evidence.otp + FRESH_FOR if evidence.otp is not None else now,
        policy_revision=decision.policy_revision,
        chain=decision.chain,
    )
    return granted(replace(flow, evidence=evidence), decision), told


def addition(
    flow: Flow, command: AddAuthenticator, standing: Standing, effective: Effective, now: datetime
) -> tuple[Flow, AdditionAllowed]:
    """Allow another authenticator. Raises `FreshCodeRequired`."""
    by_code = _is_fresh(flow.evidence.otp, now)
    if standing.enrolled or not _is_fresh(flow.evidence.pwd, now):
        _must_be_fresh(flow, now)
    _must_be_granted(flow)
    return flow, AdditionAllowed(
        **_named(command, now), username=flow.username, issuer=effective.tenant_name, by_code=by_code
    )


def removal(
    flow: Flow, command: RemoveAuthenticator, effective: Effective, now: datetime
) -> tuple[Flow, RemovalAllowed]:
    """Allow that an authenticator is taken away; the last one, only where none is required. Raises as above."""
    _must_be_fresh(flow, now)
    return flow, RemovalAllowed(
        **_named(command, now),
        authenticator_id=command.authenticator_id,
        even_the_last=effective.mode is Mode.OPTIONAL,
    )


def renewal(flow: Flow, command: RenewRecoveryCodes, now: datetime) -> tuple[Flow, RenewalAllowed]:
    """Allow new recovery codes. Raises as above."""
    _must_be_fresh(flow, now)
    return flow, RenewalAllowed(**_named(command, now))


def _must_be_fresh(flow: Flow, now: datetime) -> None:
    _must_be_granted(flow)
    if not _is_fresh(flow.evidence.otp, now):
        raise FreshCodeRequired("A code that is no older than five minutes is needed.")


def _must_be_granted(flow: Flow) -> None:
    """A login whose second step is still to come is no session, whoever says so."""
    if flow.decision.outcome is not Outcome.GRANT:
        raise WrongState("This login is not over.")


def _is_fresh(proven: datetime | None, now: datetime) -> bool:
    return proven is not None and now - proven <= FRESH_FOR


def _named(message: InSession, now: datetime) -> dict[str, Any]:
    return {
        "occurred_at": now,
        "flow_id": message.flow_id,
        "tenant_id": message.tenant_id,
        "user_id": message.user_id,
        "login": message.login,
    }
