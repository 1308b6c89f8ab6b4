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
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure

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
    pending = owner.pending
    if pending is None or pending.is_over(occasion.now):
        pending = vault.authenticator(owner, account, vault.new_secret(), occasion.now)
        pending = replace(pending, expires_at=occasion.now + PENDING_FOR)
        owner = owner.given(pending)
    started = EnrollmentStarted(
        **occasion.of(owner),
        authenticator_id=pending.id,
        provisioning=vault.provisioning(owner, pending, occasion.flow),
        expires_at=pending.expires_at,
        skippable_until=skippable_until,
    )
    return owner, (started,)


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
    if pending is None:
        raise WrongState("No enrollment has been started.")
    if pending.is_over(occasion.now):
        return owner, (_rejected(owner, occasion, CodeFailure.ENROLLMENT_EXPIRED),)
    secret = vault.secret_of(owner, pending)
    step = judge(pending, secret, code, occasion)
    if isinstance(step, CodeFailure):
        skew = clock_skew_seconds(secret, code, occasion.now)
        reason = step if skew is None else CodeFailure.CLOCK_OUT_OF_STEP
        return owner, (_rejected(owner, occasion, reason, skew),)
    active = replace(
        pending, state=State.ACTIVE, expires_at=None, confirmed_at=occasion.now, confirmed_by=occasion.flow
    )
    return _accepted(owner, active, step, occasion, vault)


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
    return _accepted(owner, active, step, occasion, vault)


def _accepted(owner: Owner, active: Authenticator, step: int, occasion: Occasion, vault: Vault) -> Decision:
    shown, kept = vault.recovery_codes(occasion.flow)
    used = vault.renewed(owner, replace(active, last_step=step, last_flow=occasion.flow))
    owner = replace(owner.changed(used), recovery=(*owner.recovery, RecoverySet.issued(kept, occasion.now)))
    confirmed = EnrollmentConfirmed(**occasion.of(owner), authenticator_id=active.id, recovery_codes=shown)
    return owner, (confirmed,)


def _otp_required(owner: Owner, occasion: Occasion) -> OtpRequired:
    totp, recovery_code = AuthenticatorType.TOTP, AuthenticatorType.RECOVERY_CODE
    has_codes = any(codes.left for codes in owner.recovery)
    return OtpRequired(**occasion.of(owner), methods=(totp, recovery_code) if has_codes else (totp,))


def _rejected(
    owner: Owner, occasion: Occasion, reason: CodeFailure, clock_skew_seconds: int | None = None
) -> EnrollmentRejected:
    return EnrollmentRejected(**occasion.of(owner), reason=reason, clock_skew_seconds=clock_skew_seconds)
