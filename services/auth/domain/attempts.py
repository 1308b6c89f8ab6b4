"""The ledger of failures at one username: asked before a password is hashed, and again when something is told of it.

Hashing takes some 20 ms, and others may fail meanwhile. A password that was hashed and may not be judged any more is
not judged, right or wrong: so two hundred guesses at once are five. A username that nobody has gets a ledger like any
other: what must wait does not tell who exists.
"""

import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from services.auth.domain.login import Check, judge
from services.auth.domain.user import User
from shared.contracts.attempts import (
    LOCKED_AFTER,
    MOST_IN_A_DAY,
    AttemptsThrottled,
    Proof,
    UserLocked,
    UserUnlocked,
    free_again,
)
from shared.contracts.auth import LoginSucceeded, VerifyPassword, username_key
from shared.contracts.message import Event, MessageId
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import FlowId

REMEMBERED = timedelta(days=30)
"""After so long without a failure the failures are forgotten; a lock is not."""


@dataclass(frozen=True)
class Attempt:
    """A password that was typed: which command brought it, and when it was found wrong."""

    id: MessageId
    at: datetime


@dataclass(frozen=True)
class Ledger:
    """The failures since the last success."""

    in_a_row: int = 0
    latest: tuple[Attempt, ...] = ()
    """Failures, the newest last, as many as the rule of the day looks at."""
    is_locked: bool = False
    """Whether no password is right any more, until an administrator says otherwise."""
    revision: int = 0

    @property
    def free_again(self) -> datetime | None:
        """When the next attempt may be judged; nothing where it may be at any time."""
        return free_again(self.in_a_row, [one.at for one in self.latest])

    def holds(self, attempt: MessageId) -> bool:
        """Whether this attempt was counted: it was delivered before."""
        return any(one.id == attempt for one in self.latest)

    def failed(self, attempt: Attempt) -> "Ledger":
        """The ledger with this failure more."""
        latest = sorted((*self.latest, attempt), key=lambda one: one.at)
        return replace(self, in_a_row=self.in_a_row + 1, latest=tuple(latest[-MOST_IN_A_DAY:]))

    def at(self, now: datetime) -> "Ledger":
        """The ledger as it stands by now: what is old is forgotten."""
        if self.latest and now >= self.latest[-1].at + REMEMBERED:
            return replace(self, in_a_row=0, latest=())
        return self

    def expires_at(self, now: datetime) -> datetime | None:
        """From when on nobody misses it, if it is written now and not again."""
        return None if self.is_locked else now + REMEMBERED


def ledger_name(user: User | None, username: str, key: bytes) -> str:
    """Under which name the ledger is kept.

    For a username that nobody has, a keyed hash: some type their password there, and it shall not stand in a database.
    """
    if user is not None:
        return user.user_id
    return hmac.digest(key, username_key(username).encode("utf-8", "surrogatepass"), hashlib.sha256).hex()


def ledger_key(secret: str) -> bytes:
    """The key of those hashes, made from a secret of this service; with another secret those ledgers begin anew."""
    return hmac.digest(secret.encode(), b"wardgate: the names of ledgers", hashlib.sha256)


def admit(ledger: Ledger, attempt: MessageId, now: datetime) -> Ledger:
    """The ledger by which an attempt is judged now.

    One that was counted and is delivered again gets its answer. Raises `TooManyAttempts` while a wait is on.
    """
    ledger = ledger.at(now)
    until = None if ledger.holds(attempt) else ledger.free_again
    if until is not None and until > now:
        raise TooManyAttempts(math.ceil((until - now) / timedelta(seconds=1)))
    return ledger


def settle(
    ledger: Ledger, command: VerifyPassword, user: User | None, checked: Check, now: datetime
) -> tuple[Ledger, tuple[Event, ...]]:
    """Judge a password that was hashed, if it may be judged by now: a success forgets the failures, a failure counts.

    Raises `TooManyAttempts` where others have failed meanwhile, and nobody hears what came of it.
    """
    ledger = admit(ledger, command.id, now)
    verdict = judge(user, checked, command.flow_id, now, is_locked=ledger.is_locked)
    if isinstance(verdict, LoginSucceeded):
        return Ledger(revision=ledger.revision), (verdict,)
    if ledger.holds(command.id):
        return ledger, (verdict,)
    ledger = ledger.failed(Attempt(command.id, now))
    told = {"occurred_at": now, "flow_id": verdict.flow_id, "proof": Proof.PASSWORD, "in_a_row": ledger.in_a_row}
    whose = {"tenant_id": verdict.tenant_id, "user_id": verdict.user_id}
    events = (verdict, *_throttled(ledger, told | whose))
    if user is not None and not ledger.is_locked and ledger.in_a_row >= LOCKED_AFTER:
        return replace(ledger, is_locked=True), (*events, UserLocked(**told, **whose))
    return ledger, events


def unlock(ledger: Ledger, user: User, flow_id: FlowId, now: datetime) -> tuple[Ledger, tuple[Event, ...]]:
    """Forget all failures, by order of an administrator."""
    told = UserUnlocked(
        occurred_at=now, flow_id=flow_id, tenant_id=user.tenant_id, user_id=user.user_id, proofs=(Proof.PASSWORD,)
    )
    return Ledger(revision=ledger.revision), (told,)


def _throttled(ledger: Ledger, told: dict[str, Any]) -> Sequence[AttemptsThrottled]:
    until = ledger.free_again
    return () if until is None or until <= told["occurred_at"] else (AttemptsThrottled(**told, until=until),)
