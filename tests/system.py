"""The whole system as processes of their own, any number of each service, on the servers of the tests."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Self
from uuid import uuid4

import httpx

from ops.children import Child
from ops.ports import LOOPBACK, free_port
from ops.running import Running
from ops.services import service, services
from ops.stack import Stack
from ops.supervisor import stop_all
from ops.traffic import traffic
from shared.contracts.auth import ImportedUser, ImportUsers, UsersImported
from shared.contracts.enrollment import ImportAuthenticators, ImportedAuthenticator
from shared.contracts.message import Command, Event
from shared.contracts.policy import AuthenticatorsNoted, ImportedTenant, ImportTenants, TenantsImported
from shared.contracts.vocabulary import OPERATOR, FlowId, Service
from shared.crypto.otp import key_uri, new_secret, to_base32
from shared.crypto.passwords import CHEAP, OWASP, Parameters, Passwords
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger
from shared.runtime.topology import work_queue
from tests.app import App
from tests.broker import Broker
from tests.examples import TENANTS, Person
from tests.keys import Keys

READY_WITHIN = 60.0
STOPS_WITHIN = 15.0
SETTLED_WITHIN = 30.0

Retell = Callable[[Service, dict[str, str]], dict[str, str]]
"""Changes what a service is told by its environment."""
Run = Mapping[Service, Sequence[str]]
"""Modules, with arguments, that take the place of `SERVING` in the command of a service."""
SERVING = "shared.runtime.serving"

_HASHES: dict[tuple[str, Parameters], str] = {}
_QUEUES = tuple(work_queue(service, kind).name for service in Service for kind in traffic(service).reads)


class Instance:
    """One process of a service."""

    def __init__(
        self, name: str, number: int, log: Path, environment: dict[str, str], run: Sequence[str] = (SERVING,)
    ) -> None:
        self.service = Service(name)
        self.log = log
        self._port = free_port()
        self.child: Child = service(name, self._port, environment=environment, log=log)
        self.child.name = f"{name} {number}"
        module = self.child.command.index(SERVING)
        self.child.command[module : module + 1] = run

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self._port}"

    def kill(self) -> None:
        """End it at once."""
        self.child.kill()

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let it neither read nor answer until the block ends, as a machine that hangs."""
        os.kill(self.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.child.pid, signal.SIGCONT)


