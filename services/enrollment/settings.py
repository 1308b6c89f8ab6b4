"""What the environment tells enrollment."""

from typing import Self

from pydantic import SecretStr, model_validator

from shared.contracts.vocabulary import Service
from shared.runtime.settings import Keyholder


class EnrollmentSettings(Keyholder):
    """Settings of enrollment."""

    keyring: SecretStr
    """The keys that secrets are encrypted with at rest, as `shared.crypto.keyring.Keyring.parse` reads them."""

    @model_validator(mode="after")
    def _can_seal(self) -> Self:
        if Service.GATEWAY not in self.sealing_public_keys:
            raise ValueError("the public key of the gateway is missing: nothing could be shown to a user")
        return self
