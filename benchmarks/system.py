"""The system that is measured: started as `make run` starts it, alone, with one instance of each service."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.people import People
from benchmarks.processes import Processes
from ops import checkout
from ops.keys import kept_keys
from ops.launcher import Launch
from ops.ports import free_port
from ops.stack import launched_servers
from ops.terminal import Terminal
from shared.crypto.passwords import CHEAP, OWASP

STATE = checkout.STATE / "benchmark"


@dataclass(frozen=True)
class System:
    """Where it is, and what it consists of."""

    port: int
    rabbitmq_url: str
    processes: Processes
    state: Path


@contextmanager
def system(people: People, terminal: Terminal, *, cheap: bool) -> Iterator[System]:
    """A system with these people in it, on servers and data of its own, that are gone afterwards."""
    shutil.rmtree(STATE, ignore_errors=True)
    directory = people.directory(STATE / "directory.yaml", CHEAP if cheap else OWASP)
    told = {**os.environ, "BENCHMARK_CHEAP_HASH": "1" if cheap else "0"}
    try:
        with launched_servers(STATE, environ={}, say=terminal.say) as (servers, ours):
            port = free_port()
            launch = Launch(STATE, port, servers, kept_keys(STATE / "keys"), told, terminal)
            try:
                launch.start(ours)
                launch.load(directory)
                pids = {child.name: child.pid for child in launch.processes}
                pids |= {server.name: server.pid for server in ours}
                yield System(port, servers.rabbitmq_url, Processes(pids), STATE)
            finally:
                launch.stop()
    finally:
        shutil.rmtree(STATE, ignore_errors=True)
