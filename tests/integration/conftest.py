"""What integration tests can ask for besides: what was logged."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, redirect_stdout

import pytest

from ops.servers import Server
from ops.stack import Stack
from ops.stack import servers as servers_of_this_machine
from shared.runtime import logs
from tests.broker import Broker


@pytest.fixture(scope="session")
def mortal_servers(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that a test may kill and start again: our own, where the others belong to somebody else."""
    with ExitStack() as stack:
        ours = servers.rabbitmq is not None and servers.mongodb is not None
        state = tmp_path_factory.mktemp("mortal")
        yield servers if ours else stack.enter_context(servers_of_this_machine(state, environ={}))


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


@pytest.fixture
async def mortal_broker(mortal_servers: Stack) -> AsyncIterator[MortalBroker]:
    """A broker without queues of any service, which the test may kill; it runs again afterwards."""
    assert mortal_servers.rabbitmq is not None
    mortal = MortalBroker(mortal_servers.rabbitmq)
    async with Broker.at(mortal.url) as broker:
        await broker.clear()
    yield mortal
    await mortal.start()
    await asyncio.sleep(1)  # a queue deleted while it starts takes all dead-lettering with it (rabbitmq-server#16652)
    async with Broker.at(mortal.url) as broker:
        await broker.clear()


@pytest.fixture(scope="session")
def all_logs() -> Iterator[io.StringIO]:
    """Logs are made as a service makes them, and kept."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with redirect_stdout(written):
        logs.configure("tests", "DEBUG")
    yield written
    root.handlers[:], root.level = handlers, level


@pytest.fixture(autouse=True)
def log(all_logs: io.StringIO) -> io.StringIO:
    """What was logged since the test began."""
    all_logs.seek(0)
    all_logs.truncate()
    return all_logs
