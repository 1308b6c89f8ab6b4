"""Nobody can do on the servers what is not his to do, whatever his service has been made to say."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aio_pika
import pymongo
import pytest
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.connection import make_url
from aio_pika.exceptions import ProbableAuthenticationError
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pymongo.errors import OperationFailure

from ops.privileges import USERS, permissions
from ops.stack import Stack
from ops.traffic import traffic
from shared.contracts.auth import VerifyPassword
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.gateway import SessionStarted
from shared.contracts.message import Message
from shared.contracts.policy import AccessGranted
from shared.contracts.readiness import StatusAsked
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime import topology
from shared.runtime.messaging import Envelope, Forbidden, Letter, RabbitMessenger
from tests.broker import Broker
from tests.examples import FLOW, messages
from tests.system import Systems

PREFIX = "privileges_"
UNAUTHORIZED = 13
MESSAGES: tuple[type[Message], ...] = (*COMMANDS.values(), *EVENTS.values())

Doing = Callable[[AbstractChannel], Awaitable[Any]]


@pytest.fixture(scope="module", autouse=True)
async def _provided(guarded_servers: Stack, systems: Systems) -> AsyncIterator[None]:
    """Everything is there that services need, and no service runs."""
    await systems.stop()
    async with Broker.cleared(guarded_servers.rabbitmq_url):
        await asyncio.to_thread(guarded_servers.provide, PREFIX)
        yield


@pytest.fixture(params=USERS)
async def connected(
    request: pytest.FixtureRequest, guarded_servers: Stack
) -> AsyncIterator[tuple[str, AbstractConnection]]:
    """Each user in turn, and his connection."""
    async with await aio_pika.connect(guarded_servers.access(request.param).rabbitmq_url) as connection:
        yield request.param, connection


@asynccontextmanager
async def as_gateway(guarded_servers: Stack) -> AsyncIterator[AbstractConnection]:
    async with await aio_pika.connect(guarded_servers.access(Service.GATEWAY).rabbitmq_url) as connection:
        yield connection


async def can(connection: AbstractConnection, do: Doing) -> bool:
    """Whether the broker lets this be done; it closes the channel where it does not."""
    async with connection.channel() as channel:
        try:
            await do(channel)
        except ChannelAccessRefused:
            return False
        return True


def publishing(exchange: str, key: str, **properties: Any) -> Doing:
    async def publish(channel: AbstractChannel) -> None:
        found = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await found.publish(aio_pika.Message(b"{}", **properties), key, mandatory=False)

    return publish


async def test_exactly_those_may_publish_a_message_who_may_by_its_contract(
    connected: tuple[str, AbstractConnection],
) -> None:
    user, connection = connected

    allowed = {
        kind
        for kind in MESSAGES
        if await can(connection, publishing(topology.exchange_of(kind), kind.topic, user_id=user))
    }

    assert allowed == {kind for kind in MESSAGES if user in kind.by}


async def test_nobody_can_publish_in_anothers_name(connected: tuple[str, AbstractConnection]) -> None:
    user, connection = connected
    own = next(kind for kind in MESSAGES if user in kind.by)

    for other in {*USERS, "administrator"} - {user}:
        with pytest.raises(ChannelPreconditionFailed, match="user_id"):
            await can(connection, publishing(topology.exchange_of(own), own.topic, user_id=other))


async def test_nobody_can_make_an_exchange_to_publish_through_or_take_one_away(
    connected: tuple[str, AbstractConnection],
) -> None:
    user, connection = connected

    for name in (f"{user}.mine", "wardgate.mine", f"{topology.OWN_QUEUE}mine", *topology.EXCHANGES):
        assert not await can(connection, lambda channel, name=name: channel.declare_exchange(name, ExchangeType.FANOUT))
    for name in topology.EXCHANGES:
        assert not await can(connection, lambda channel, name=name: channel.exchange_delete(name))


async def test_nobody_can_have_an_exchange_that_he_publishes_to_feed_another(
    connected: tuple[str, AbstractConnection],
) -> None:
    user, connection = connected
    publishes = [name for name in (*topology.EXCHANGES, "amq.fanout") if re.search(permissions(user)["write"], name)]

    async def bind(channel: AbstractChannel, fed: str, feeding: str) -> None:
        await (await channel.get_exchange(fed, ensure=False)).bind(feeding, "#")

    assert publishes
    for feeding in publishes:
        for fed in topology.EXCHANGES:
            assert not await can(connection, lambda channel, fed=fed, feeding=feeding: bind(channel, fed, feeding))


async def test_nobody_can_listen_to_what_is_told_to_others(connected: tuple[str, AbstractConnection]) -> None:
    _, connection = connected

    async def listen(channel: AbstractChannel, key: str | None) -> None:
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(topology.EVENTS, queue.name if key is None else key)

    assert await can(connection, lambda channel: listen(channel, None))
    assert await can(connection, lambda channel: listen(channel, StatusAsked.topic))
    for key in ("#", "*", "*.*.*", AccessGranted.topic, f"{topology.OWN_QUEUE}*", "amq.#"):
        assert not await can(connection, lambda channel, key=key: listen(channel, key))


async def test_a_service_reads_no_queue_but_its_own_and_sends_to_none(
    connected: tuple[str, AbstractConnection],
) -> None:
    user, connection = connected

    async def take(channel: AbstractChannel, queue: str) -> None:
        found = await channel.get_queue(queue, ensure=False)
        await found.consume(ignore)  # until the channel closes, and what was in hand goes back

    async def ignore(_: AbstractIncomingMessage) -> None:
        pass

    for service in Service:
        queue = topology.everything_queue(service)[0] if service is Service.AUDIT else _a_queue_of(service)
        assert await can(connection, lambda channel, queue=queue: take(channel, queue)) == (user == service)
        assert await can(connection, publishing(topology.RETRY, queue)) == (user == service)
    assert await can(connection, publishing("", "somewhere")) == (user == OPERATOR)
    assert await can(connection, lambda channel: take(channel, topology.PARKED)) == (user == OPERATOR)


def _a_queue_of(service: Service) -> str:
    return topology.work_queue(service, traffic(service).reads[0]).name


async def test_a_grant_by_the_gateway_is_refused_by_the_broker_and_what_it_may_say_is_not(
    guarded_servers: Stack,
) -> None:
    granted, started = messages()[AccessGranted.topic], messages()[SessionStarted.topic]
    messenger = RabbitMessenger()
    await messenger.open(guarded_servers.access(Service.GATEWAY).rabbitmq_url)

    with pytest.raises(Forbidden, match=r"gateway may not publish access\.granted\.v1"):
        await messenger.send(Letter.of(granted, Envelope(FLOW)))
    async with Broker.at(guarded_servers.rabbitmq_url) as broker, broker.hearing(SessionStarted.topic) as heard:
        await messenger.send(Letter.of(started, Envelope(FLOW)))
        told = await heard.next()
    await messenger.close()

    assert told.user_id == Service.GATEWAY


async def test_nobody_signs_in_with_a_password_that_is_known(guarded_servers: Stack) -> None:
    at = guarded_servers.rabbitmq_url.rpartition("@")[2]

    for user, password in (("guest", "guest"), ("gateway", ""), ("gateway", "gateway"), ("wardgate", "")):
        connection = aio_pika.Connection(make_url(f"amqp://{user}:{password}@{at}"))
        with pytest.raises(ProbableAuthenticationError):
            await connection.connect()
        await connection.close()


async def test_exchanges_of_an_earlier_version_are_made_anew_and_queues_keep_what_is_in_them(
    guarded_servers: Stack,
) -> None:
    queue = f"auth.{VerifyPassword.topic}"
    async with Broker.at(guarded_servers.rabbitmq_url) as broker:
        await broker.take(queue)
        await broker.put("", queue, b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    async with await aio_pika.connect(guarded_servers.rabbitmq_url) as connection, connection.channel() as channel:
        await channel.exchange_delete(topology.COMMANDS)
        await channel.declare_exchange(topology.COMMANDS, ExchangeType.DIRECT, durable=True)

    await asyncio.to_thread(guarded_servers.provide, PREFIX)

    async with Broker.at(guarded_servers.rabbitmq_url) as broker, as_gateway(guarded_servers) as gateway:
        assert [message.body for message in await broker.take(queue)] == [b"kept"]
        import_users = publishing(topology.COMMANDS, "import-users.v1", user_id="gateway")
        assert not await can(gateway, import_users)
        assert await can(gateway, publishing(topology.COMMANDS, VerifyPassword.topic, user_id="gateway"))
        assert len(await broker.take(queue)) == 1


@pytest.mark.parametrize("user", USERS)
def test_a_database_is_read_and_written_by_its_service_alone(guarded_servers: Stack, user: str) -> None:
    names = [f"{PREFIX}{service}" for service in Service]
    with pymongo.MongoClient[dict[str, Any]](guarded_servers.mongodb_url) as administrator:
        for name in names:
            administrator[name].things.insert_one({"_id": str(uuid4()), "secret": True})

    with pymongo.MongoClient[dict[str, Any]](guarded_servers.access(user, PREFIX).mongodb_url) as client:
        read = {name for name in names if _is_done(lambda name=name: client[name].things.find_one())}
        written = {name for name in names if _is_done(lambda name=name: client[name].things.insert_one({}))}
        rules = {
            name for name in (*names, "admin", "local", "config") if _is_done(lambda name=name: _rule(client[name]))
        }

    assert read == {f"{PREFIX}{Service.AUDIT if user == OPERATOR else user}"}
    assert written == ({f"{PREFIX}{user}"} if user != OPERATOR else set())
    assert rules == set()


def _is_done(do: Callable[[], object]) -> bool:
    try:
        do()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


def _rule(database: pymongo.database.Database[dict[str, Any]]) -> None:
    database.command("createUser", "another", pwd="another", roles=[])


def test_nobody_reads_anything_without_a_password(guarded_servers: Stack) -> None:
    hosts = guarded_servers.mongodb_url.rpartition("@")[2].partition("/")[0]

    with pymongo.MongoClient[dict[str, Any]](f"mongodb://{hosts}/?directConnection=true") as stranger:
        assert not _is_done(stranger[f"{PREFIX}enrollment"].things.find_one)
        assert not _is_done(lambda: _rule(stranger["admin"]))
