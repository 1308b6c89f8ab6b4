"""A user and the authenticators that are bound to him: the one document that every decision reads and writes."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.enrollment.domain.ledger import Attempts
from services.enrollment.domain.recovery import RecoverySet
from shared.contracts.message import Event, MessageId
from shared.contracts.vocabulary import AuthenticatorId, FlowId, TenantId, UserId
from shared.crypto.keyring import Encrypted

NAME = "Authenticator app"
"""What an authenticator is called until its user calls it something else."""


class State(StrEnum):
    """How far the binding of an authenticator has come."""

    PENDING = "pending"
    """Shown to its user, who has not proved yet that his app has it."""
    ACTIVE = "active"


@dataclass(frozen=True)
class Account:
    """The names under which an app files its entry: the tenant's display name above, the username beside the code."""

    issuer: str
    username: str


@dataclass(frozen=True)
class Authenticator:
    """An authenticator app, or one on its way to become so."""

    id: AuthenticatorId
    secret: Encrypted
    account: Account
    """The names as they were at the start: a reload shows the same QR code, whatever the tenant is called meanwhile."""
    created_at: datetime
    name: str = NAME
    state: State = State.PENDING
    started_by: FlowId | None = None
    """The login of the session in which it is being added; none where a login itself asks for it."""
    expires_at: datetime | None = None
    """Until when a pending one may be confirmed."""
    confirmed_at: datetime | None = None
    confirmed_by: FlowId | None = None
    """The login, or the import, that made it active."""
    last_step: int = -1
    """The time step of the last code that was accepted: nothing up to it is accepted again (RFC 6238 section 5.2)."""
    last_flow: FlowId | None = None
    """The login that used that step: when its message comes again, it is no replay."""
    last_used_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it waited too long for its first code."""
        return self.expires_at is not None and now >= self.expires_at

    def used(self, step: int, occasion: "Occasion") -> "Authenticator":
        """The same after a code of this step was accepted; shown again by the login that used it, nothing changes."""
        if (step, occasion.flow) == (self.last_step, self.last_flow):
            return self
        return replace(self, last_step=step, last_flow=occasion.flow, last_used_at=occasion.now)


@dataclass(frozen=True)
class Owner:
    """A user, as enrollment knows him. At most one authenticator is not active: a second would make two QR codes."""

    tenant_id: TenantId
    user_id: UserId
    account: Account | None = None
    """The names for the next authenticator; none where no one has ever asked for one."""
    authenticators: tuple[Authenticator, ...] = ()
    recovery: tuple[RecoverySet, ...] = ()
    """More than one set only where the answer to a confirmation may have been lost."""
    attempts: Attempts = field(default=Attempts())
    """How often his codes have failed."""
    bindings: int = 0
    """How often his active authenticators have changed: it tells others which word of them is the latest."""
    last_removed: AuthenticatorId | None = None
    """What was taken away last: told again to take it away, the answer is the same."""
    revision: int = 0

    @property
    def active(self) -> tuple[Authenticator, ...]:
        """The authenticators whose codes are good at a login."""
        return tuple(one for one in self.authenticators if one.state is State.ACTIVE)

    @property
    def pending(self) -> Authenticator | None:
        """The authenticator that waits for its first code, or waited too long."""
        return next((one for one in self.authenticators if one.state is State.PENDING), None)

    def confirmed_by(self, flow: FlowId) -> Authenticator | None:
        """The authenticator that was made active in this login."""
        return next((one for one in self.active if one.confirmed_by == flow), None)

    def active_one(self, authenticator_id: AuthenticatorId) -> Authenticator | None:
        """The active authenticator with this id."""
        return next((one for one in self.active if one.id == authenticator_id), None)

    def changed(self, authenticator: Authenticator) -> "Owner":
        """The same owner with this authenticator as it is now."""
        return self._having(authenticator if one.id == authenticator.id else one for one in self.authenticators)

    def given(self, authenticator: Authenticator) -> "Owner":
        """The same owner with a new authenticator, in place of any that was pending: its secret is forgotten."""
        return self._having((*self.active, authenticator))

    def without(self, authenticator_id: AuthenticatorId) -> "Owner":
        """The same owner without this authenticator: its secret is forgotten."""
        left = self._having(one for one in self.authenticators if one.id != authenticator_id)
        return replace(left, last_removed=authenticator_id)

    def _having(self, authenticators: Iterable[Authenticator]) -> "Owner":
        after = replace(self, authenticators=tuple(authenticators))
        is_bound_anew = {one.id for one in after.active} != {one.id for one in self.active}
        return replace(after, bindings=self.bindings + is_bound_anew)


@dataclass(frozen=True)
class Occasion:
    """Which login asks, and when."""

    flow: FlowId
    now: datetime
    attempt: MessageId | None = None
    """The command that brings a code: delivered again it fails once. None where no code is judged."""

    def of(self, owner: Owner) -> dict[str, Any]:
        """What every event says that tells of an owner on this occasion."""
        return {
            "occurred_at": self.now,
            "flow_id": self.flow,
            "tenant_id": owner.tenant_id,
            "user_id": owner.user_id,
        }


Decision = tuple[Owner, tuple[Event, ...]]
"""What becomes of an owner, and what is told of it."""
