"""Recovery codes: ten secrets on paper, each good once in place of an authenticator app."""

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from argon2.low_level import Type, hash_secret_raw

CODES = 10
CODE_BYTES = 10  # 80 bits; NIST SP 800-63B section 4.2.1.1 asks for 64
SALT_BYTES = 16
LONGEST_TYPED = 64  # characters: a code is 19 with its dashes

_WELL_FORMED = re.compile(r"[A-Z2-7]{16}", re.ASCII)
_DASHES_AND_SPACES = re.compile(r"[\s\u00ad\u2010-\u2015\u2212-]+")
_LOOK_ALIKES = str.maketrans("018", "OIB")  # base32 has no 0, 1 and 8: whoever types one has misread a letter


@dataclass(frozen=True)
class HashedCode:
    """One recovery code as it is kept: its hash, and when it was used."""

    hash: bytes
    used_at: datetime | None = None


@dataclass(frozen=True)
class RecoveryCodes:
    """The set of recovery codes of one user; it holds hashes under one salt, never the codes."""

    salt: bytes
    hashes: tuple[HashedCode, ...]

    @property
    def left(self) -> int:
        """Count the codes that are still good."""
        return sum(code.used_at is None for code in self.hashes)

    def position_of(self, typed: str) -> int | None:
        """Find the unused code that was typed: one hash, compared with every entry in constant time."""
        code = normalised(typed)
        if _WELL_FORMED.fullmatch(code) is None:
            return None
        hashed = _hash(code, self.salt)
        # Used entries are compared too: how long it takes must not tell a used code from a wrong one.
        same = [hmac.compare_digest(entry.hash, hashed) for entry in self.hashes]
        unused = (at for at, entry in enumerate(self.hashes) if same[at] and entry.used_at is None)
        return next(unused, None)

    def used(self, position: int, now: datetime) -> "RecoveryCodes":
        """Mark one code as used; raises ValueError if it already was."""
        entry = self.hashes[position]
        if entry.used_at is not None:
            raise ValueError("a recovery code is good only once")
        before, after = self.hashes[:position], self.hashes[position + 1 :]
        return replace(self, hashes=(*before, replace(entry, used_at=now), *after))


def new_recovery_codes() -> tuple[tuple[str, ...], RecoveryCodes]:
    """Make ten codes of 80 random bits: as shown to the user once, and as kept."""
    salt = secrets.token_bytes(SALT_BYTES)
    codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode("ascii") for _ in range(CODES)]
    shown = tuple("-".join(re.findall("....", code)) for code in codes)
    return shown, RecoveryCodes(salt, tuple(HashedCode(_hash(code, salt)) for code in codes))


def normalised(typed: str) -> str:
    """Read a code as people type it: any case, spaces and dashes anywhere, 0 for O, 1 for I, 8 for B."""
    if len(typed) > LONGEST_TYPED:
        return ""
    return _DASHES_AND_SPACES.sub("", typed).upper().translate(_LOOK_ALIKES)


def _hash(code: str, salt: bytes) -> bytes:
    # 80 random bits cannot be guessed whatever a hash costs. The small cost satisfies the rule that secrets
    # under 112 bits get a salted password hash (NIST SP 800-63B 3.1.2.2) while ten of them are hashed as a
    # person waits.
    return hash_secret_raw(
        code.encode("ascii"), salt, time_cost=1, memory_cost=1024, parallelism=1, hash_len=32, type=Type.ID
    )