class System:
    """All services, with one way in for a browser and another for whoever may import."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a system is made of
        self,
        servers: Stack,
        keys: Keys,
        state: Path,
        instances: int,
        settings: Mapping[str, str],
        retell: Retell = lambda _, told: told,
        run: Run = MappingProxyType({}),
    ) -> None:
        self.servers = servers
        self.keys = keys
        self.state = state
        self.prefix = f"test_{uuid4().hex[:12]}_"
        self._cost = CHEAP if settings.get("BENCHMARK_CHEAP_HASH") == "1" else OWASP
        self.instances = [
            Instance(
                name,
                number,
                state / f"{name}-{number}.log",
                retell(Service(name), {**self._environment(Service(name)), **settings}),
                run.get(Service(name), (SERVING,)),
            )
            for name in services()
            for number in range(instances)
        ]
        self._callers: dict[str, Caller] = {}

    @classmethod
    @asynccontextmanager
    async def running(  # noqa: PLR0913 - what a system is made of
        cls,
        servers: Stack,
        keys: Keys,
        state: Path,
        *,
        instances: int = 2,
        retell: Retell = lambda _, told: told,
        run: Run = MappingProxyType({}),
        **settings: str,
    ) -> AsyncIterator[Self]:
        """Start everything and load the accounts of the examples; stop it when the block ends."""
        system = cls(servers, keys, state, instances, settings, retell, run)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(
                asyncio.to_thread, stop_all, [instance.child for instance in system.instances], STOPS_WITHIN
            )
            await asyncio.to_thread(servers.provide, system.prefix)
            await system.start()
            for user in (Service.GATEWAY, OPERATOR):
                access = servers.access(user)
                messenger = RabbitMessenger(access.broker_users)
                stack.push_async_callback(messenger.close)
                await messenger.open(access.rabbitmq_url)
                system._callers[user] = caller = Caller(messenger, now)
                stack.push_async_callback(caller.close)
                await caller.open()
            await system.load(TENANTS)
            yield system

    def of(self, name: Service) -> list[Instance]:
        """The instances of one service."""
        return [instance for instance in self.instances if instance.service is name]

    @property
    def gateways(self) -> list[str]:
        """Where the gateways listen."""
        return [instance.url for instance in self.of(Service.GATEWAY)]

    async def start(self, *services: Service) -> None:
        """Start what does not run, of these services or of all, and return when it does its work."""
        instances = [instance for instance in self.instances if not services or instance.service in services]
        for instance in instances:
            instance.child.launch()
        async with asyncio.timeout(READY_WITHIN), httpx.AsyncClient() as client:
            await asyncio.gather(*(self._ready(client, instance) for instance in instances))

    async def ask(self, command: Command, patience: timedelta = timedelta(seconds=60)) -> Event:
        """Ask a service directly, as the gateway or the command line does, whoever may."""
        caller = self._callers[OPERATOR if OPERATOR in command.by else Service.GATEWAY]
        return await caller.ask(command, getattr(command, "flow_id", ""), patience)

    @property
    def as_operator(self) -> Running:
        """The system as the command line finds it."""
        access = self.servers.access(OPERATOR, self.prefix)
        users = access.broker_users
        return Running(self.gateways[0], access.rabbitmq_url, access.mongodb_url, self.keys.public, users, self.prefix)

    async def load(self, tenants: Sequence[ImportedTenant]) -> None:
        """Load accounts."""
        told = await self.ask(ImportTenants(flow_id=_new_flow(), tenants=tuple(tenants), check_only=False))
        assert isinstance(told, TenantsImported), told

    async def hire(self, *people: Person, disabled: bool = False) -> None:
        """Load users."""
        users = tuple(_imported(person, self._cost).model_copy(update={"disabled": disabled}) for person in people)
        told = await self.ask(ImportUsers(flow_id=_new_flow(), users=users, check_only=False))
        assert isinstance(told, UsersImported), told

    async def bring(self, person: Person) -> App:
        """Load a user together with an authenticator that he has already."""
        (uri,) = await self.bring_all(person)
        return App(uri)

    async def bring_all(self, *people: Person) -> list[str]:
        """Load users together with their authenticators; what an app is told of each is returned."""
        flow, sealer = _new_flow(), self.keys.sealer()
        secrets = [new_secret() for _ in people]
        brought = tuple(
            ImportedAuthenticator(
                **dict(person.named),
                username=person.username,
                issuer="Old",
                secret=sealer.seal(to_base32(secret), recipient=Service.ENROLLMENT, field="secret", flow=flow),
            )
            for person, secret in zip(people, secrets, strict=True)
        )
        told = await self.ask(ImportAuthenticators(flow_id=flow, authenticators=brought, check_only=False))
        assert isinstance(told, AuthenticatorsNoted), told
        await self.hire(*people)
        return [
            key_uri(secret, issuer="Old", username=person.username)
            for person, secret in zip(people, secrets, strict=True)
        ]

    async def settled(self) -> None:
        """Return when no message waits in any queue, and none was handled for half a second."""
        before = -1.0
        async with asyncio.timeout(SETTLED_WITHIN), Broker.at(self.servers.rabbitmq_url) as broker:
            while True:
                waiting = await broker.waiting(_QUEUES)
                handled = await self._handled()
                if not waiting and handled == before:
                    return
                before = handled
                await asyncio.sleep(0.5)

    async def _handled(self) -> float:
        """How many messages all instances together have handled since they were started."""
        async with httpx.AsyncClient() as client:
            told = await asyncio.gather(*(client.get(f"{instance.url}/metrics") for instance in self.instances))
        lines = [line for response in told for line in response.text.splitlines()]
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("wardgate_messages_total{"))

    def logs(self, instances: Iterable[Instance] | None = None) -> str:
        """Everything that was logged so far."""
        return "".join(instance.log.read_text() for instance in instances or self.instances if instance.log.exists())

    def _environment(self, name: Service) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "ENVIRONMENT": "development",
            **self.servers.access(name, self.prefix).environment,
            "MONGODB_PREFIX": self.prefix,
            "OUTBOX_SWEEP_SECONDS": "1",
            "BROKER_WATCH_SECONDS": "1",
            "LOG_LEVEL": "DEBUG",
            **({"COOKIE_SECURE": "false"} if name is Service.GATEWAY else {}),
            **self.keys.environment(name),
        }

    @staticmethod
    async def _ready(client: httpx.AsyncClient, instance: Instance) -> None:
        while True:
            assert instance.child.is_running, f"{instance.child.name} ended: {instance.log.read_text()[-2000:]}"
            try:
                if (await client.get(f"{instance.url}/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


class Systems:
    """The one system that many tests share, started when the first of them asks for it."""

    def __init__(self, servers: Stack, keys: Keys, state: Path, kind: type[System] = System) -> None:
        self._kind = kind
        self._servers = servers
        self._keys = keys
        self._state = state
        self._stack = AsyncExitStack()
        self._running: System | None = None
        self._so: tuple[int, dict[str, str]] = (0, {})

    async def running(self, *, instances: int = 2, **settings: str) -> System:
        """The system, started if it does not run so."""
        if self._so != (instances, settings):
            await self.stop()
        if self._running is None:
            starting = self._kind.running(self._servers, self._keys, self._state, instances=instances, **settings)
            self._running = await self._stack.enter_async_context(starting)
            self._so = (instances, settings)
        return self._running

    async def stop(self) -> None:
        """Stop it, if it runs: who needs the broker for himself clears all queues."""
        self._running = None
        await self._stack.aclose()


def _new_flow() -> FlowId:
    return FlowId(str(uuid4()))


def _imported(person: Person, cost: Parameters) -> ImportedUser:
    if (person.password, cost) not in _HASHES:
        _HASHES[person.password, cost] = Passwords(cost).hash(person.password)
    return ImportedUser(
        **dict(person.named),
        username=person.username,
        display_name=person.display_name,
        password_hash=_HASHES[person.password, cost],
    )
