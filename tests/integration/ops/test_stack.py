"""Private servers: real ones, that lose nothing when they are killed and leave nothing behind."""

import signal
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import pytest
from pymongo import MongoClient

from ops.ports import LOOPBACK
from ops.servers import Server
from ops.stack import Stack, servers
from tests.processes import descendants, program, watched


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("private")


@pytest.fixture(scope="module")
async def private(state: Path) -> AsyncIterator[Stack]:
    """Servers of this module's own, in their second life: they were stopped once, and then somebody took their ports.

    What is in them is on the disk: a RabbitMQ 3.10 that is killed within half a second of making a quorum queue forgets
    that it leads it.
    """
    with servers(state, environ={}) as first:
        await say(first.rabbitmq_url, "from the first life")
        count(first.mongodb_url, insert=True)
    for server in ("rabbitmq", "mongodb"):
        (state / server / "ports.json").unlink()
    with servers(state, environ={}) as stack:
        assert stack.mongodb_url != first.mongodb_url
        yield stack


async def say(url: str, text: str) -> None:
    """Put a message into a queue that outlives the broker."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(text.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key="kept")


async def hear(url: str) -> str:
    """Take the message out again."""
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get()
        await message.ack()
        return message.body.decode()


def count(url: str, *, insert: bool = False) -> int:
    """How many documents there are, after one more was inserted or not."""
    with MongoClient[dict[str, Any]](url) as client:
        if insert:
            client.test.kept.insert_one({})
        return client.test.kept.count_documents({})


async def test_servers_come_back_with_their_data_even_on_other_ports(private: Stack) -> None:
    assert await hear(private.rabbitmq_url) == "from the first life"
    assert count(private.mongodb_url) == 1


async def test_a_killed_broker_comes_back_at_the_same_url_with_its_messages(private: Stack) -> None:
    rabbitmq = mine(private.rabbitmq)
    await say(private.rabbitmq_url, "still here")
    before = rabbitmq.pid

    rabbitmq.kill()
    with pytest.raises(ConnectionError), socket.create_connection((LOOPBACK, urlsplit(private.rabbitmq_url).port)):
        pass
    rabbitmq.start()

    assert rabbitmq.pid != before
    assert await hear(private.rabbitmq_url) == "still here"


def test_a_killed_database_comes_back_at_the_same_url_with_its_documents(private: Stack) -> None:
    mongodb = mine(private.mongodb)
    before = count(private.mongodb_url, insert=True)

    mongodb.kill()
    mongodb.start()

    assert count(private.mongodb_url) == before


def test_a_server_that_runs_is_not_started_twice(private: Stack) -> None:
    mongodb = mine(private.mongodb)
    before = mongodb.pid

    mongodb.start()

    assert mongodb.pid == before


def test_the_servers_answer_on_the_loopback_interface_only(private: Stack) -> None:
    for server in (mine(private.rabbitmq), mine(private.mongodb)):
        listening = listeners(server.pid)
        assert listening
        assert listening <= {LOOPBACK}, server.name


def test_the_broker_has_no_password_that_is_known(private: Stack, state: Path) -> None:
    assert "guest" not in private.rabbitmq_url
    for file in ("passwords.json", "definitions.json", "rabbitmq.conf", ".erlang.cookie"):
        assert stat.S_IMODE((state / "rabbitmq" / file).stat().st_mode) & 0o077 == 0


def test_the_passwords_of_the_database_are_for_the_owner_only(private: Stack, state: Path) -> None:
    assert private.mongodb is not None
    for file in ("passwords.json", "key"):
        assert stat.S_IMODE((state / "mongodb" / file).stat().st_mode) & 0o077 == 0


async def test_servers_do_not_outlive_a_process_that_is_killed_and_lose_nothing_by_it(tmp_path: Path) -> None:
    code = f"""
import signal
from pathlib import Path
from ops.stack import servers
with servers(Path({str(tmp_path)!r}), environ={{}}) as stack:
    print(stack.rabbitmq_url, flush=True)
    signal.pause()
"""
    with program(code) as launcher:
        url = launcher.wait_for("amqp://").strip()
        started = descendants(launcher.pid)
        assert all(name in " ".join(started.values()) for name in ("mongod", "epmd", "beam.smp"))

        with watched(list(started)) as servers_of_it:
            await say(url, "a queue that was just made")
            launcher.signal(signal.SIGKILL)
            launcher.end()
            with servers(tmp_path, environ={}) as again:  # at once, while the earlier ones may still be ending
                assert servers_of_it.still_running() == 0
                assert await hear(again.rabbitmq_url) == "a queue that was just made"


def test_servers_of_the_environment_belong_to_somebody_else(tmp_path: Path) -> None:
    environ = {"RABBITMQ_URL": "amqp://elsewhere", "MONGODB_URL": "mongodb://elsewhere"}

    with servers(tmp_path, environ=environ) as stack:
        assert stack == Stack("amqp://elsewhere", "mongodb://elsewhere", None, None)


def mine(server: Server | None) -> Server:
    """A server that is ours to kill."""
    assert server is not None
    return server


def listeners(pid: int) -> set[str]:
    """The IPv4 addresses on which a process listens."""
    sockets = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {
        ".".join(str(byte) for byte in bytes.fromhex(row[1].partition(":")[0])[::-1])
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
    }
