"""How an administrator reaches a RabbitMQ and a MongoDB that somebody else runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from ops.places import SCHEMES, check_url
from ops.privileges import USERS, VHOST

_SCHEMES = {
    "RABBITMQ_ADMIN_URL": SCHEMES["RABBITMQ"],
    "RABBITMQ_MANAGEMENT_URL": ("http://", "https://"),
    "MONGODB_ADMIN_URL": SCHEMES["MONGODB"],
}


@dataclass(frozen=True, repr=False)
class Administrator:
    """His addresses; the URLs of the broker and of the database hold his passwords."""

    broker_url: str
    management_url: str
    database_url: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """Whom the environment names. Raises `ValueError`, which quotes no URL."""
        if missing := [name for name in _SCHEMES if not environ.get(name)]:
            raise ValueError(
                "Say in the environment, or in files where SECRETS_DIR says, how an administrator reaches the servers. "
                f"Missing: {', '.join(missing)}."
            )
        for name, schemes in _SCHEMES.items():
            check_url(name, environ[name], schemes)
        found = cls(*(environ[name] for name in _SCHEMES))
        if not found.user:
            raise ValueError("RABBITMQ_ADMIN_URL names no user.")
        if found.user in USERS:
            raise ValueError(f"{found.user} will be a user of Wardgate's: RabbitMQ's administrator has to be another.")
        return found

    @property
    def user(self) -> str:
        """Who he is on RabbitMQ, whichever way he comes."""
        return unquote(urlsplit(self.broker_url).username or "")

    @property
    def password(self) -> str:
        """What he says there."""
        return unquote(urlsplit(self.broker_url).password or "")

    @property
    def vhost(self) -> str:
        """The virtual host that is meant."""
        return unquote(urlsplit(self.broker_url).path[1:]) or VHOST
