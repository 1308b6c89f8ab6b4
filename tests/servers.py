"""Where the tests take their servers from: compose, the environment, a Docker engine that answers, or this machine."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.servers import Server
from ops.stack import Stack
from ops.stack import servers as servers_of_this_machine
from tests import composed
from tests.containers import containers, engine_answers


@contextmanager
def servers(state: Path) -> Iterator[Stack]:
    """RabbitMQ and MongoDB until the block ends. What is missing is an error: a test that skips proves nothing."""
    if composed.project():
        yield composed.servers()
        return
    named = os.environ.get("RABBITMQ_URL") or os.environ.get("MONGODB_URL")
    with containers() if engine_answers() and not named else servers_of_this_machine(state) as stack:
        yield stack


class MortalBroker:
    """A broker that a test may kill."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    async def kill(self) -> None:
        """End it at once, as a power cut would.

        RabbitMQ 3.10 writes down only every half second which quorum queues there are, and cannot bring back one that
        it was told of less than a second before it was killed. That is its weakness and not what is tested here.
        """
        await asyncio.sleep(1.5)
        await asyncio.to_thread(self._server.kill)

    async def start(self) -> None:
        """Bring it back with what it had kept."""
        await asyncio.to_thread(self._server.start)
