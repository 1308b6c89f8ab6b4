"""The system as `docker compose` runs it, in the place of processes of our own: the same tests, in containers.

`WARDGATE_COMPOSE` names the project, which runs already, with two containers of each service (CONTRIBUTING.md has the
commands).

The tests speak to each gateway through a door of their own at 127.0.0.1: in development it answers nobody else.
"""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

from ops.checkout import ROOT
from ops.door import Address, Door
from ops.mongodb import is_primary
from ops.ports import LOOPBACK
from ops.privileges import ADMINISTRATOR
from ops.rabbitmq import answers
from ops.servers import wait_until
from ops.services import services
from ops.stack import PREFIX, Stack
from shared.contracts.vocabulary import Service
from tests.keys import Keys
from tests.system import Instance, System

_LISTENS = 8080
_READ = (
    "import json, pathlib; print(json.dumps({each.name: each.read_text() for each in pathlib.Path('/keys').iterdir()}))"
)


def project() -> str | None:
    """The project whose containers are to be tried, if any."""
    return os.environ.get("WARDGATE_COMPOSE")


def keys() -> Keys:
    """The project's own keys."""
    return Keys({service: _kept()[f"{service}.key"] for service in Service}, _kept()["keyring"])


def servers() -> Stack:
    """The project's servers, as their administrator reaches them from this machine, and his tests may kill them."""
    (rabbitmq,), (mongodb,) = _containers("rabbitmq"), _containers("mongodb")
    broker, database = (json.loads(_kept()[f"{server}.json"]) for server in ("rabbitmq", "mongodb"))
    broker_url = f"amqp://{ADMINISTRATOR}:{broker[ADMINISTRATOR]}@{rabbitmq.address}:5672/"
    directly = f"{mongodb.address}:27017/?directConnection=true&authSource=admin"
    database_url = f"mongodb://{ADMINISTRATOR}:{database[ADMINISTRATOR]}@{directly}"
    return Stack(
        broker_url,
        database_url,
        Server("RabbitMQ", broker_url, rabbitmq, lambda: answers(rabbitmq.address, 5672) and _speaks_for_all(rabbitmq)),
        Server(
            "MongoDB",
            database_url,
            mongodb,
            lambda: is_primary(f"{mongodb.address}:27017", "mongodb:27017", database[ADMINISTRATOR]),
        ),
        broker,
        database,
    )


def _speaks_for_all(rabbitmq: "Container") -> bool:
    """Let the administrator publish in anybody's name, as tests do, until the broker starts anew or they have done."""
    _docker("exec", rabbitmq.name, "rabbitmqctl", "set_user_tags", ADMINISTRATOR, "administrator", "impersonator")
    return True


class Container:
    """One container, as what tests do with processes of ours."""

    pid = 1
    """Its process, as that one sees itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Where it is on the network of the services; asked anew after it was started."""
        if self._address is None:
            networks = self._state()["NetworkSettings"]["Networks"]
            self._address = next(network["IPAddress"] for name, network in networks.items() if name.endswith("_inside"))
        return self._address

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return bool(self._state()["State"]["Running"])

    def launch(self) -> None:
        """Start it if it does not run."""
        if not self.is_running:
            _docker("start", self.name)
            self._address = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.is_running:
            _docker("kill", self.name)

    def terminate(self) -> None:
        """Leave it: whoever started the project ends it."""

    def stop(self, _: float) -> None:
        """Leave it."""

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let it do nothing until the block ends. Not `docker pause`: some kernels do not wake up what that froze."""
        await asyncio.to_thread(_docker, "kill", "--signal", "STOP", self.name)
        try:
            yield
        finally:
            await asyncio.to_thread(_docker, "kill", "--signal", "CONT", self.name)

    def exists(self) -> bool:
        """Its log is there."""
        return True

    def read_text(self) -> str:
        """Its log."""
        return _docker("logs", self.name)

    def _state(self) -> dict[str, Any]:
        (state,) = json.loads(_docker("inspect", self.name))
        found: dict[str, Any] = state
        return found


class Server:
    """RabbitMQ or MongoDB of the project."""

    def __init__(self, name: str, url: str, container: Container, is_ready: Callable[[], bool]) -> None:
        self.name = name
        self.url = url
        self.pid = container.pid
        self._container = container
        self._is_ready = is_ready

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers."""
        self._container.launch()
        wait_until(self._is_ready, self.name)

    def stop(self) -> None:
        """Ask it to end."""
        _docker("stop", self._container.name)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._container.kill()


class Doors:
    """Doors to containers, in a thread of their own: a test that waits for one must not keep it from being opened."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._servers: list[asyncio.Server] = []
        self._closed = asyncio.Event()
        self._thread = threading.Thread(target=self._stand_open)
        self._thread.start()

    def to(self, container: Container) -> int:
        """The port at which it is found."""

        async def find() -> Sequence[Address]:
            return [(container.address, _LISTENS)]

        opening = asyncio.start_server(Door(find).admit, LOOPBACK, 0)
        opened = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        self._servers.append(opened)
        port: int = opened.sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Let nobody in any more, and show out who is there."""
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()

    def _stand_open(self) -> None:
        with self._runner:
            self._runner.run(self._closed.wait())
            for server in self._servers:
                server.close()


class ComposedInstance(Instance):
    """One container of a service."""

    def __init__(self, service: Service, container: Container, port: int) -> None:
        self.service = service
        self.log = self.child = container
        self._port = port

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let it neither read nor answer until the block ends."""
        async with self.child.frozen():
            yield


class ComposedSystem(System):
    """All services of the project."""

    def __init__(self, servers: Stack, keys: Keys, state: Path, *_: Any) -> None:
        """Take the containers that are there."""
        super().__init__(servers, keys, state, 0, {})
        self.prefix = PREFIX
        self.doors = Doors()
        self.instances = [
            ComposedInstance(Service(name), container, self.doors.to(container))
            for name in services()
            for container in _containers(name)
        ]

    @classmethod
    @asynccontextmanager
    async def running(cls, *told: Any, **named: Any) -> AsyncIterator[Self]:
        """The project as it runs, with the accounts of the examples; it goes on running afterwards."""
        async with super().running(*told, **named) as system:
            rabbitmq = system.servers.rabbitmq
            assert rabbitmq is not None
            await asyncio.to_thread(rabbitmq.start)
            try:
                yield system
            finally:
                system.doors.close()
                (broker,) = _containers("rabbitmq")
                _docker("exec", broker.name, "rabbitmqctl", "set_user_tags", ADMINISTRATOR, "administrator")


@cache
def _kept() -> dict[str, str]:
    """What the project keeps to itself: keys and passwords."""
    asked = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", "secrets", "-c", _READ)
    kept: dict[str, str] = json.loads(_docker("compose", "--project-name", project() or "", *asked))
    return kept


def _containers(service: str) -> list[Container]:
    labels = (f"label=com.docker.compose.project={project()}", f"label=com.docker.compose.service={service}")
    filters = [word for label in labels for word in ("--filter", label)]
    found = _docker("ps", "--all", "--format", "{{.Names}}", *filters).split()
    assert found, f"no container of {service} in the project {project()}"
    return [Container(name) for name in sorted(found)]


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 - whichever is there
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if words[0] == "logs" else "")
