"""What the environment tells auth."""

import os

from pydantic import Field

from shared.runtime.settings import Keyholder


class AuthSettings(Keyholder):
    """Settings of auth."""

    hashing_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Passwords that are hashed at a time: one for each core. Fewer where a container has not all of them."""
