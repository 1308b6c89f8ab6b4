"""Passwords of the users of private servers: made once, kept where their owner alone may read them."""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from ops.private_files import write_private


def kept_passwords(file: Path, users: Iterable[str]) -> dict[str, str]:
    """The passwords in this file; those that are missing are made."""
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    known = kept | {user: secrets.token_urlsafe(24) for user in users if user not in kept}
    if known != kept:
        write_private(file, json.dumps(known, indent=2))
    return known
