"""The short form of `make chaos`: a few faults, each in the middle of some logins and enrollments."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops.servers import LocalServer
from ops.stack import Stack
from ops.stack import servers as private_servers
from shared.contracts.vocabulary import Service
from tests.chaos.faults import ALARM, CUT, MONGODB, RABBITMQ, Fault, both, killed
from tests.chaos.lab import Lab
from tests.chaos.table import table
from tests.chaos.trial import tried
from tests.system import Systems

FAULTS = (
    both(killed(Service.ENROLLMENT), RABBITMQ),
    both(killed(Service.GATEWAY), MONGODB),
    CUT,
    replace(ALARM, lasts=6.0),
)
AT_ONCE, MOST = 20, 60


@pytest.fixture(scope="module")
def state(servers: Stack, servers_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    is_local = isinstance(servers.rabbitmq, LocalServer) and isinstance(servers.mongodb, LocalServer)
    return servers_state if is_local else tmp_path_factory.mktemp("chaos")


@pytest.fixture(scope="module")
def own_servers(servers: Stack, servers_state: Path, state: Path) -> Iterator[Stack]:
    """Servers on this machine, which can be killed and told to be short of memory."""
    if state == servers_state:
        yield servers
    else:
        with private_servers(state, environ={}) as own:
            yield own


@pytest.fixture(scope="module")
async def lab(own_servers: Stack, state: Path, systems: Systems) -> AsyncIterator[Lab]:
    await systems.stop()  # two systems on one broker would read each other's queues
    logging.disable()  # the connections of the tests themselves break with all others, and say so at length
    try:
        async with Lab.at(own_servers, state, instances=1, BENCHMARK_CHEAP_HASH="1") as lab:
            yield lab
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_in_the_middle_of_logins_and_enrollments(lab: Lab, fault: Fault) -> None:
    result = await tried(fault, lab, at_once=AT_ONCE, most=MOST)

    assert not result.broken, f"{table([result])}\n{chr(10).join(result.broken)}"
