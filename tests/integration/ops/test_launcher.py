"""The launcher runs the whole system, says what crashes, and leaves nothing behind."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.importing import Summary, import_directory
from ops.ports import LOOPBACK, free_port
from ops.readiness import missing_at
from ops.running import find
from ops.services import services
from tests.processes import Program, descendants, program, watched

EXAMPLE = Path(__file__).parents[3] / "examples" / "directory.yaml"
READY = "stop: Ctrl-C"


def launch(state: Path, port: int) -> str:
    """The code of a launcher that keeps its state there."""
    return f"""
import sys
from pathlib import Path
from ops.cli import TOLD
from ops.launcher import run
try:
    run(Path({str(state)!r}), {port}, Path({str(EXAMPLE)!r}))
except TOLD as told:
    sys.exit(str(told))
"""


PRIVATE = {name: value for name, value in os.environ.items() if name not in {"RABBITMQ_URL", "MONGODB_URL"}}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wardgate")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def running(state: Path, port: int) -> Iterator[Program]:
    """The whole system."""
    with program(launch(state, port), PRIVATE, within=300) as launcher:
        launcher.wait_for(READY)
        yield launcher


def pid_of(launcher: Program, command: str) -> int:
    """The process of the launcher with this in its command line."""
    return next(pid for pid, line in descendants(launcher.pid).items() if command in line)


def test_it_prints_where_it_is_and_who_can_sign_in(running: Program, port: int) -> None:
    said = "".join(running.said)

    assert f"ready at http://127.0.0.1:{port}" in said
    assert "nina@northwind.example" in said
    assert "northern-lights-demo" in said
    assert missing_at(port) == []


def test_a_second_launcher_in_the_same_checkout_says_where_the_first_one_is(
    running: Program, state: Path, port: int
) -> None:
    assert running.pid

    with program(launch(state, free_port()), PRIVATE) as second:
        status = second.end()

    assert status == 1
    assert second.said == [
        f"Wardgate already runs in this checkout at http://127.0.0.1:{port}. Stop it first with Ctrl-C where it runs.\n"
    ]


@pytest.mark.parametrize(
    ("name", "command"), [("auth", "serving auth"), ("gateway", "serving gateway"), ("RabbitMQ", "beam.smp")]
)
def test_what_crashes_is_said_and_started_again(running: Program, name: str, command: str) -> None:
    crashing = pid_of(running, command)

    os.kill(crashing, signal.SIGKILL)

    assert running.wait_for(rf"{name} stopped with exit status -9 \(SIGKILL\); starting it again \(1\)")


async def test_the_system_is_whole_again_and_a_second_import_changes_nothing(running: Program, state: Path) -> None:
    assert running.pid
    system = find(state, {})
    port = int(system.url.rpartition(":")[2])

    while missing_at(port):  # each question waits for its answer
        pass

    assert await import_directory(EXAMPLE, system) == Summary()


def test_logs_are_json_lines_for_the_owner_only(running: Program, state: Path) -> None:
    assert running.pid
    logs = sorted((state / "logs").glob("*.log"))

    assert [log.stem for log in logs] == sorted(services())
    assert all(log.stat().st_mode & 0o077 == 0 for log in logs)
    assert [json.loads(line)["level"] for line in logs[0].read_text().splitlines() if line.startswith("{")]


def test_ctrl_c_ends_everything_and_leaves_no_process(running: Program, state: Path) -> None:
    started = list(descendants(running.pid))

    with watched(started) as all_of_it:
        running.signal(signal.SIGINT)
        status = running.end()
        left = all_of_it.still_running(1)

    assert len(started) >= 7, "RabbitMQ, epmd, mongod and the services"
    assert (status, left) == (0, 0)
    assert not (state / "run.json").exists()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    state = Path("/sys/wardgate")  # where not even root may

    with program(launch(state, free_port()), PRIVATE) as launcher:
        status = launcher.end()

    assert status == 1
    assert [line.partition(":")[0] for line in launcher.said] == [f"{state} cannot be written"]


def test_an_address_that_is_none_is_said_before_anything_is_started_and_without_its_password(tmp_path: Path) -> None:
    environment = {**PRIVATE, "RABBITMQ_URL": "gateway:CANARY@broker.example", "MONGODB_URL": "mongodb://db.example"}
    with program(launch(tmp_path, free_port()), environment) as launcher:
        status = launcher.end()

    assert (status, launcher.said) == (1, ["RABBITMQ_URL has to begin with amqp:// or amqps://.\n"])


def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with program(launch(tmp_path, port), PRIVATE) as launcher:
            status = launcher.end()

    assert status == 1
    assert launcher.said == [f"Port {port} is taken by another program. Choose another, such as: make run PORT=9000\n"]
    assert not (tmp_path / "rabbitmq").exists()
