"""How bytes are written as text, and how several names become one unambiguous byte string."""

import base64
import binascii
from collections.abc import Sequence


def to_base64url(content: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Read base64url without padding, accepting exactly what `to_base64url` writes.

    The standard library skips foreign characters and ignores stray trailing bits, so that many texts would
    read as the same bytes and a changed text could pass for the unchanged one. Raises ValueError, without the
    text.
    """
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64url") from None
    if to_base64url(content) != text:
        raise ValueError("this is not base64url in its one canonical form")
    return content


def joined(parts: Sequence[str]) -> bytes:
    """Join names so that no two different sequences give the same bytes: each is preceded by its length.

    With a separator, ("ab", "c") and ("a", "bc") could be made to look alike by a name that holds the
    separator. Names are ids and fixed words, never secrets.
    """
    encoded = [part.encode("utf-8") for part in parts]
    return len(encoded).to_bytes(4, "big") + b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
