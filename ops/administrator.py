"""How an administrator reaches a RabbitMQ and a MongoDB that somebody else runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from ops.places import place
from ops.privileges import USERS, VHOST

_SCHEMES = {
    "RABBITMQ_ADMIN_URL": ("amqp://", "amqps://"),
    "RABBITMQ_MANAGEMENT_URL": ("http://", "https://"),
    "MONGODB_ADMIN_URL": ("mongodb://", "mongodb+srv://"),
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
            if not environ[name].startswith(schemes):
                raise ValueError(f"{name} has to begin with {' or '.join(schemes)}.")
            if not _is_whole(environ[name]):
                raise ValueError(f"{name} is no URL. What is special in a password is written as %-codes.")
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


def _is_whole(url: str) -> bool:
    """Whether the password is where it seems: one with a slash in it ends the name of the server."""
    try:
        ports = [urlsplit(f"//{host}").port for host in place(url).split(",")]
        rest = urlsplit(url)._replace(netloc="").geturl()
    except ValueError:  # which quotes what it does not like
        return False
    return 0 not in ports and "@" not in rest
