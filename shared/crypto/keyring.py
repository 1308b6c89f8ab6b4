"""Encryption at rest: AES-256-GCM (NIST SP 800-38D) under keys with ids, so that they can be changed."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.crypto.encoding import joined

KEY_BYTES = 32
NONCE_BYTES = 12  # random: good for 2**32 encryptions under one key (NIST SP 800-38D section 8.3)

_PURPOSE = "wardgate keyring 1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class Undecipherable(ValueError):  # noqa: N818 - an adjective says what the value is
    """What is stored was not encrypted in this context, was changed, or its key is no longer held."""


@dataclass(frozen=True)
class Encrypted:
    """A secret as it is stored: the id of its key, its nonce, and its ciphertext with the tag."""

    kid: str
    nonce: bytes
    ciphertext: bytes


class Keyring:
    """The keys of one service: all of them decrypt, the current one encrypts."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """Take keys of 32 bytes by their ids, and the id of the current one; ValueError, without the keys."""
        if current not in keys:
            raise ValueError("the current key is not in the keyring")
        if any(_KEY_ID.fullmatch(kid) is None for kid in keys):
            raise ValueError("a key id is 1 to 32 letters, digits, dashes or underscores")
        if any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._ciphers = {kid: AESGCM(key) for kid, key in keys.items()}
        self._current = current

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read "kid:base64[,kid:base64…]", as it stands in the environment; the first key is the current one.

        A new key is put in front; an old one is removed when nothing is encrypted under it any more.
        """
        pairs = [_parsed(pair, number) for number, pair in enumerate(text.split(","), start=1)]
        keys = dict(pairs)
        if len(keys) != len(pairs):
            raise ValueError("two keys of the keyring have the same id")
        return cls(keys, current=pairs[0][0])

    def encrypt(self, plaintext: bytes, *, context: Sequence[str]) -> Encrypted:
        """Encrypt under the current key, bound to its context: the ids of what it belongs to."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        associated = _associated(self._current, context)
        return Encrypted(self._current, nonce, self._ciphers[self._current].encrypt(nonce, plaintext, associated))

    def decrypt(self, encrypted: Encrypted, *, context: Sequence[str]) -> bytes:
        """Decrypt in the same context; raises Undecipherable, without any content."""
        cipher = self._ciphers.get(encrypted.kid)
        if cipher is None:
            raise Undecipherable("the keyring no longer holds the key of what is stored")
        try:
            return cipher.decrypt(encrypted.nonce, encrypted.ciphertext, _associated(encrypted.kid, context))
        except (InvalidTag, ValueError):
            raise Undecipherable("what is stored does not belong here, or was changed") from None

    def is_current(self, encrypted: Encrypted) -> bool:
        """Tell whether it stands under the current key, or is to be encrypted anew."""
        return encrypted.kid == self._current


def new_key() -> str:
    """Make a key with an id of its own, in the form that `Keyring.parse` reads."""
    return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode('ascii')}"


def _parsed(pair: str, number: int) -> tuple[str, bytes]:
    kid, _, encoded = pair.strip().partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if _KEY_ID.fullmatch(kid) is None or len(key) != KEY_BYTES:
        raise ValueError(f"key {number} of the keyring is not an id, a colon and {KEY_BYTES} bytes in base64")
    return kid, key


def _associated(kid: str, context: Sequence[str]) -> bytes:
    # Without it, whoever can write to the database could give a victim's account the secret of his own phone.
    if isinstance(context, str):
        raise TypeError("the context is a sequence of names, and a text would be taken letter by letter")
    return joined([_PURPOSE, kid, *context])
