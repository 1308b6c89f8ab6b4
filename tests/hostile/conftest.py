"""The system that is attacked: one process of each service, of its own, which nobody else has to go on with."""

from collections.abc import AsyncIterator

import pytest

from ops.stack import Stack
from tests.broker import Broker
from tests.keys import Keys
from tests.system import System, Systems


@pytest.fixture(scope="package")
async def target(
    servers: Stack, systems: Systems, keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """All services, one process of each; the address of the attacker may fail as often as it likes."""
    await systems.stop()
    async with Broker.at(servers.rabbitmq_url) as broker:
        await broker.clear()
    state = tmp_path_factory.mktemp("target")
    async with System.running(servers, keys, state, instances=1, FAILURES_PER_ADDRESS="1000000") as system:
        yield system
