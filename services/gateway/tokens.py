"""Tokens: what a browser proves itself with. Only their digests are stored."""

import hashlib
import secrets


def new_token() -> str:
    """256 random bits, as they stand in a cookie."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token. No salt and no slow hash: 256 random bits cannot be guessed (SP 800-63B, 3.1.2.2)."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
