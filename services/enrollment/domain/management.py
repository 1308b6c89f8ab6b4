"""Management: what a user who is signed in does with his authenticators and recovery codes.

Whether he may is policy's to say; how many there are and which is the last is known here, in the one write that
decides. So of two removals at once, each of another authenticator, the second finds the last one.
"""

import unicodedata
from dataclasses import replace

from services.enrollment.domain.attempts import attempt
from services.enrollment.domain.codes import judge
from services.enrollment.domain.enrollment import MOST_SETS, offered, proved, started
from services.enrollment.domain.owner import NAME, Account, Authenticator, Decision, Occasion, Owner
from services.enrollment.domain.recovery import RecoverySet
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from shared.contracts.attempts import Proof
from shared.contracts.enrollment import EnrollmentRejected, OtpVerified
from shared.contracts.management import (
    MOST_AUTHENTICATORS,
    AdditionAllowed,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    AuthenticatorRenamed,
    AuthenticatorsListed,
    ConfirmAuthenticator,
    ListAuthenticators,
    ListedAuthenticator,
    RecoveryCodesRenewed,
    RemovalAllowed,
    RenameAuthenticator,
    RenewalAllowed,
    StepUp,
    StepUpVerified,
)
from shared.contracts.message import Event
from shared.contracts.refusals import (
    FreshCodeRequired,
    LastAuthenticator,
    NameTaken,
    NotFound,
    TooManyAuthenticators,
    WrongState,
)
from shared.contracts.vocabulary import CodeFailure


def step_up(owner: Owner, command: StepUp, code: str, occasion: Occasion, vault: Vault) -> Decision:
    """Judge a code as at a login, in a flow of its own: the code that signed the user in is used up here too.

    Raises `WrongState` where there is no authenticator, `TooManyAttempts` where so many codes failed.
    """
    if not owner.active:
        raise WrongState("There is no authenticator app. Sign in again instead.")
    after, events = verify(owner, command.method, code, occasion, vault)
    verified = StepUpVerified(**occasion.of(owner), login=command.login, method=command.method)
    return after, tuple(verified if isinstance(event, OtpVerified) else event for event in events)


def add(owner: Owner, allowed: AdditionAllowed, occasion: Occasion, vault: Vault) -> Decision:
    """Show a new authenticator; those that there are stay as good as they were.

    Who proved no code may have none to prove it by: policy may not have heard yet of one that was added a moment ago.
    """
    if owner.active and not allowed.by_code:
        raise FreshCodeRequired("A code from the authenticator app is needed.")
    if len(owner.active) >= MOST_AUTHENTICATORS:
        raise TooManyAuthenticators(f"There can be {MOST_AUTHENTICATORS} authenticator apps at most.")
    if _has_come_of(owner, allowed):
        raise WrongState("This authenticator is set up already.")
    account = Account(allowed.issuer, allowed.username)
    owner, pending = offered(replace(owner, account=account), account, occasion, vault, allowed.login)
    return owner, (started(owner, pending, occasion, vault),)


def _has_come_of(owner: Owner, allowed: AdditionAllowed) -> bool:
    """Whether what was allowed is done: told again, it would start one that nobody asked for."""
    mine = (one.confirmed_at for one in owner.active if one.confirmed_by == allowed.login)
    return any(at is not None and at > allowed.occurred_at for at in mine)


def confirm_added(owner: Owner, command: ConfirmAuthenticator, code: str, occasion: Occasion, vault: Vault) -> Decision:
    """Judge the first code from an authenticator that this session is adding: right, it is active.

    Recovery codes come with it where none are left. Told again by the session that confirmed, with the code that
    confirmed or a newer one, the answer is the same. Raises `NotFound`, `TooManyAttempts`.
    """
    return attempt(owner, Proof.TOTP, occasion, lambda owner: _confirm_added(owner, command, code, occasion, vault))


def _confirm_added(
    owner: Owner, command: ConfirmAuthenticator, code: str, occasion: Occasion, vault: Vault
) -> Decision:
    # The codes of an authenticator are used up by login here, so that an answer that was lost is had again.
    in_login = replace(occasion, flow=command.login)
    active = owner.active_one(command.authenticator_id)
    if active is not None and active.confirmed_by == command.login:
        step = judge(active, vault.secret_of(owner, active), code, in_login)
        if isinstance(step, CodeFailure):
            return owner, (EnrollmentRejected(**occasion.of(owner), reason=step),)
        used = active.used(step, in_login)
        return _added(owner.changed(used), used, command, occasion, vault)
    pending = owner.pending
    if pending is None or (pending.id, pending.started_by) != (command.authenticator_id, command.login):
        raise NotFound("No such authenticator is being added here. Start again.")
    if len(owner.active) >= MOST_AUTHENTICATORS:
        raise TooManyAuthenticators(f"There can be {MOST_AUTHENTICATORS} authenticator apps at most.")
    outcome = proved(owner, pending, code, in_login, vault)
    if isinstance(outcome, EnrollmentRejected):
        return owner, (outcome.model_copy(update={"flow_id": occasion.flow}),)
    named = replace(outcome, name=_free_name(owner))
    return _added(owner.changed(vault.renewed(owner, named)), named, command, occasion, vault)


