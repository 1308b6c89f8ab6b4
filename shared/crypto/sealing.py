"""Sealing: a secret on its way to one service, unreadable to whoever watches the broker (HPKE, RFC 9180)."""

import hashlib
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared.crypto.encoding import from_base64url, joined, to_base64url

LONGEST_PLAINTEXT = 144 * 1024  # bytes: the QR code of the longest names takes 131 KiB as SVG
LONGEST_SEALED = 200 * 1024  # characters: the longest plaintext in base64, with some room
PADDED_TO = 64  # bytes

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PURPOSE = "wardgate sealing 1"


class SealBroken(ValueError):  # noqa: N818 - the word of the field says more than an "Error" at its end
    """What was sealed cannot be opened here; why is not told, since whoever sent it could learn from it."""

    def __init__(self) -> None:
        super().__init__("the sealed value cannot be opened")


def new_private_key() -> str:
    """Make a private key for one service: X25519, 32 bytes as base64url."""
    return to_base64url(X25519PrivateKey.generate().private_bytes_raw())


def public_key_of(private: str) -> str:
    """Derive the public key, for those who seal; raises ValueError for what is no private key."""
    return to_base64url(_private_key(private).public_key().public_bytes_raw())


class Sealer:
    """Seals secrets to the services whose public keys it holds, by the service's name."""

    def __init__(self, public_keys: Mapping[str, str]) -> None:
        """Take the public keys; raises ValueError, without the key, for a malformed one."""
        self._keys = {recipient: _public_key(public) for recipient, public in public_keys.items()}

    def seal(self, plaintext: str, *, recipient: str, field: str, flow: str) -> str:
        """Seal a secret so that it opens only as this field, in this flow, at this recipient.

        Text longer than `LONGEST_PLAINTEXT` is a ValueError and an unknown recipient a LookupError.
        """
        key = self._keys.get(recipient)
        if key is None:
            raise LookupError(f"no public key is known for {recipient}")
        content = plaintext.encode("utf-8", "surrogatepass")
        if len(content) > LONGEST_PLAINTEXT:
            raise ValueError("the text is too long to be sealed")
        sealed = _SUITE.encrypt(_padded(content), key, info=_info(recipient, field, flow))
        return f"{_key_id(key)}.{to_base64url(sealed)}"


class Opener:
    """Opens what was sealed to one service; it holds several private keys while they are being changed."""

    def __init__(self, recipient: str, private_keys: Sequence[str]) -> None:
        """Take the service's name and its keys; raises ValueError, without the key, for a malformed one."""
        self._recipient = recipient
        keys = [_private_key(private) for private in private_keys]
        self._keys = {_key_id(key.public_key()): key for key in keys}

    def open(self, sealed: str, *, field: str, flow: str) -> str:
        """Open what was sealed to this recipient, field and flow; anything else raises SealBroken."""
        if len(sealed) > LONGEST_SEALED:
            raise SealBroken
        key_id, _, content = sealed.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise SealBroken
        try:
            padded = _SUITE.decrypt(from_base64url(content), key, info=_info(self._recipient, field, flow))
            return _unpadded(padded).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise SealBroken from None


def _info(recipient: str, field: str, flow: str) -> bytes:
    # Without it, whoever can publish could move a sealed password from another person's login into his own.
    return joined([_PURPOSE, recipient, field, flow])


def _padded(content: bytes) -> bytes:
    # AES-GCM keeps the length, and the length of a password narrows the guesses. The 0x80 marks where it
    # ends.
    marked = content + b"\x80"
    return marked.ljust(-(-len(marked) // PADDED_TO) * PADDED_TO, b"\0")


def _unpadded(padded: bytes) -> bytes:
    content, mark, _ = padded.rpartition(b"\x80")
    if not mark:
        raise ValueError("the padding is broken")
    return content


def _key_id(key: X25519PublicKey) -> str:
    return to_base64url(hashlib.sha256(key.public_bytes_raw()).digest()[:6])


def _private_key(private: str) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(from_base64url(private))
    except ValueError:
        raise ValueError("a private key is 32 bytes in base64url") from None


def _public_key(public: str) -> X25519PublicKey:
    try:
        return X25519PublicKey.from_public_bytes(from_base64url(public))
    except ValueError:
        raise ValueError("a public key is 32 bytes in base64url") from None
