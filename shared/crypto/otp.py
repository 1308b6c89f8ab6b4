"""One-time passwords: HOTP (RFC 4226), TOTP (RFC 6238) and the URI by which apps learn a secret."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

import pyotp

Algorithm = Literal["SHA1", "SHA256", "SHA512"]

STEP = timedelta(seconds=30)
DIGITS = 6
SECRET_BYTES = 20  # the length of the HMAC's output, as RFC 4226 section 4 R6 recommends
SHORTEST_SECRET_BYTES = 16  # 128 bits, the least that RFC 4226 section 4 R6 allows
LONGEST_SECRET_BYTES = 128  # one block of SHA-512; HMAC only hashes longer keys down
LONGEST_NAME = 60  # three names of 60 emoji, percent-encoded, still fit a QR code of level M

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHES = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}


def new_secret() -> bytes:
    """Make a secret of 160 random bits (RFC 4226 section 4 R6)."""
    return secrets.token_bytes(SECRET_BYTES)


def to_base32(secret: bytes) -> str:
    """Write a secret the way authenticator apps read it: RFC 4648 base32 without padding."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def from_base32(text: str) -> bytes:
    """Read a secret from base32, forgiving lower case, spaces, dashes and padding.

    Raises ValueError, never with the value, for what is not base32 or not 16 to 128 bytes long.
    """
    letters = "".join(text.split()).replace("-", "").rstrip("=")
    try:
        # As bytes, which know ASCII case only: as text, a dotless i would become an I.
        secret = base64.b32decode(letters.encode("ascii").upper() + b"=" * (-len(letters) % 8))
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base32") from None
    if not SHORTEST_SECRET_BYTES <= len(secret) <= LONGEST_SECRET_BYTES:
        raise ValueError(f"a secret has {SHORTEST_SECRET_BYTES} to {LONGEST_SECRET_BYTES} bytes")
    return secret


def step_at(now: datetime) -> int:
    """Count the whole time steps since the Unix epoch (RFC 6238 section 4.2); `now` is aware."""
    if now.tzinfo is None:
        raise ValueError("a time without a time zone cannot be counted from the epoch")
    return (now - _EPOCH) // STEP


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: Algorithm = "SHA1") -> str:
    """Compute the code of one time step, leading zeros kept (RFC 4226 section 5.3, RFC 6238 section 4)."""
    return pyotp.HOTP(to_base32(secret), digits=digits, digest=_HASHES[algorithm]).at(step)


def normalised(code: str) -> str:
    """Take the white space out of a typed code: apps show "123 456", and people type what they see."""
    return "".join(code.split())


def matching_step(secret: bytes, code: str, now: datetime, *, window: int = 1) -> int | None:
    """Find the step whose code was typed, within `window` steps before and after now (RFC 6238 section 5.2).

    Where the same code belongs to several steps, the latest is returned: the caller remembers it as used and
    refuses every step up to it, and an earlier answer would leave the same code good for a second use at the
    later step. What is not six ASCII digits after `normalised` matches nothing.
    """
    current = step_at(now)
    return max(_matching(secret, code, range(current - window, current + window + 1)), default=None)


def clock_skew(
    secret: bytes, code: str, now: datetime, *, within: timedelta = timedelta(minutes=5)
) -> timedelta | None:
    """Tell how far the phone's clock is off, to the precision of a step; positive when the phone is ahead.

    For the hint at enrollment only, where whoever asks holds the secret anyway; at login it would widen the
    window. Of several explanations the smallest is given.
    """
    current, reach = step_at(now), within // STEP
    matches = _matching(secret, code, range(current - reach, current + reach + 1))
    return min((STEP * (step - current) for step in matches), key=abs, default=None)


def key_uri(secret: bytes, *, issuer: str, username: str) -> str:
    """Write the URI that a QR code carries into an authenticator app (Key URI Format).

    The format forbids a colon within issuer and account name, because it parts the two; it becomes the
    look-alike RATIO sign, so that two names which differ stay different: apps silently overwrite an entry of
    the same name. White space is collapsed; names over 60 characters are cut, with an ellipsis. Raises
    ValueError for an empty name.
    """
    issuer, username = (quote(_label(name), safe="") for name in (issuer, username))
    return (
        f"otpauth://totp/{issuer}:{username}?secret={to_base32(secret)}&issuer={issuer}"
        f"&algorithm=SHA1&digits={DIGITS}&period={STEP.seconds}"
    )


def _matching(secret: bytes, code: str, steps: range) -> list[int]:
    typed = normalised(code)
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdigit()):
        return []
    # No early way out: how long the answer takes must not tell which step was hit, or how nearly.
    return [step for step in steps if step >= 0 and hmac.compare_digest(code_at(secret, step), typed)]


def _label(name: str) -> str:
    label = " ".join(name.split()).replace(":", "\N{RATIO}")
    if not label:
        raise ValueError("an issuer and a username are needed: without them an app cannot name its entry")
    return label if len(label) <= LONGEST_NAME else label[: LONGEST_NAME - 1] + "…"
