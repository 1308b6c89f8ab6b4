"""The ledger of attempts at one username: an attempt is entered before its password is judged, and settled after.

Judging takes some 20 ms, and others may begin meanwhile. What is under way counts as if it had failed, so two hundred
guesses at once are five. A username that nobody has gets a ledger like any other: what must wait does not tell who
exists.
"""

import hashlib
import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

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
from shared.contracts.auth import LoginFailed, LoginSucceeded, username_key
from shared.contracts.message import Event, MessageId
from shared.contracts.refusals import TooManyAttempts
from shared.contracts.vocabulary import FlowId

REMEMBERED = timedelta(days=30)
"""After so long without a failure the failures are forgotten; a lock is not."""
UNDER_WAY = timedelta(seconds=60)
"""An attempt that was not settled by then has failed: its process died, and nobody waits for its answer any more."""


class Busy(Exception):  # noqa: N818 - says what is the matter
    """Whether this attempt may be made depends on one that is under way."""


@dataclass(frozen=True)
class Attempt:
    """A password that was typed: which command brought it, and when it was entered or found wrong."""

    id: MessageId
    at: datetime


@dataclass(frozen=True)
class Ledger:
    """The failures since the last success, and what is under way."""

    in_a_row: int = 0
    latest: tuple[Attempt, ...] = ()
    """Failures, the newest last, as many as the rule of the day looks at."""
    under_way: tuple[Attempt, ...] = ()
    is_locked: bool = False
    """Whether no password is right any more, until an administrator says otherwise."""
    revision: int = 0

    def holds(self, attempt: MessageId) -> bool:
        """Whether this attempt is known: it was delivered before."""
        return any(one.id == attempt for one in (*self.latest, *self.under_way))

    def free_again(self, *, if_all_fail: bool) -> datetime | None:
        """When the next attempt may be judged, with or without counting what is under way."""
        assumed = self.under_way if if_all_fail else ()
        return free_again(self.in_a_row + len(assumed), [one.at for one in (*self.latest, *assumed)])

    def failed(self, *attempts: Attempt) -> "Ledger":
        """The ledger with these failures more."""
        failed = {one.id for one in attempts}
        in_order = sorted((*self.latest, *attempts), key=lambda one: one.at)
        return replace(
            self,
            in_a_row=self.in_a_row + len(attempts),
            latest=tuple(in_order[-MOST_IN_A_DAY:]),
            under_way=tuple(one for one in self.under_way if one.id not in failed),
        )

    def at(self, now: datetime) -> "Ledger":
        """The ledger as it stands by now: what is old is forgotten, and what was given up has failed."""
        given_up = [one for one in self.under_way if now >= one.at + UNDER_WAY]
        ledger = self.failed(*given_up)
        if ledger.latest and now >= ledger.latest[-1].at + REMEMBERED:
            return replace(ledger, in_a_row=0, latest=())
        return ledger

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


def enter(ledger: Ledger, attempt: MessageId, now: datetime) -> Ledger:
    """Enter an attempt before it is judged; one that is delivered again is entered already.

    Raises `TooManyAttempts` while a wait is on, `Busy` where one would be if what is under way fails.
    """
    ledger = ledger.at(now)
    if ledger.holds(attempt):
        return ledger
    until = ledger.free_again(if_all_fail=False)
    if until is not None and until > now:
        raise TooManyAttempts(math.ceil((until - now) / timedelta(seconds=1)))
    until = ledger.free_again(if_all_fail=True)
    if until is not None and until > now:
        raise Busy
    return replace(ledger, under_way=(*ledger.under_way, Attempt(attempt, now)))


def settle(
    ledger: Ledger, attempt: MessageId, user: User | None, verdict: LoginSucceeded | LoginFailed
) -> tuple[Ledger, tuple[Event, ...]]:
    """Say what came of an attempt: a success forgets the failures, a failure counts once."""
    now = verdict.occurred_at
    if isinstance(verdict, LoginSucceeded):
        others = tuple(one for one in ledger.under_way if one.id != attempt)
        return Ledger(under_way=others, revision=ledger.revision), ()
    if any(one.id == attempt for one in ledger.latest):
        return ledger, ()
    ledger = ledger.failed(Attempt(attempt, now))
    told = {"occurred_at": now, "flow_id": verdict.flow_id, "proof": Proof.PASSWORD, "in_a_row": ledger.in_a_row}
    whose = {"tenant_id": verdict.tenant_id, "user_id": verdict.user_id}
    if user is not None and not ledger.is_locked and ledger.in_a_row >= LOCKED_AFTER:
        return replace(ledger, is_locked=True), (UserLocked(**told, **whose), *_throttled(ledger, told | whose))
    return ledger, tuple(_throttled(ledger, told | whose))


def unlock(ledger: Ledger, user: User, flow_id: FlowId, now: datetime) -> tuple[Ledger, tuple[Event, ...]]:
    """Forget all failures, by order of an administrator."""
    told = UserUnlocked(
        occurred_at=now, flow_id=flow_id, tenant_id=user.tenant_id, user_id=user.user_id, proofs=(Proof.PASSWORD,)
    )
    return Ledger(revision=ledger.revision), (told,)


def _throttled(ledger: Ledger, told: dict[str, Any]) -> Sequence[AttemptsThrottled]:
    until = ledger.free_again(if_all_fail=False)
    return () if until is None or until <= told["occurred_at"] else (AttemptsThrottled(**told, until=until),)
