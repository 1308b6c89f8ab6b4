"""What all tests can ask for: servers, a database and a broker of their own, keys."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Literal
from uuid import uuid4

import httpx
import hypothesis
import pymongo
import pytest
from pydantic import SecretStr

from ops.stack import Stack
from ops.stack import servers as private_servers
from shared.contracts.vocabulary import Service
from shared.runtime.mongo import Database, Mongo
from shared.runtime.origin import BrokerUsers
from shared.runtime.settings import Environment, Keyholder
from tests import composed
from tests.broker import Broker
from tests.browser import Browser
from tests.keys import Keys
from tests.servers import MortalBroker
from tests.servers import servers as servers_for_tests
from tests.system import System, Systems

hypothesis.settings.register_profile("untimed", deadline=None)  # a machine that is busy is no failure
hypothesis.settings.load_profile("untimed")

Driver = Literal["motor", "pymongo"]


@pytest.fixture(scope="session")
def servers_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where servers that run on this machine keep their files."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def servers(servers_state: Path) -> Iterator[Stack]:
    """Real RabbitMQ and real MongoDB, started once for all tests."""
    with servers_for_tests(servers_state) as stack:
        yield stack


@pytest.fixture(scope="session")
def mortal_servers(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that a test may kill and start again: our own, where the others belong to somebody else."""
    with ExitStack() as stack:
        ours = servers.rabbitmq is not None and servers.mongodb is not None
        state = tmp_path_factory.mktemp("mortal")
        yield servers if ours else stack.enter_context(private_servers(state, environ={}))


@pytest.fixture(scope="session")
def guarded_servers(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers with a user for each service: our own, where the others belong to somebody else."""
    with ExitStack() as stack:
        ours = servers.broker_passwords and servers.database_passwords
        state = tmp_path_factory.mktemp("guarded")
        yield servers if ours else stack.enter_context(private_servers(state, environ={}))


@pytest.fixture(scope="session")
async def mongos(servers: Stack) -> AsyncIterator[dict[Driver, Mongo]]:
    """A connection to MongoDB through each of the two drivers."""
    drivers: tuple[Driver, ...] = ("motor", "pymongo")
    async with AsyncExitStack() as stack:
        opened = {driver: Mongo(servers.mongodb_url, driver) for driver in drivers}
        for mongo in opened.values():
            stack.push_async_callback(mongo.close)
        yield opened


@pytest.fixture(params=["motor", "pymongo"])
def mongo(request: pytest.FixtureRequest, mongos: dict[Driver, Mongo]) -> Mongo:
    """The connection to MongoDB; the test runs once for each driver."""
    return mongos[request.param]


@pytest.fixture
def database_prefix(servers: Stack) -> Iterator[str]:
    """What the names of this test's databases begin with; they are dropped when it is over."""
    prefix = f"test_{uuid4().hex[:12]}_"
    yield prefix
    with pymongo.MongoClient[dict[str, object]](servers.mongodb_url) as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)


@pytest.fixture
def mongo_database(mongo: Mongo, database_prefix: str) -> Database:
    """An empty database of the test's own, through each driver in turn."""
    return mongo.database(f"{database_prefix}own")


@pytest.fixture(scope="session")
async def systems(servers: Stack, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Systems]:
    """The system that tests share."""
    kind = composed.ComposedSystem if composed.project() else System
    systems = Systems(servers, keys, tmp_path_factory.mktemp("system"), kind)
    yield systems
    await systems.stop()


@pytest.fixture
async def system(systems: Systems) -> AsyncIterator[System]:
    """All services, two instances of each, as processes; what the test has killed of them is started again."""
    system = await systems.running()
    yield system
    await system.start()


@pytest.fixture
async def mortal_system(
    servers: Stack, mortal_servers: Stack, systems: Systems, keys: Keys, tmp_path: Path
) -> AsyncIterator[System]:
    """The system on servers that the test may kill; they run again afterwards, and so does the system."""
    async with AsyncExitStack() as stack:
        shared = mortal_servers is servers
        elsewhere = System.running(mortal_servers, keys, tmp_path)
        system = await systems.running() if shared else await stack.enter_async_context(elsewhere)
        yield system
        for server in (mortal_servers.rabbitmq, mortal_servers.mongodb):
            assert server is not None
            await asyncio.to_thread(server.start)
        await system.start()


@pytest.fixture(scope="session")
async def wire() -> AsyncIterator[httpx.AsyncBaseTransport]:
    """One pool of connections for all browsers: each of its own would make a TLS context that nobody needs."""
    async with httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=200)) as wire:
        yield wire


@pytest.fixture
def browser(system: System, wire: httpx.AsyncBaseTransport) -> Callable[[], Browser]:
    """Makes browsers; each sends its requests to the two gateways in turn."""
    return lambda: Browser(wire, system.gateways)


@pytest.fixture
async def broker(servers: Stack, systems: Systems) -> AsyncIterator[Broker]:
    """The broker, with the shared topology declared and no queue of any service left over from another test."""
    await systems.stop()
    async with Broker.cleared(servers.rabbitmq_url) as broker:
        yield broker


@pytest.fixture
async def mortal_broker(mortal_servers: Stack, systems: Systems) -> AsyncIterator[MortalBroker]:
    """A broker without queues of any service, which the test may kill; it runs again afterwards."""
    assert mortal_servers.rabbitmq is not None
    await systems.stop()
    mortal = MortalBroker(mortal_servers.rabbitmq)
    async with Broker.at(mortal.url) as broker:
        await broker.clear()
    yield mortal
    await mortal.start()
    await asyncio.sleep(1)  # a queue deleted while it starts takes all dead-lettering with it (rabbitmq-server#16652)
    async with Broker.at(mortal.url) as broker:
        await broker.clear()


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Sealing keys of every service and a keyring."""
    return composed.keys() if composed.project() else Keys()


@pytest.fixture
def settings(servers: Stack, keys: Keys, database_prefix: str) -> Keyholder:
    """Settings as a service on this test's servers has them; `model_copy(update=...)` changes one."""
    return Keyholder(
        environment=Environment.DEVELOPMENT,
        rabbitmq_url=SecretStr(servers.rabbitmq_url),
        broker_users=BrokerUsers.SHARED,
        mongodb_url=SecretStr(servers.mongodb_url),
        mongodb_prefix=database_prefix,
        sealing_private_key=SecretStr(keys.private[Service.GATEWAY]),
        sealing_public_keys=keys.public,
    )
