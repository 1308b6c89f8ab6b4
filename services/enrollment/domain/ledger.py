"""How often codes of a user have failed, and when the next may be judged: one ledger for each kind of proof."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.contracts.attempts import LOCKED_AFTER, MOST_IN_A_DAY, Proof, free_again
from shared.contracts.message import MessageId


@dataclass(frozen=True)
class Failure:
    """A code that was judged and found wrong."""

    at: datetime
    attempt: MessageId | None
    """The command that brought it: delivered again it is the same failure."""


@dataclass(frozen=True)
class Ledger:
    """The failures at one kind of proof since the last success."""

    in_a_row: int = 0
    latest: tuple[Failure, ...] = ()
    """The newest last, as many as the rule of the day looks at."""

    @property
    def is_locked(self) -> bool:
        """Whether waiting helps no more."""
        return self.in_a_row >= LOCKED_AFTER

    @property
    def free_again(self) -> datetime | None:
        """When the next code may be judged; none where it may be at any time."""
        return free_again(self.in_a_row, [failure.at for failure in self.latest])

    def holds(self, attempt: MessageId | None) -> bool:
        """Whether this attempt has been counted."""
        return attempt is not None and any(failure.attempt == attempt for failure in self.latest)

    def failed(self, attempt: MessageId | None, now: datetime) -> "Ledger":
        """The ledger with one failure more."""
        return Ledger(self.in_a_row + 1, (*self.latest, Failure(now, attempt))[-MOST_IN_A_DAY:])


@dataclass(frozen=True)
class Attempts:
    """A ledger for each kind of proof: who guesses at the one does not keep the user from the other."""

    totp: Ledger = Ledger()
    recovery_code: Ledger = Ledger()

    def of(self, proof: Proof) -> Ledger:
        """The ledger of this kind."""
        return self.recovery_code if proof is Proof.RECOVERY_CODE else self.totp

    def noted(self, proof: Proof, ledger: Ledger) -> "Attempts":
        """The same with this ledger as it is now."""
        return replace(self, **{proof.value: ledger})
