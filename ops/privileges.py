"""Who may do what on RabbitMQ and MongoDB: users for all services and the operator, with the rights of the contracts.

Pure: whoever runs the servers hands it passwords and carries out what it says.

No user may declare anything but queues that the broker names (`amq.gen-…`). A pattern for names cannot tell a queue
from an exchange: who may declare either could declare an exchange of his own, bind it to `wardgate.events` and tell
through it whatever he likes, or delete `wardgate.events` and make it anew as one that knows no rights by topic. Names
that begin with `amq.` the broker refuses to exchanges.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from aio_pika import ExchangeType

from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Message
from shared.contracts.readiness import StatusAsked
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime import topology

ADMINISTRATOR = "administrator"
"""Declares exchanges and queues, makes users, and does nothing else. No service knows his password."""

USERS: tuple[str, ...] = (*(str(service) for service in Service), OPERATOR)
"""Everybody who publishes; each under his own name, which the broker stamps on what he publishes (`user_id`)."""

VHOST = "/"

_OWN_QUEUE = rf"{re.escape(topology.OWN_QUEUE)}[A-Za-z0-9_-]+"
_NOTHING = "^$"
_ANYTHING = ".*"
_NO_RIGHTS = dict.fromkeys(("configure", "write", "read"), _NOTHING)

_TOPICAL = [name for name, kind in topology.EXCHANGES.items() if kind is ExchangeType.TOPIC]
"""The topic exchanges. Who has no rights by topic on one of these may publish there whatever he likes (RabbitMQ's
default), so everybody has some on each of them."""


def broker_definitions(
    passwords: Mapping[str, str],
    salt: bytes,
    *,
    vhost: str = VHOST,
    retired: Iterable[str] = (),
    impersonator: str | None = None,
) -> dict[str, Any]:
    """RabbitMQ's definitions: the users of `passwords`, their rights, and the virtual host.

    To be imported whenever the broker starts. Passwords are in it as salted hashes alone; `salt` is four random bytes.
    Who is `retired` cannot sign in any more, and may do nothing: an import takes nobody away.
    An `impersonator` may publish in anybody's name: none where the system is more than a developer's own.
    """
    hashes = {user: hashed(password, salt) for user, password in passwords.items()} | dict.fromkeys(retired, "")
    rights = {user: permissions(user) for user in passwords} | dict.fromkeys(retired, _NO_RIGHTS)
    return {
        "users": [
            {
                "name": user,
                "password_hash": password_hash,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ",".join(_tags(user, impersonator)),
                "limits": {},
            }
            for user, password_hash in hashes.items()
        ],
        "vhosts": [{"name": vhost}],
        "permissions": [{"user": user, "vhost": vhost, **may} for user, may in rights.items()],
        "topic_permissions": [
            {"user": user, "vhost": vhost, **by_topic} for user in passwords for by_topic in topic_permissions(user)
        ],
    }


def _tags(user: str, impersonator: str | None) -> Iterator[str]:
    if user == ADMINISTRATOR:
        yield "administrator"
    if user == impersonator:
        yield "impersonator"


def hashed(password: str, salt: bytes) -> str:
    """A password as RabbitMQ keeps it (rabbitmq.com/docs/passwords, "this is the algorithm")."""
    return b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def permissions(user: str) -> dict[str, str]:
    """What a user may configure, write to and read from, as patterns for names of exchanges and queues.

    To hear something in a queue of one's own takes all three of the queue, and reading `wardgate.events`.
    """
    if user == ADMINISTRATOR:
        return {"configure": _ANYTHING, "write": _ANYTHING, "read": _ANYTHING}
    writes, reads, declares = [_OWN_QUEUE], [_OWN_QUEUE, re.escape(topology.EVENTS)], [_OWN_QUEUE]
    writes += [re.escape(exchange) for exchange in _TOPICAL if _topics(user, exchange)]
    if user == OPERATOR:
        # Giving a parked message back to the queue it came out of, and finding out whether that is still there.
        writes.append(r"amq\.default")
        reads.append(re.escape(topology.PARKED))
        declares.append(re.escape(topology.PARKED_TURN))
    else:
        writes.append(re.escape(topology.PARKED))
        reads.append(rf"{user}\..+")
    return {"configure": _any_of(declares), "write": _any_of(writes), "read": _any_of(reads)}


def topic_permissions(user: str) -> Iterator[dict[str, str]]:
    """What a user may publish to each topic exchange, and bind a queue of his own to, as patterns for routing keys."""
    if user == ADMINISTRATOR:
        return
    for exchange in _TOPICAL:
        hears = [_OWN_QUEUE, re.escape(StatusAsked.topic)] if exchange == topology.EVENTS else []
        yield {"exchange": exchange, "write": _any_of(_topics(user, exchange)), "read": _any_of(hears)}


def _topics(user: str, exchange: str) -> list[str]:
    """Patterns for all that a user may publish to an exchange."""
    match exchange:
        case topology.COMMANDS:
            return _published_by(user, COMMANDS.values())
        case topology.EVENTS:
            # An answer is copied to the queue of whoever asked (`CC`), which newer brokers check as well.
            return [*_published_by(user, EVENTS.values()), _OWN_QUEUE]
        case _:
            # What is tried again comes back to the queue that its key names: nobody can send to another's.
            return [] if user == OPERATOR else [rf"{user}\..+"]


def _published_by(user: str, messages: Iterable[type[Message]]) -> list[str]:
    return [re.escape(message.topic) for message in messages if user in message.by]


def _any_of(patterns: list[str]) -> str:
    return f"^({'|'.join(patterns)})$" if patterns else _NOTHING


@dataclass(frozen=True, slots=True)
class DatabaseUser:
    """A user of MongoDB, known in the one database that he may use."""

    name: str
    database: str
    role: str

    def url(self, hosts: str, password: str, options: Iterable[str] = (), scheme: str = "mongodb") -> str:
        """Where this user finds his database: `hosts` as host:port,…, each of the options as in a MongoDB URL."""
        query = "&".join([f"authSource={self.database}", *options])
        return f"{scheme}://{self.name}:{quote(password, safe='')}@{hosts}/?{query}"

    def made(self, password: str) -> dict[str, Any]:
        """The command that makes him, to be run in his database."""
        return {"createUser": self.name, **self._told(password)}

    def made_again(self, password: str) -> dict[str, Any]:
        """The command that gives him this password and these rights where he is there already."""
        return {"updateUser": self.name, **self._told(password)}

    def _told(self, password: str) -> dict[str, Any]:
        roles = [{"role": self.role, "db": self.database}]
        return {"pwd": password, "roles": roles, "mechanisms": ["SCRAM-SHA-256"]}


def database_users(prefix: str) -> list[DatabaseUser]:
    """Each service with its own database, which nobody else may write; the operator may read the audit trail."""
    own = [DatabaseUser(str(service), f"{prefix}{service}", "readWrite") for service in Service]
    return [*own, DatabaseUser(OPERATOR, f"{prefix}{Service.AUDIT}", "read")]
