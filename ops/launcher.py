"""`wardgate run`: everything on one machine, from nothing to a printed URL, until Ctrl-C."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from ops.children import Child
from ops.demo import accounts
from ops.directory import read_directory
from ops.echo import Echo
from ops.importing import import_directory
from ops.interruption import Interrupted, interruptible
from ops.keys import Keys, kept_keys
from ops.places import check_urls
from ops.ports import LOOPBACK, free_port, is_free
from ops.readiness import missing_at
from ops.running import Running, announced, only_one
from ops.servers import LocalServer
from ops.services import GATEWAY, environment_of, service, services
from ops.stack import PREFIX, Stack, launched_servers
from ops.supervisor import Supervisor, stop_all
from ops.terminal import Terminal
from shared.contracts.vocabulary import OPERATOR
from shared.runtime.origin import BrokerUsers

USUALLY_READY_WITHIN = 10.0  # seconds, after RabbitMQ and MongoDB are
READY_WITHIN = 120.0  # seconds
STOPS_WITHIN = 15.0  # seconds; services give requests in hand ten
REMEDY = "Data of an older version may be in the way: it is in .wardgate/rabbitmq and .wardgate/mongodb."
_DISK = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS}
"""What a disk says that takes nothing: it is full, or for reading alone, or somebody else's."""
HOPELESS = 5  # failures in a row before anything was ever ready


class CannotRun(Exception):  # noqa: N818 (it reads as a sentence)
    """The system cannot run here; the message says why and what to do."""


def run(state: Path, port: int, directory: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Run every service and the servers they need until told to stop; leave no process behind.

    Raises CannotRun and the errors of the rooms it uses, each with a sentence for the person.
    """
    try:
        check_urls(environ)
    except ValueError as error:
        raise CannotRun(str(error)) from None
    os.umask(0o077)  # keys, data, logs: for the owner alone, whatever writes them
    with interruptible(), ExitStack() as stack:  # in this order: what is told to stop, stops to the end
        terminal = stack.enter_context(Terminal())
        try:
            stack.enter_context(only_one(state))
            if not is_free(port):
                raise CannotRun(f"Port {port} is taken by another program. Choose another, such as: make run PORT=9000")
            demo = accounts(read_directory(directory))
            keys = kept_keys(state / "keys")
            servers, ours = stack.enter_context(launched_servers(state, environ=environ, say=terminal.say))
            stack.callback(terminal.say, "stopping RabbitMQ and MongoDB")
            launch = Launch(state, port, servers, keys, environ, terminal)
            stack.callback(launch.stop)
            launch.start(ours)
            with announced(state, launch.running):
                launch.load(directory)
                if environ.get("BENCHMARK_CHEAP_HASH") == "1":
                    terminal.say("BENCHMARK_CHEAP_HASH=1: passwords are hashed so cheaply that nothing protects them")
                terminal.say(f"Wardgate is ready at {launch.running.url}")
                terminal.show(demo)
                terminal.show(f"API: {launch.running.url}/api/v1/docs   logs: {state / 'logs'}   stop: Ctrl-C")
                terminal.rest()
                launch.watch()
        except Interrupted:
            terminal.say("stopping")
        except OSError as error:
            if error.errno not in _DISK:
                raise
            raise CannotRun(f"{error.filename or state} cannot be written: {error.strerror}") from None


class Launch:
    """The services of one run, on servers that were launched for it or run anyway."""

    def __init__(  # noqa: PLR0913, PLR0917 (what a run is made of)
        self, state: Path, port: int, servers: Stack, keys: Keys, environ: Mapping[str, str], terminal: Terminal
    ) -> None:
        self._servers = servers
        self._prefix = prefix = environ.get("MONGODB_PREFIX", PREFIX)
        operator = servers.access(OPERATOR, prefix)
        self.running = Running(
            url=f"http://{LOOPBACK}:{port}",
            rabbitmq_url=operator.rabbitmq_url,
            mongodb_url=operator.mongodb_url,
            public_keys=keys.public,
            broker_users=operator.broker_users,
            mongodb_prefix=prefix,
        )
        self._terminal = terminal
        self._port = port
        logs = {name: _fresh(state / "logs" / f"{name}.log") for name in services()}
        self._services = [
            service(
                name,
                port if name == GATEWAY else free_port(),
                environment=environment_of(name, servers.access(name, prefix), keys, environ),
                log=log,
            )
            for name, log in logs.items()
        ]
        self._supervisor = Supervisor([], terminal.say)
        self._echo = Echo(logs, terminal.say)

    @property
    def processes(self) -> list[Child]:
        """The services, one process each."""
        return list(self._services)

    def start(self, servers: list[LocalServer]) -> None:
        """Start the services beside the servers, and return when the gateway says that all answer."""
        self._terminal.say(f"starting {', '.join([*(s.name for s in servers), *(s.name for s in self._services)])}")
        if self.running.broker_users is BrokerUsers.SHARED:
            self._terminal.say("RABBITMQ_URL gives all services one user: they are not held to what each may say")
        if self._servers.mongodb is not None:
            self._servers.mongodb.start()
        self._servers.provide_database(self._prefix)  # a service that is refused asks again after seconds only
        for process in self._services:
            process.launch()
        for server in servers:
            server.wait_ready()
        self._servers.provide_broker()
        self._supervisor = Supervisor([*(p for s in servers for p in s.processes), *self._services], self._terminal.say)
        self._wait_ready()
        self._echo.skip()  # that services waited for each other is what a start is like

    def load(self, directory: Path) -> None:
        """Load the directory, and look after the processes meanwhile."""
        loading = import_directory(directory, self.running, self._terminal.say)
        future: Future[None] = Future()

        def load() -> None:
            try:
                asyncio.run(loading)
                future.set_result(None)
            except Exception as error:  # noqa: BLE001 (it is raised where the result is asked for)
                future.set_exception(error)

        threading.Thread(target=load, daemon=True).start()  # a daemon: Ctrl-C does not wait for it
        while not future.done():
            self._look()
            time.sleep(0.05)
        future.result()

    def watch(self) -> NoReturn:
        """Keep everything running."""
        while True:
            self._look()
            time.sleep(0.2)

    def stop(self) -> None:
        """End the services: gracefully, but within bounds."""
        stop_all(self._services, STOPS_WITHIN)

    def _look(self) -> None:
        self._supervisor.look()
        self._echo.look()

    def _wait_ready(self) -> None:
        began = time.monotonic()
        said: list[str] = []
        while missing := missing_at(self._port):
            self._supervisor.look()
            if time.monotonic() - began > USUALLY_READY_WITHIN:
                self._echo.look()  # something is amiss, and the services may know what
            if hopeless := next((p for p in self._services if p.name == self._supervisor.failing(HOPELESS)), None):
                raise CannotRun(
                    f"{hopeless.name} does not stay up. The end of {hopeless.log}:\n{_end_of(hopeless.log)}"
                )
            if time.monotonic() - began > READY_WITHIN:
                raise CannotRun(f"Not ready within {READY_WITHIN:.0f} seconds; missing: {', '.join(missing)}. {REMEDY}")
            if missing != said:
                self._terminal.say(f"waiting for {', '.join(missing)}")
                said = missing
            time.sleep(0.1)


def _fresh(log: Path) -> Path:
    log.unlink(missing_ok=True)
    return log


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
