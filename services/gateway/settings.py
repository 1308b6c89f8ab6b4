"""What the environment tells the gateway."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, IPvAnyNetwork, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.contracts.vocabulary import Service
from shared.runtime.settings import Environment, Keyholder

_NONE = timedelta()


class GatewaySettings(Keyholder):
    """Lifetimes are those of NIST SP 800-63B, section 2.2.3, for two factors; no session has longer ones."""

    cookie_secure: bool = True
    """Cookies for https alone. False only on a developer's own machine: they are then refused to any other host."""
    flow_ttl: timedelta = Field(default=timedelta(minutes=15), gt=_NONE, lt=timedelta(hours=1))
    """How long a login may take. Policy knows of its password for an hour, and would refuse its code afterwards."""
    session_ttl: timedelta = Field(default=timedelta(hours=24), gt=_NONE, le=timedelta(hours=24))
    session_idle: timedelta = Field(default=timedelta(hours=1), gt=_NONE)
    """How long a session outlives its last use."""
    return_to: tuple[str, ...] = ()
    """The applications that the gate stands before, where a sign-in may end: their origins (`["https://app.example"]`)."""
    patience: timedelta = Field(default=timedelta(seconds=8), gt=_NONE)
    """How long a browser waits for the services behind the gateway."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    """Whose `X-Forwarded-For` is believed: networks, separated by commas."""
    failures_per_address: int = Field(default=200, ge=1)
    """How many guesses of one address may fail within `failures_within`, whomever it guesses to be."""
    failures_within: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1))

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, told: object) -> object:
        return [each.strip() for each in told.split(",") if each.strip()] if isinstance(told, str) else told

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if not self.cookie_secure and self.environment is not Environment.DEVELOPMENT:
            raise ValueError("COOKIE_SECURE=false is for ENVIRONMENT=development only")
        missing = {Service.AUTH, Service.ENROLLMENT, Service.GATEWAY} - set(self.sealing_public_keys)
        if missing:
            raise ValueError(f"SEALING_PUBLIC_KEYS lacks {', '.join(sorted(missing))}")
        return self
