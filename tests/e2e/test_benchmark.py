"""The benchmark takes people through their logins, and counts what that cost."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.browser import NotServed, browser
from benchmarks.people import People
from benchmarks.processes import Processes
from benchmarks.steps import STEPS, Steps
from benchmarks.system import System as Measured
from ops.importing import import_directory
from shared.contracts.vocabulary import Service
from shared.crypto.passwords import OWASP
from tests.system import System

pytestmark = pytest.mark.processes("it weighs processes of this machine, found by their numbers")


@pytest.fixture
def measured(system: System, tmp_path: Path) -> Measured:
    """The system of the tests, as the benchmark sees its own."""
    gateway = system.of(Service.GATEWAY)[0]
    port = urlsplit(gateway.url).port
    assert port is not None
    return Measured(port, system.servers.rabbitmq_url, Processes({"gateway": gateway.child.pid}), tmp_path)


async def test_everybody_is_taken_through_each_step_once(system: System, measured: Measured, tmp_path: Path) -> None:
    people = People(with_an_app=6, without=4)
    directory = people.directory(tmp_path / "directory.yaml", OWASP)
    await import_directory(directory, system.as_operator)
    steps = Steps(measured, *people.takers())

    lines = [*await steps.logins(6, at_once=2), *await steps.enrollments(4, at_once=4)]

    assert [(line.what, line.at_once, len(line.latencies)) for line in lines] == [
        (STEPS[0], 2, 6),
        (STEPS[1], 2, 6),
        (STEPS[2], 4, 4),
        (STEPS[3], 4, 4),
    ]
    assert all(line.milliseconds_of("gateway") > 0 for line in lines)


async def test_what_is_no_success_is_not_measured(measured: Measured) -> None:
    async with browser(measured.port) as stranger:
        with pytest.raises(NotServed, match=r"401 Unauthorized.*invalid_credentials"):
            await stranger.post("login", {"username": "nobody", "password": "nothing"})
