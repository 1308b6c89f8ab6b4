"""Passwords: hashed with argon2id (RFC 9106), verified also against hashes that other systems made."""

import base64
import binascii
import re
import secrets
import unicodedata
from dataclasses import dataclass

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from shared.crypto import imported_hashes

LONGEST_PASSWORD = 1024  # characters; a longer one is simply wrong: nobody shall make us normalise megabytes

# An imported hash says itself what it costs to verify; see imported_hashes.
MOST_MEMORY = 256 * 1024  # KiB
MOST_WORK = 1024 * 1024  # KiB written in all passes together: a second or two
MOST_LANES = 16

_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,3}),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})",
    re.ASCII,
)


@dataclass(frozen=True)
class Parameters:
    """What a hash costs; the defaults are the OWASP setting for argon2id."""

    memory: int = 19 * 1024  # KiB
    passes: int = 2
    lanes: int = 1


OWASP = Parameters()
CHEAP = Parameters(memory=64, passes=1)
"""Protects nobody: for measuring what a login costs besides its hash."""


class Passwords:
    """Hashes and verifies passwords; every call blocks for as long as a hash takes, with the GIL released."""

    def __init__(self, parameters: Parameters = OWASP) -> None:
        """Take what a new hash shall cost."""
        self._hasher = argon2.PasswordHasher(
            time_cost=parameters.passes, memory_cost=parameters.memory, parallelism=parameters.lanes
        )
        self._nobody = self.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """Hash a password in its NFC form; raises ValueError, without it, above 1024 characters."""
        if len(password) > LONGEST_PASSWORD:
            raise ValueError(f"a password has at most {LONGEST_PASSWORD} characters")
        return self._hasher.hash(_encoded(unicodedata.normalize("NFC", password)))

    def verify(self, hashed: str, password: str) -> bool:
        """Tell whether the password is the one that was hashed; a hash that is not supported fits none.

        Keyboards write the same letter in several ways, so the NFC form is what counts (NIST SP 800-63B-4 section
        3.1.1.2, RFC 8265). Others hashed what was typed, as it was typed: where the two differ, that is tried too.
        """
        if len(password) > LONGEST_PASSWORD:
            return False
        forms = dict.fromkeys(_encoded(form) for form in (unicodedata.normalize("NFC", password), password))
        # Every form is always tried, so that only what was typed decides how long a wrong password takes.
        fits = [self._fits(hashed, form) for form in forms]
        return any(fits)

    def verify_nobody(self, password: str) -> bool:
        """Take as long as a wrong password of a real user, and say no: for usernames that do not exist."""
        self.verify(self._nobody, password)
        return False

    def needs_rehash(self, hashed: str) -> bool:
        """Tell whether to hash anew at the next login: it is of another kind, or its cost is not what is set.

        Costing more counts too: while one user's hash takes longer than that of nobody, time tells that the
        username exists.
        """
        return not _is_argon2id(hashed) or self._hasher.check_needs_rehash(hashed)

    def _fits(self, hashed: str, password: bytes) -> bool:
        if _is_argon2id(hashed):
            try:
                return self._hasher.verify(hashed, password)
            except (VerificationError, InvalidHashError):
                return False
        imported = imported_hashes.parsed(hashed)
        return imported is not None and imported.fits(password)


def is_supported(hashed: str) -> bool:
    """Tell whether a hash is one that can be verified: well-formed, of a known kind, at a bearable cost.

    Known are `$argon2id$`, bcrypt (`$2a$`, `$2b$`, `$2y$`), and PBKDF2 as written by Django (`pbkdf2_sha1$`,
    `pbkdf2_sha256$`, `pbkdf2_sha512$`) and by passlib (`$pbkdf2-sha256$`, `$pbkdf2-sha512$`).
    """
    return _is_argon2id(hashed) or imported_hashes.parsed(hashed) is not None


def _is_argon2id(hashed: str) -> bool:
    match = _ARGON2ID.fullmatch(hashed)
    if match is None:
        return False
    memory, passes, lanes = int(match[1]), int(match[2]), int(match[3])
    bearable = memory <= MOST_MEMORY and memory * passes <= MOST_WORK and lanes <= MOST_LANES
    return bearable and memory >= 8 * lanes and all(_is_base64(part) for part in match.groups()[3:])


def _is_base64(text: str) -> bool:
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.b64encode(content).decode("ascii").rstrip("=") == text


def _encoded(password: str) -> bytes:
    # A lone surrogate has no UTF-8: it becomes some bytes rather than an error that carries the password.
    return password.encode("utf-8", "surrogatepass")
