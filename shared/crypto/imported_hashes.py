"""Password hashes that other systems made: bcrypt, and PBKDF2 as Django and passlib write it."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Protocol

import bcrypt

# A hash says itself what it costs to verify. Without a bound, one imported line would let anybody who knows
# the username keep a processor busy for hours. Each bound is a second or two.
HIGHEST_BCRYPT_COST = 14
MOST_PBKDF2_ITERATIONS = 3_000_000

LOWEST_BCRYPT_COST = 4  # the algorithm has no lower one

_BCRYPT_READS = 72  # bytes

# A salt of 16 bytes leaves two bits of its last letter in use, a digest of 23 bytes four: other letters verify never.
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]", re.ASCII)
_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([1-9]\d{0,6})\$([^$]{1,128})\$([A-Za-z0-9+/=]+)", re.ASCII)
_PASSLIB = re.compile(r"\$pbkdf2-(sha256|sha512)\$([1-9]\d{0,6})\$([A-Za-z0-9./]+)\$([A-Za-z0-9./]+)", re.ASCII)


class ImportedHash(Protocol):
    """A hash that was understood, and whose cost is within bounds."""

    def fits(self, password: bytes) -> bool:
        """Tell whether the password is the one that was hashed."""


@dataclass(frozen=True)
class Bcrypt:
    """A bcrypt hash, of any of the prefixes that mean the correct algorithm."""

    text: str

    def fits(self, password: bytes) -> bool:
        """Compare as bcrypt always did, which reads 72 bytes and no more."""
        return bcrypt.checkpw(password[:_BCRYPT_READS], self.text.encode("ascii"))


@dataclass(frozen=True)
class Pbkdf2:
    """A PBKDF2 hash (RFC 8018 section 5.2), however it was written."""

    algorithm: str
    iterations: int
    salt: bytes
    digest: bytes

    def fits(self, password: bytes) -> bool:
        """Derive the key again and compare."""
        derived = hashlib.pbkdf2_hmac(self.algorithm, password, self.salt, self.iterations)
        return hmac.compare_digest(derived, self.digest)


def parsed(text: str) -> ImportedHash | None:
    """Understand a hash; None for what is malformed, of another kind, or absurdly costly."""
    if match := _BCRYPT.fullmatch(text):
        return Bcrypt(text) if LOWEST_BCRYPT_COST <= int(match[1]) <= HIGHEST_BCRYPT_COST else None
    try:
        if match := _DJANGO.fullmatch(text):
            return _bounded(
                match[1], int(match[2]), match[3].encode("utf-8"), base64.b64decode(match[4], validate=True)
            )
        if match := _PASSLIB.fullmatch(text):
            return _bounded(match[1], int(match[2]), _adapted_base64(match[3]), _adapted_base64(match[4]))
    except (binascii.Error, ValueError):
        return None
    return None


def _bounded(algorithm: str, iterations: int, salt: bytes, digest: bytes) -> Pbkdf2 | None:
    # A digest that was cut short would be found by guessing sooner than the password.
    if len(digest) != hashlib.new(algorithm).digest_size or iterations > MOST_PBKDF2_ITERATIONS:
        return None
    return Pbkdf2(algorithm, iterations, salt, digest)


def _adapted_base64(text: str) -> bytes:
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