def _added(
    owner: Owner, active: Authenticator, command: ConfirmAuthenticator, occasion: Occasion, vault: Vault
) -> Decision:
    """Tell of it. As long as none of the codes that came with it is used, told again it comes with codes again."""
    codes = None
    made_here = [one for one in owner.recovery if one.issued_for == active.id]
    if not any(one.left for one in owner.recovery if one.issued_for != active.id) and len(made_here) < MOST_SETS:
        codes, kept = vault.recovery_codes(occasion.flow)
        issued = RecoverySet.issued(kept, occasion.now, issued_for=active.id)
        owner = replace(owner, recovery=(*made_here, issued))
    told = AuthenticatorAdded(
        **occasion.of(owner),
        login=command.login,
        authenticator_id=active.id,
        name=active.name,
        bindings=owner.bindings,
        recovery_codes=codes,
    )
    return owner, (told,)


def rename(owner: Owner, command: RenameAuthenticator, occasion: Occasion) -> Decision:
    """Call an authenticator something else. Raises `NotFound`, `NameTaken`."""
    authenticator = owner.active_one(command.authenticator_id)
    if authenticator is None:
        raise NotFound("There is no such authenticator.")
    others = [one.name for one in owner.active if one.id != authenticator.id]
    if _compared(command.name) in map(_compared, others):
        raise NameTaken("Another authenticator has this name.")
    told = AuthenticatorRenamed(
        **occasion.of(owner), login=command.login, authenticator_id=authenticator.id, name=command.name
    )
    return owner.changed(replace(authenticator, name=command.name)), (told,)


def remove(owner: Owner, allowed: RemovalAllowed, occasion: Occasion) -> Decision:
    """Take an authenticator away. With the last one go the recovery codes, which stand in for it.

    Raises `NotFound`, and `LastAuthenticator` where one is required.
    """
    if owner.active_one(allowed.authenticator_id) is None:
        if owner.last_removed != allowed.authenticator_id:
            raise NotFound("There is no such authenticator.")
        return owner, (_removed(owner, allowed, occasion),)
    if len(owner.active) == 1 and not allowed.even_the_last:
        raise LastAuthenticator("An authenticator app is required here. Add the new one before you remove this one.")
    left = owner.without(allowed.authenticator_id)
    left = left if left.active else replace(left, recovery=())
    return left, (_removed(left, allowed, occasion),)


def _removed(owner: Owner, allowed: RemovalAllowed, occasion: Occasion) -> AuthenticatorRemoved:
    return AuthenticatorRemoved(
        **occasion.of(owner),
        login=allowed.login,
        authenticator_id=allowed.authenticator_id,
        left=len(owner.active),
        bindings=owner.bindings,
    )


def renew_recovery_codes(owner: Owner, allowed: RenewalAllowed, occasion: Occasion, vault: Vault) -> Decision:
    """Make new recovery codes in place of all that there are.

    Told twice it makes two sets, and both stand: which of the two answers came to be seen nobody knows. Told when
    others were allowed after it and made before it, it makes none: those are what its user has written down, and where
    its reader was cut off it can come long after them. Raises `WrongState` then, and where there is no authenticator
    that they could stand in for.
    """
    if not owner.active:
        raise WrongState("There is no authenticator app that recovery codes could stand in for.")
    mine = [one for one in owner.recovery if one.issued_for == occasion.flow][-MOST_SETS + 1 :]
    if any(one.allowed_at and one.allowed_at > allowed.occurred_at for one in owner.recovery if one not in mine):
        raise WrongState("Newer recovery codes have been made already.")
    codes, kept = vault.recovery_codes(occasion.flow)
    issued = RecoverySet.issued(kept, occasion.now, occasion.flow, allowed.occurred_at)
    told = RecoveryCodesRenewed(**occasion.of(owner), login=allowed.login, recovery_codes=codes)
    return replace(owner, recovery=(*mine, issued)), (told,)


def listed(owner: Owner, command: ListAuthenticators, occasion: Occasion) -> tuple[Event, ...]:
    """Tell what a user has."""
    latest = owner.recovery[-1] if owner.recovery else None
    told = AuthenticatorsListed(
        **occasion.of(owner),
        login=command.login,
        authenticators=tuple(_listed(one) for one in owner.active),
        recovery_codes_left=0 if latest is None else latest.left,
        recovery_codes_issued_at=None if latest is None else latest.issued_at,
    )
    return (told,)


def _listed(one: Authenticator) -> ListedAuthenticator:
    return ListedAuthenticator(
        authenticator_id=one.id,
        name=one.name,
        created_at=one.confirmed_at or one.created_at,
        last_used_at=one.last_used_at,
    )


def _free_name(owner: Owner) -> str:
    taken = {_compared(one.name) for one in owner.active}
    names = (NAME, *(f"{NAME} {number}" for number in range(2, MOST_AUTHENTICATORS + 1)))
    return next(name for name in names if _compared(name) not in taken)


def _compared(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
