"""The recovery codes of a user: which was used, and by which login."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.contracts.vocabulary import FlowId
from shared.crypto.recovery_codes import RecoveryCodes


@dataclass(frozen=True)
class RecoverySet:
    """The codes that were shown together, once."""

    codes: RecoveryCodes
    issued_at: datetime
    used_by: tuple[FlowId | None, ...]
    """For each code the login that used it."""
    issued_for: str | None = None
    """The request or the added authenticator that it was made for: asked again, it is not in the way of another."""
    allowed_at: datetime | None = None
    """When it was allowed to take the place of all earlier ones, where it was: a word from before that is no news."""

    @classmethod
    def issued(
        cls, codes: RecoveryCodes, now: datetime, issued_for: str | None = None, allowed_at: datetime | None = None
    ) -> "RecoverySet":
        """A set of which nothing is used yet."""
        return cls(codes, now, (None,) * len(codes.hashes), issued_for, allowed_at)

    @property
    def left(self) -> int:
        """How many codes are still good."""
        return self.codes.left

    def position_of(self, typed: str) -> int | None:
        """Which code was typed, used or not: one hash, compared with all in constant time."""
        as_issued = tuple(replace(entry, used_at=None) for entry in self.codes.hashes)
        return replace(self.codes, hashes=as_issued).position_of(typed)

    def used(self, position: int, flow: FlowId, now: datetime) -> "RecoverySet":
        """The same set with this code used up by this login. Raises ValueError where it was used before."""
        before, after = self.used_by[:position], self.used_by[position + 1 :]
        return replace(self, codes=self.codes.used(position, now), used_by=(*before, flow, *after))
