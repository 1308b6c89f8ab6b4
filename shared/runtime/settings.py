"""What the environment tells every service. A service without what it needs does not start."""

import os
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.vocabulary import Service
from shared.runtime.origin import BrokerUsers


class Environment(StrEnum):
    """Where the service runs. What is only safe on a developer's machine refuses to work anywhere else."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Settings that every service has; each adds its own. Values are secrets where a log must not show them.

    What the environment does not say may stand in files of its name in the folder `SECRETS_DIR`: an environment is
    shown by `docker inspect`, by /proc and in crash reports, and is handed on to every child.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Environment = Environment.PRODUCTION
    rabbitmq_url: SecretStr
    broker_users: BrokerUsers = BrokerUsers.OWN
    """`own`: the user of `rabbitmq_url` is called as the service is. `shared`, in development alone: anything else."""
    mongodb_url: SecretStr
    mongodb_driver: Literal["motor", "pymongo"] = "pymongo"
    mongodb_prefix: str = "wardgate_"
    """What the names of this deployment's databases begin with."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    prefetch: int = 64
    """Messages in the hands of one instance at a time."""
    retry_limit: int = 30
    """How often a message that met a fault comes again, `topology.RETRY_DELAY` apart, before it is parked."""
    outbox_sweep_seconds: float = 5.0
    broker_watch_seconds: float = 30.0
    """Between two looks for what somebody may have deleted on the broker."""

    otel_exporter_otlp_endpoint: str | None = None
    """Where traces go, by OTLP over HTTP; without it nothing is traced. The exporter reads it, and its like, itself."""
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The part of all requests that the gateway has traced."""

    @model_validator(mode="after")
    def _publishers_can_be_told_apart(self) -> Self:
        if self.broker_users is BrokerUsers.SHARED and self.environment is not Environment.DEVELOPMENT:
            raise ValueError("BROKER_USERS=shared lets every service speak for every other: in development only")
        return self

    def see_that_user_is(self, service: Service) -> None:
        """Raise `ValueError` where the service would come to the broker as somebody else."""
        user = urlsplit(self.rabbitmq_url.get_secret_value()).username
        if self.broker_users is BrokerUsers.OWN and user != service:
            raise ValueError(f"the user of RABBITMQ_URL is {user}, and {service} has one of its own, called {service}")

    def __init__(self, **told: Any) -> None:
        super().__init__(_secrets_dir=os.environ.get("SECRETS_DIR"), **told)


class Keyholder(Settings):
    """A service that opens what is sealed to it and seals for others."""

    sealing_private_key: SecretStr
    """Comma-separated private keys: the first is current, the others still open what was sealed before a rotation."""
    sealing_public_keys: dict[str, str]
    """The public key of every service that something is sealed to, as a JSON object."""
