"""What must be there before the services start, since none of them may make it: exchanges, queues, users.

Whoever runs the servers does this, as their administrator, before each start of another version: as often as he likes.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelPreconditionFailed
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from ops.privileges import database_users
from ops.traffic import services, traffic
from shared.contracts.message import Message
from shared.contracts.vocabulary import Service
from shared.runtime import topology

_AT_ONCE = 8
"""Queues that are declared at a time: a quorum queue takes its while to be made."""
_IS_THERE_ALREADY = 51003
_PATIENCE = 5.0
"""Seconds to wait for a server."""


async def provide_broker(url: str) -> None:
    """Declare every exchange and every queue, with its bindings. Raises `aiormq.exceptions.AMQPError` and `OSError`."""
    async with await aio_pika.connect(url, timeout=_PATIENCE) as connection:
        await _make_room(connection)
        async with connection.channel() as channel:
            await topology.declare(channel)
        waiting = iter([(service, kind) for service in services() for kind in traffic(service).reads])
        await asyncio.gather(*(_declare(connection, waiting) for _ in range(_AT_ONCE)))


async def _make_room(connection: AbstractConnection) -> None:
    """Take away exchanges that are of another type, from an earlier version. Queues, and what is in them, stay."""
    for name, kind in topology.EXCHANGES.items():
        async with connection.channel() as channel:
            try:
                await channel.declare_exchange(name, kind, durable=True)
            except ChannelPreconditionFailed:
                async with connection.channel() as another:
                    await another.exchange_delete(name)


async def _declare(connection: AbstractConnection, waiting: Iterable[tuple[Service, type[Message]]]) -> None:
    async with connection.channel() as channel:
        for service, kind in waiting:
            await topology.declare_work_queue(channel, service, kind)


def has_transactions(url: str) -> bool:
    """Whether this MongoDB is a replica set, or a cluster of some: on a single server there are none.

    Raises `PyMongoError`.
    """
    with _client(url) as client:
        said = client.admin.command("hello")
    return "setName" in said or said.get("msg") == "isdbgrid"


def provide_database(url: str, passwords: Mapping[str, str], prefix: str) -> None:
    """Make every user of the databases of this prefix, each with its password and its rights. Raises `PyMongoError`."""
    with _client(url) as client:
        for user in database_users(prefix):
            try:
                client[user.database].command(user.made(passwords[user.name]))
            except OperationFailure as error:
                if error.code != _IS_THERE_ALREADY:
                    raise
                client[user.database].command(user.made_again(passwords[user.name]))


def _client(url: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(url, serverSelectionTimeoutMS=int(_PATIENCE * 1000))
