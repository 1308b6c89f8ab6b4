"""The system that is attacked."""

import pytest

from tests.system import System, Systems


@pytest.fixture
async def target(systems: Systems) -> System:
    """All services, one process of each; an address may fail as often as it likes, and a message only once."""
    return await systems.running(instances=1, FAILURES_PER_ADDRESS="1000000", RETRY_LIMIT="1")
