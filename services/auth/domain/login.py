"""Whether a password opens the door."""

from dataclasses import dataclass
from datetime import datetime

from services.auth.domain.user import User
from shared.contracts.auth import LoginFailed, LoginSucceeded
from shared.contracts.vocabulary import FlowId, LoginFailure
from shared.crypto.passwords import Passwords


@dataclass(frozen=True, slots=True)
class Check:
    """What hashing a typed password told."""

    matches: bool
    rehashed: str | None = None
    """The same password hashed as hashes are made now, where the stored hash is of another kind or cost."""


def check(user: User | None, password: str, passwords: Passwords, *, is_locked: bool = False) -> Check:
    """Hash what was typed; blocks for as long as that takes.

    For nobody, and for a user who may not enter, the hash is that of nobody: all of them take the same time. The cost
    of a disabled user's own hash would tell that he exists, and a rehash that his password was right.
    """
    if user is None or user.disabled or is_locked:
        return Check(passwords.verify_nobody(password))
    matches = passwords.verify(user.password_hash, password)
    rehashed = passwords.hash(password) if matches and passwords.needs_rehash(user.password_hash) else None
    return Check(matches, rehashed)


def judge(
    user: User | None, checked: Check, flow_id: FlowId, now: datetime, *, is_locked: bool = False
) -> LoginSucceeded | LoginFailed:
    """Say whether the login succeeds."""
    if user is None:
        return LoginFailed(occurred_at=now, flow_id=flow_id, reason=LoginFailure.UNKNOWN_USER)
    if user.disabled or is_locked or not checked.matches:
        reason = LoginFailure.LOCKED if is_locked else LoginFailure.WRONG_PASSWORD
        reason = LoginFailure.DISABLED if user.disabled else reason
        return LoginFailed(
            occurred_at=now, flow_id=flow_id, tenant_id=user.tenant_id, user_id=user.user_id, reason=reason
        )
    return LoginSucceeded(
        occurred_at=now,
        flow_id=flow_id,
        tenant_id=user.tenant_id,
        user_id=user.user_id,
        username=user.username,
        display_name=user.display_name,
    )
