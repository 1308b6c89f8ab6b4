"""Enrollment: started, shown again, confirmed by a first code."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.enrollment.domain.attempts import attempt
from services.enrollment.domain.codes import clock_skew_seconds, judge
from services.enrollment.domain.owner import Account, Authenticator, Decision, Occasion, Owner, State
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from shared.contracts.attempts import Proof
from shared.contracts.enrollment import EnrollmentConfirmed, EnrollmentRejected, EnrollmentStarted
from shared.contracts.policy import OtpRequired
from shared.contracts.refusals import WrongState
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, FlowId

PENDING_FOR = timedelta(minutes=15)

MOST_SETS = 8
"""How often one login may confirm: each time makes a set of recovery codes, and every set costs a hash to look in."""


def start(
    owner: Owner, account: Account, occasion: Occasion, vault: Vault, *, skippable_until: datetime | None = None
) -> Decision:
    """Show the authenticator that is pending, or a new one; who has an active one is asked for its code instead.

    While one is pending its secret stays the same, over reloads, tabs and logins: with a second QR code the app that
    scanned the first would show wrong codes.
    """
    owner = replace(owner, account=account)
    if owner.active:
        return owner, (_otp_required(owner, occasion),)
    owner, pending = offered(owner, account, occasion, vault)
    return owner, (started(owner, pending, occasion, vault, skippable_until),)


def offered(
    owner: Owner, account: Account, occasion: Occasion, vault: Vault, started_by: FlowId | None = None
) -> tuple[Owner, Authenticator]:
    """The authenticator that is pending for whoever asks, or a new one.

    What somebody started in one session is shown in no other and at no login: a thief of a session could start one,
    keep its secret, and wait until its owner confirms it.
    """
    pending = owner.pending
    if pending is not None and not pending.is_over(occasion.now) and pending.started_by == started_by:
        return owner, pending
    new = vault.authenticator(owner, account, vault.new_secret(), occasion.now)
    new = replace(new, started_by=started_by, expires_at=occasion.now + PENDING_FOR)
    return owner.given(new), new


def started(
    owner: Owner, pending: Authenticator, occasion: Occasion, vault: Vault, skippable_until: datetime | None = None
) -> EnrollmentStarted:
    """Tell the app what it needs to know."""
    return EnrollmentStarted(
        **occasion.of(owner),
        authenticator_id=pending.id,
        provisioning=vault.provisioning(owner, pending, occasion.flow),
        expires_at=pending.expires_at,
        skippable_until=skippable_until,
    )


def resume(owner: Owner, occasion: Occasion, vault: Vault, *, skippable_until: datetime | None = None) -> Decision:
    """Show it again, under the names that the last start brought. Raises `WrongState` where there was none."""
    if owner.account is None:
        raise WrongState("This login has not come to the authenticator app yet.")
    return start(owner, owner.account, occasion, vault, skippable_until=skippable_until)


def confirm(owner: Owner, code: str, occasion: Occasion, vault: Vault) -> Decision:
    """Judge the first code from the pending authenticator: right, it is active, and the code is used up.

    Where another login confirmed it meanwhile, this one is asked for a code like any other. Raises `WrongState` where
    nothing was started, `TooManyAttempts` where so many codes failed.
    """
    return attempt(owner, Proof.TOTP, occasion, lambda owner: _confirm(owner, code, occasion, vault))


def _confirm(owner: Owner, code: str, occasion: Occasion, vault: Vault) -> Decision:
    if confirmed := owner.confirmed_by(occasion.flow):
        return _confirm_again(owner, confirmed, code, occasion, vault)
    if owner.active:
        return owner, (_otp_required(owner, occasion),)
    pending = owner.pending
    if pending is None or pending.started_by is not None:
        raise WrongState("No enrollment has been started.")
    active = proved(owner, pending, code, occasion, vault)
    if isinstance(active, EnrollmentRejected):
        return owner, (active,)
    return accepted(owner, active, occasion, vault)


def proved(
    owner: Owner, pending: Authenticator, code: str, occasion: Occasion, vault: Vault
) -> Authenticator | EnrollmentRejected:
    """The pending authenticator as it is once its first code was right; or what is told of a code that was not."""
    if pending.is_over(occasion.now):
        return _rejected(owner, occasion, CodeFailure.ENROLLMENT_EXPIRED)
    secret = vault.secret_of(owner, pending)
    step = judge(pending, secret, code, occasion)
    if isinstance(step, CodeFailure):
        skew = clock_skew_seconds(secret, code, occasion.now)
        reason = step if skew is None else CodeFailure.CLOCK_OUT_OF_STEP
        return _rejected(owner, occasion, reason, skew)
    active = replace(
        pending, state=State.ACTIVE, expires_at=None, confirmed_at=occasion.now, confirmed_by=occasion.flow
    )
    return active.used(step, occasion)


def _confirm_again(owner: Owner, active: Authenticator, code: str, occasion: Occasion, vault: Vault) -> Decision:
    """Answer the login that has confirmed already: its answer was lost, or it asked twice at once.

    The codes of the first answer are hashes by now, so it gets others. Which answer the user came to see nobody
    knows: all sets stand until one of them is used. If the later one replaced the earlier, a double click on "confirm"
    could leave ten codes on paper of which none is good.
    """
    step = judge(active, vault.secret_of(owner, active), code, occasion)
    if isinstance(step, CodeFailure):
        return owner, (_rejected(owner, occasion, step),)
    if len(owner.recovery) >= MOST_SETS:
        return owner, (_rejected(owner, occasion, CodeFailure.ALREADY_USED),)
    return accepted(owner, active.used(step, occasion), occasion, vault)


def accepted(owner: Owner, active: Authenticator, occasion: Occasion, vault: Vault) -> Decision:
    """Tell that the app is set up, with recovery codes that nobody has seen yet."""
    codes, kept = vault.recovery_codes(occasion.flow)
    owner = owner.changed(vault.renewed(owner, active))
    owner = replace(owner, recovery=(*owner.recovery, RecoverySet.issued(kept, occasion.now)))
    confirmed = EnrollmentConfirmed(
        **occasion.of(owner), authenticator_id=active.id, recovery_codes=codes, bindings=owner.bindings
    )
    return owner, (confirmed,)


def _otp_required(owner: Owner, occasion: Occasion) -> OtpRequired:
    totp, recovery_code = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE
    has_codes = any(codes.left for codes in owner.recovery)
    return OtpRequired(**occasion.of(owner), methods=(totp, recovery_code) if has_codes else (totp,))


def _rejected(
    owner: Owner, occasion: Occasion, reason: CodeFailure, clock_skew_seconds: int | None = None
) -> EnrollmentRejected:
    return EnrollmentRejected(**occasion.of(owner), reason=reason, clock_skew_seconds=clock_skew_seconds)
