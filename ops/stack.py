"""Finds or starts the servers that Wardgate stands on: RabbitMQ and MongoDB.

    with servers(state) as stack:
        connect(stack.rabbitmq_url, stack.mongodb_url)
        stack.rabbitmq.kill()    # a power cut
        stack.rabbitmq.start()   # back at the same URL with the same data

A server named in the environment (`RABBITMQ_URL`, `MONGODB_URL`) is used as it is and belongs to somebody else: it is
then None here, and nothing starts or stops it. With `environ={}` both are private.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops import programs
from ops.mongodb import private_mongodb
from ops.programs import Say
from ops.rabbitmq import private_rabbitmq
from ops.servers import LocalServer, Server

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".wardgate" / "bin"


def _silently(_: str) -> None:
    pass


@dataclass(frozen=True)
class Stack:
    """Where the servers are, and the servers themselves where they are ours."""

    rabbitmq_url: str
    mongodb_url: str
    rabbitmq: Server | None = None
    mongodb: Server | None = None


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
            ),
            ours,
        )
    finally:
        for server in ours:  # all are asked before the first is waited for
            server.child.terminate()
        for server in ours:
            server.stop()
