"""Authenticators that users bring along, as a directory names them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.enrollment.domain.owner import Account, Occasion, Owner, State
from services.enrollment.domain.vault import Vault
from shared.contracts.enrollment import AuthenticatorsImported, Bound, ImportAuthenticators, ImportedAuthenticator
from shared.contracts.refusals import ImportRejected, Problem
from shared.crypto import otp
from shared.crypto.sealing import Opener


@dataclass(frozen=True)
class Brought:
    """An authenticator that a user brings along."""

    entry: ImportedAuthenticator
    secret: bytes


def opened(command: ImportAuthenticators, opener: Opener) -> tuple[Brought, ...]:
    """Open what a directory brings. Raises `ImportRejected`, which names the users and never a value."""
    brought, problems = [], []
    for entry in command.authenticators:
        text = opener.open(entry.secret, field="secret", flow=command.flow_id)
        try:
            brought.append(Brought(entry, otp.from_base32(text)))
        except ValueError as error:
            problems.append(Problem(entry=entry.username, text=f"totp_secret: {error}"))
    if problems:
        raise ImportRejected("Not every authenticator can be taken.", tuple(problems))
    return tuple(brought)


def take(owner: Owner, brought: Brought, occasion: Occasion, vault: Vault) -> Owner:
    """Make what a user brings his active authenticator, in place of one that is pending.

    Who has an active one keeps it, be it the same or another, and nothing changes: what he signs in with every day is
    not replaced by what a file says, which may be older. Nobody is there to be shown recovery codes, so there are none.
    """
    if owner.active:
        return owner
    account = Account(brought.entry.issuer, brought.entry.username)
    authenticator = vault.authenticator(owner, account, brought.secret, occasion.now)
    active = replace(authenticator, state=State.ACTIVE, confirmed_at=occasion.now, confirmed_by=occasion.flow)
    return replace(owner.given(active), account=account)


def imported(owners: Iterable[Owner], occasion: Occasion) -> AuthenticatorsImported:
    """Tell who has an authenticator now.

    How many came with this import is read from the owners, so that an import that is delivered twice gives the same
    answer.
    """
    taken = [owner for owner in owners if owner.active]
    return AuthenticatorsImported(
        occurred_at=occasion.now,
        flow_id=occasion.flow,
        owners=tuple(
            Bound(tenant_id=owner.tenant_id, user_id=owner.user_id, bindings=owner.bindings) for owner in taken
        ),
        added=sum(owner.confirmed_by(occasion.flow) is not None for owner in taken),
    )
