"""What the environment tells auth."""

import os
from typing import Literal, Self

from pydantic import Field, model_validator

from shared.runtime.settings import Environment, Keyholder


class AuthSettings(Keyholder):
    """Settings of auth."""

    prefetch: int = 16
    """Fewer than elsewhere: a password in hand waits for a core and can go to no other instance. In the queue it can,
    and is dropped there when its answer would come too late."""
    hashing_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Passwords that are hashed at a time: one for each core. Fewer where a container has not all of them."""
    benchmark_cheap_hash: Literal["0", "1"] = "0"
    """"1": hash passwords so cheaply that hashing hides nothing of what else a login costs, and protects nothing."""

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if self.benchmark_cheap_hash == "1" and self.environment is not Environment.DEVELOPMENT:
            raise ValueError("BENCHMARK_CHEAP_HASH=1 is for ENVIRONMENT=development only")
        return self
