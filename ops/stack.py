"""Finds or starts the servers that Wardgate stands on: RabbitMQ and MongoDB.

    with servers(state) as stack:
        connect(stack.rabbitmq_url, stack.mongodb_url)
        stack.rabbitmq.kill()    # a power cut
        stack.rabbitmq.start()   # back at the same URL with the same data

A server named in the environment (`RABBITMQ_URL`, `MONGODB_URL`) is used as it is and belongs to somebody else: it is
then None here, nothing starts or stops it, and all services have its one user. With `environ={}` both are private, with
a user for each service.
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ops import programs
from ops.checkout import STATE
from ops.mongodb import private_mongodb
from ops.places import place
from ops.privileges import database_users
from ops.programs import Say
from ops.provision import provide_broker, provide_database
from ops.rabbitmq import private_rabbitmq
from ops.servers import LocalServer, Server
from shared.runtime.origin import BrokerUsers

PREFIX = "wardgate_"
TOOLS = STATE / "bin"

_SIGNS_IN = re.compile("auth(source|mechanism|mechanismproperties)=", re.IGNORECASE)
"""Options of a MongoDB URL that say how the administrator signs in, and nobody else."""


def _silently(_: str) -> None:
    pass


@dataclass(frozen=True)
class Access:
    """How one user reaches the servers; the URLs hold his passwords."""

    rabbitmq_url: str
    mongodb_url: str
    broker_users: BrokerUsers

    @property
    def environment(self) -> dict[str, str]:
        """The same as a process is told."""
        return {
            "RABBITMQ_URL": self.rabbitmq_url,
            "MONGODB_URL": self.mongodb_url,
            "BROKER_USERS": self.broker_users.value,
        }


@dataclass(frozen=True)
class Stack:
    """Where the servers are, and the servers themselves where they are ours."""

    rabbitmq_url: str
    """Of the administrator; of somebody else's broker, the one URL that there is, which all have to share."""
    mongodb_url: str
    rabbitmq: Server | None = None
    mongodb: Server | None = None
    broker_passwords: Mapping[str, str] = field(default_factory=dict)
    """Of a user for each service and one for the operator; none on a server of somebody else's."""
    database_passwords: Mapping[str, str] = field(default_factory=dict)

    def access(self, user: str, prefix: str = PREFIX) -> Access:
        """How a service, or the operator, reaches the servers, and the databases whose names begin with `prefix`."""
        return Access(
            _as(user, self.broker_passwords[user], self.rabbitmq_url) if self.broker_passwords else self.rabbitmq_url,
            self._database_url(user, prefix) if self.database_passwords else self.mongodb_url,
            BrokerUsers.OWN if self.broker_passwords else BrokerUsers.SHARED,
        )

    def _database_url(self, user: str, prefix: str) -> str:
        known = next(each for each in database_users(prefix) if each.name == user)
        parts = urlsplit(self.mongodb_url)
        options = [option for option in parts.query.split("&") if option and not _SIGNS_IN.match(option)]
        return known.url(place(self.mongodb_url), self.database_passwords[user], options, parts.scheme)

    def provide(self, prefix: str = PREFIX) -> None:
        """See that all is there that services of this prefix need and may not make; not from within an event loop."""
        self.provide_database(prefix)
        self.provide_broker()

    def provide_database(self, prefix: str = PREFIX) -> None:
        """See to the users of MongoDB."""
        if self.database_passwords:
            provide_database(self.mongodb_url, self.database_passwords, prefix)

    def provide_broker(self) -> None:
        """See to the exchanges and queues of RabbitMQ; not from within an event loop."""
        if self.broker_passwords:
            asyncio.run(provide_broker(self.rabbitmq_url))


def _as(user: str, password: str, url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place(url)}"))


@contextmanager
def servers(state: Path, *, environ: Mapping[str, str] = os.environ, say: Say = _silently) -> Iterator[Stack]:
    """RabbitMQ and MongoDB, ready to use, until the block ends; the data of private ones stays in `state`.

    Raises ProgramMissing when a program is missing and cannot be brought, ServerFailed when one does not come up.
    """
    with launched_servers(state, environ=environ, say=say) as (stack, ours):
        for server in ours:
            server.wait_ready()
        yield stack


@contextmanager
def launched_servers(
    state: Path, *, environ: Mapping[str, str] = os.environ, say: Say = _silently
) -> Iterator[tuple[Stack, list[LocalServer]]]:
    """The same, but not yet ready: whoever has other things to start meanwhile calls `wait_ready` on ours."""
    rabbitmq_url, mongodb_url = environ.get("RABBITMQ_URL"), environ.get("MONGODB_URL")
    with ThreadPoolExecutor(
        2
    ) as pool:  # both at once: on a bare machine one waits for apt and the other for a download
        broker_program = None if rabbitmq_url else pool.submit(programs.rabbitmq_server, say)
        database_program = None if mongodb_url else pool.submit(programs.mongod, TOOLS, say)

    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    broker = private_rabbitmq(state / "rabbitmq", broker_program.result()) if broker_program else None
    database = private_mongodb(state / "mongodb", database_program.result()) if database_program else None
    ours = [server for server in (broker, database) if server]
    try:
        for server in ours:
            server.launch()
        yield (
            Stack(
                rabbitmq_url or (broker.url if broker else ""),
                mongodb_url or (database.url if database else ""),
                broker,
                database,
                broker.passwords if broker else {},
                database.passwords if database else {},
            ),
            ours,
        )
    finally:
        for server in ours:  # all are asked before the first is waited for
            server.child.terminate()
        for server in ours:
            server.stop()
