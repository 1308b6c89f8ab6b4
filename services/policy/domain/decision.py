"""The decision: what a login still needs, given its evidence, the user's standing and the enforcement in effect.

To deny is not among the outcomes: it is a refusal, raised where no policy is known (`enforcement.resolve`) or where no
password was proven (a flow begins with one, so there is nothing to decide on without).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.policy.domain.enforcement import Effective
from shared.contracts.policy import Link
from shared.contracts.vocabulary import AuthenticationMethod, Mode


class Outcome(StrEnum):
    """What a login must do next, or that it may enter."""

    ENROLL = "enroll"
    CHALLENGE = "challenge"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What policy was told of one login by the services that judge it, and when. Never the gateway's word."""

    pwd: datetime
    otp: datetime | None = None

    @property
    def amr(self) -> tuple[AuthenticationMethod, ...]:
        """The methods that were proven (RFC 8176)."""
        proven = (AuthenticationMethod.PASSWORD,)
        return proven if self.otp is None else (*proven, AuthenticationMethod.OTP)


@dataclass(frozen=True, slots=True)
class Grace:
    """The one period in which a user may put off his enrollment. Both times only ever move back."""

    began: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What policy knows of a user: whether he has an authenticator, and his grace period if it ever began."""

    enrolled: bool = False
    grace: Grace | None = None
    bindings: int = 0
    """Of which change of his authenticators policy heard last."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which policy, on whose word. `grace_until` is the end of the grace that it rests on."""

    outcome: Outcome
    mode: Mode
    policy_revision: int
    chain: tuple[Link, ...]
    decided_at: datetime
    amr: tuple[AuthenticationMethod, ...]
    grace_until: datetime | None = None


def decide(evidence: Evidence, standing: Standing, effective: Effective, now: datetime) -> Decision:
    """Judge a login by the policy of now.

    Both factors: granted. Whoever has an authenticator is asked for it whatever the mode is. Without one, only an
    enforcement that is known to be optional lets a password suffice.
    """
    grace = narrowed(standing, effective)
    decision = Decision(
        outcome=Outcome.ENROLL,
        mode=effective.mode,
        policy_revision=effective.revision,
        chain=effective.chain,
        decided_at=now,
        amr=evidence.amr,
    )
    if evidence.otp is not None:
        return replace(decision, outcome=Outcome.GRANT)
    if standing.enrolled:
        return replace(decision, outcome=Outcome.CHALLENGE)
    if effective.mode is Mode.OPTIONAL:
        return replace(decision, outcome=Outcome.GRANT)
    return replace(decision, grace_until=grace.deadline if grace is not None and now < grace.deadline else None)


def narrowed(standing: Standing, effective: Effective) -> Grace | None:
    """The user's grace under the rule of now: fewer days, or none, shorten it; more never extend it.

    The shorter deadline is counted from the day on which the grace began, and it stays when the rule is eased again.
    While nothing is required the deadline stands as it is, and time goes on towards it.
    """
    if standing.grace is None or effective.mode is not Mode.REQUIRED:
        return standing.grace
    allowed = standing.grace.began + timedelta(days=effective.grace_days)
    return replace(standing.grace, deadline=min(standing.grace.deadline, allowed))


def at_login(standing: Standing, effective: Effective, now: datetime) -> Grace | None:
    """The user's grace once he has signed in with his password: it begins at the first such login that must enroll."""
    begins = (
        standing.grace is None
        and not standing.enrolled
        and effective.mode is Mode.REQUIRED
        and effective.grace_days > 0
    )
    return Grace(now, now + timedelta(days=effective.grace_days)) if begins else narrowed(standing, effective)
