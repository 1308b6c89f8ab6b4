"""Everything that an operator, or a thief of disks, could look at."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bson
import pymongo
from aio_pika.abc import AbstractIncomingMessage

from shared.contracts.catalogue import COMMANDS
from shared.runtime import topology
from tests.broker import Broker, Heard
from tests.system import System


class Spyglass:
    """Looks at the wire, the databases, the logs and the files of a system."""

    def __init__(self, system: System, files: Path, taps: list[Heard]) -> None:
        self._system = system
        self._files = files
        self._taps = taps
        self._seen: list[AbstractIncomingMessage] = []

    @classmethod
    @asynccontextmanager
    async def on(cls, system: System, files: Path) -> AsyncIterator["Spyglass"]:
        """See every message that is published until the block ends."""
        async with (
            Broker.at(system.servers.rabbitmq_url) as broker,
            broker.hearing(*COMMANDS, exchange=topology.COMMANDS) as commands,
            broker.hearing() as events,
            broker.hearing(exchange=topology.RETRY) as retried,
            broker.hearing(exchange=topology.PARKED) as parked,
        ):
            yield cls(system, files, [commands, events, retried, parked])

    def wire(self) -> list[bytes]:
        """Every message, with its headers and its properties."""
        for tap in self._taps:
            while not tap.messages.empty():
                self._seen.append(tap.messages.get_nowait())
        return [repr(message.info()).encode() + message.body for message in self._seen]

    def documents(self) -> list[bytes]:
        """Every document of every service, as it is stored."""
        return [bson.encode(document) for document in self._documents()]

    def logs(self) -> bytes:
        """Every line that a service has logged."""
        return self._system.logs().encode()

    def files(self) -> list[tuple[Path, bytes]]:
        """Every file of servers that run on this machine: data, journals, indexes, logs."""
        with pymongo.MongoClient[dict[str, Any]](self._system.servers.mongodb_url) as client:
            client.admin.command("fsync")
        return [(path, path.read_bytes()) for path in sorted(self._files.rglob("*")) if path.is_file()]

    def _documents(self) -> Iterator[dict[str, Any]]:
        with pymongo.MongoClient[dict[str, Any]](self._system.servers.mongodb_url) as client:
            for name in client.list_database_names():
                if name.startswith(self._system.prefix):
                    for collection in client[name].list_collection_names():
                        yield from client[name][collection].find()
