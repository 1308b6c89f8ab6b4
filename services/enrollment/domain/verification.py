"""Verification: a code at login, from an app or from the paper with the recovery codes."""

from dataclasses import replace

from services.enrollment.domain.attempts import attempt
from services.enrollment.domain.codes import judge
from services.enrollment.domain.enrollment import MOST_SETS, accepted, resume
from services.enrollment.domain.owner import Decision, Occasion, Owner
from services.enrollment.domain.vault import Vault
from shared.contracts.attempts import Proof
from shared.contracts.enrollment import OtpRejected, OtpVerified, RecoveryCodeUsed
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure


def verify(owner: Owner, method: AuthenticatorType, code: str, occasion: Occasion, vault: Vault) -> Decision:
    """Judge a code at login. Who has no active authenticator is taken to enrollment instead.

    Raises `WrongState` where nothing is known of the user, `TooManyAttempts` where so many codes failed.
    """
    if not owner.active:
        return resume(owner, occasion, vault)
    if method is AuthenticatorType.RECOVERY_CODE:
        return attempt(owner, Proof.RECOVERY_CODE, occasion, lambda owner: _verify_recovery_code(owner, code, occasion))
    return attempt(owner, Proof.TOTP, occasion, lambda owner: _verify_totp(owner, code, occasion, vault))


def _verify_totp(owner: Owner, code: str, occasion: Occasion, vault: Vault) -> Decision:
    method = AuthenticatorType.TOTP
    # All of them are judged before any is looked at: how long the answer takes must not tell which one it was.
    verdicts = [(one, judge(one, vault.secret_of(owner, one), code, occasion)) for one in owner.active]
    for authenticator, step in verdicts:
        if not isinstance(step, CodeFailure):
            used = authenticator.used(step, occasion)
            if authenticator.confirmed_by == occasion.flow and len(owner.recovery) < MOST_SETS:
                # The login that set the app up is asked for a code where that answer was lost, and its recovery codes.
                return accepted(owner, used, occasion, vault)
            used = vault.renewed(owner, used)
            return owner.changed(used), (OtpVerified(**occasion.of(owner), method=method),)
    was_used = any(verdict is CodeFailure.ALREADY_USED for _, verdict in verdicts)
    reason = CodeFailure.ALREADY_USED if was_used else CodeFailure.WRONG
    return owner, (OtpRejected(**occasion.of(owner), method=method, reason=reason),)


def _verify_recovery_code(owner: Owner, code: str, occasion: Occasion) -> Decision:
    method = AuthenticatorType.RECOVERY_CODE
    verified = OtpVerified(**occasion.of(owner), method=method)
    positions = [codes.position_of(code) for codes in owner.recovery]
    for codes, position in zip(owner.recovery, positions, strict=True):
        if position is None:
            continue
        if codes.used_by[position] is None:
            used = codes.used(position, occasion.flow, occasion.now)
            # Now it is known which set is on paper. One that nobody has seen must not stay good.
            return replace(owner, recovery=(used,)), (verified, RecoveryCodeUsed(**occasion.of(owner), left=used.left))
        if codes.used_by[position] == occasion.flow:
            return owner, (verified,)
        return owner, (OtpRejected(**occasion.of(owner), method=method, reason=CodeFailure.ALREADY_USED),)
    return owner, (OtpRejected(**occasion.of(owner), method=method, reason=CodeFailure.WRONG),)
