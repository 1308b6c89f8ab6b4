"""Guessing: how much of it is allowed, for each user and kind of proof, and what is told of it.

The numbers are one rule for passwords and codes alike; what they add up to stands in docs/architecture.md.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, StringConstraints

from shared.contracts.message import Command, Event, InFlow, OfUser
from shared.contracts.vocabulary import OPERATOR, Service, TenantId, UserId

FREE = 5
"""Failures in a row until the first wait."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 30, 60))
"""After the last free failure, and after each further one; the last wait stays."""
DAY = timedelta(hours=24)
MOST_IN_A_DAY = 20
"""Failures in any 24 hours: with the last of them nothing is judged until the first of them is a day old."""
LOCKED_AFTER = 100
"""Failures in a row until waiting helps no more (NIST SP 800-63B, section 3.2.2)."""


def free_again(in_a_row: int, latest: Sequence[datetime]) -> datetime | None:
    """When the next attempt may be judged, after so many failures in a row; none where it may be at any time.

    `latest` are the times of the latest failures, the newest last: `MOST_IN_A_DAY` of them are enough.
    """
    waits = []
    if in_a_row >= FREE and latest:
        waits.append(latest[-1] + WAITS[min(in_a_row - FREE, len(WAITS) - 1)])
    if len(latest) >= MOST_IN_A_DAY:
        waits.append(latest[-MOST_IN_A_DAY] + DAY)
    return max(waits, default=None)


class Proof(StrEnum):
    """What is guessed at. Failures at one kind say nothing of another."""

    PASSWORD = "password"  # noqa: S105 - a kind of proof
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"


class AttemptsThrottled(InFlow, Event):
    """So many attempts failed that the next one must wait. The user is named only where he exists."""

    topic = "attempts.throttled.v1"
    by = frozenset({Service.AUTH, Service.ENROLLMENT})
    kept = True

    tenant_id: TenantId | None = None
    user_id: UserId | None = None
    proof: Proof
    in_a_row: int
    until: AwareDatetime

    @property
    def subject(self) -> str:
        """The kind of proof."""
        return self.proof


class UserLocked(InFlow, OfUser, Event):
    """So many attempts failed in a row that this kind of proof is taken from nobody any more."""

    topic = "user.locked.v1"
    by = frozenset({Service.AUTH, Service.ENROLLMENT})
    kept = True

    proof: Proof
    in_a_row: int

    @property
    def subject(self) -> str:
        """The kind of proof."""
        return self.proof


class CodesUnlocked(InFlow, OfUser, Event):
    """A recovery code has opened the lock on the codes of the app."""

    topic = "codes.unlocked.v1"
    by = frozenset({Service.ENROLLMENT})
    kept = True


class UserUnlocked(InFlow, OfUser, Event):
    """An administrator has all failures at these kinds of proof forgotten."""

    topic = "user.unlocked.v1"
    by = frozenset({Service.AUTH, Service.ENROLLMENT})
    answer = True
    kept = True

    proofs: tuple[Proof, ...]

    @property
    def subject(self) -> str:
        """The kinds of proof."""
        return ",".join(self.proofs)


class UnlockPassword(InFlow, Command):
    """Take passwords from this user again, by order of an administrator."""

    topic = "unlock-password.v1"
    to = Service.AUTH
    by = frozenset({OPERATOR})
    sets = True

    username: Annotated[str, StringConstraints(max_length=256)]


class UnlockCodes(InFlow, OfUser, Command):
    """Take codes from this user again, of either kind, by order of an administrator."""

    topic = "unlock-codes.v1"
    to = Service.ENROLLMENT
    by = frozenset({OPERATOR})
    sets = True
