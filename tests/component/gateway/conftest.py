"""The gateway over HTTP, on fake stores and with the services behind it played by the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from services.gateway.conversation import Conversation, Lifetimes
from services.gateway.handlers import handlers
from services.gateway.pages.destinations import Destinations
from services.gateway.portal import Stores
from services.gateway.shut_out import shutting_out
from services.gateway.web import Site, web
from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import EnrollmentStarted, Provisioning
from shared.contracts.message import Command, Event
from shared.contracts.policy import AccessGranted, OtpRequired
from shared.contracts.vocabulary import AuthenticationMethod, AuthenticatorId, FlowId, Service
from shared.runtime.router import Router
from tests.component.gateway.fakes import FakeCaller, FakeFailures, FakeFlows, FakeSessions, FakeTenants, FakeUnkept
from tests.examples import ADA, NOON, Person
from tests.fakes import ToldClock
from tests.keys import Keys

PROVISIONING = Provisioning(
    secret="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", otpauth_uri="otpauth://totp/The%20customer-1:ada", qr_svg="<svg/>"
)
LIFETIMES = Lifetimes(flow=timedelta(minutes=15), session=timedelta(hours=24))
IDLE = timedelta(hours=1)
APPLICATIONS = Destinations(("https://app.example",))


@dataclass
class World:
    """What stands around the gateway, and what the services behind it would say of a person."""

    keys: Keys
    clock: ToldClock = field(default_factory=lambda: ToldClock(NOON))
    caller: FakeCaller = field(default_factory=FakeCaller)
    missing: tuple[str, ...] = ()
    told: list[Event] = field(default_factory=list)
    """What the gateway told for the audit trail."""

    def __post_init__(self) -> None:
        self.flows = FakeFlows(self.clock)
        self.failures = FakeFailures(self.clock, most=5)
        self.sessions = FakeSessions(self.clock, IDLE, self.flows)
        self.unkept = FakeUnkept(self.clock)
        self.tenants = FakeTenants(self.clock)

    def conversation(self) -> Conversation:
        return Conversation(
            self.caller,
            self.keys.sealer(),
            self.keys.opener(Service.GATEWAY),
            self.flows,
            self.sessions,
            self.failures,
            LIFETIMES,
            self.clock,
            lambda event, _: self.told.append(event),
        )

    def app(self, *, cookie_secure: bool = True, destinations: Destinations = APPLICATIONS) -> FastAPI:
        site = Site(cookie_secure, destinations, trusted_proxies=(ip_network("10.0.0.0/8"),))
        return web(self.conversation(), Stores(self.unkept, self.tenants), self._missing, site)

    def handlers(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Router:
        """What the gateway does when it is told something."""
        return handlers(self.sessions, self.tenants, shutting_out(self.conversation(), pause))

    async def _missing(self) -> tuple[str, ...]:
        return self.missing

    def opened(self, command: Any, name: str) -> str:
        """What the service that a secret is sealed to reads in a command."""
        opener = self.keys.opener(command.to)
        return opener.open(getattr(command, name), field=name, flow=command.flow_id)

    def otp_required(self, command: Any, person: Person = ADA) -> OtpRequired:
        return OtpRequired(flow_id=command.flow_id, occurred_at=self.clock(), **dict(person.named))

    def enrollment_started(self, command: Any, person: Person = ADA, **changes: Any) -> EnrollmentStarted:
        sealed = self.keys.sealer().seal(
            PROVISIONING.model_dump_json(), recipient=Service.GATEWAY, field="provisioning", flow=command.flow_id
        )
        told: dict[str, Any] = {
            "authenticator_id": AuthenticatorId("an authenticator"),
            "provisioning": sealed,
            "expires_at": self.clock() + timedelta(minutes=14),
        }
        return EnrollmentStarted(
            flow_id=command.flow_id, occurred_at=self.clock(), **dict(person.named), **{**told, **changes}
        )

    def granted(self, command: Any, person: Person = ADA, **changes: Any) -> AccessGranted:
        told: dict[str, Any] = {
            "flow_id": command.flow_id,
            "amr": (AuthenticationMethod.PASSWORD, AuthenticationMethod.OTP),
            "assurance": 2,
            "policy_revision": 7,
            "chain": (),
        }
        return AccessGranted(
            occurred_at=self.clock(),
            **dict(person.named),
            username=person.username,
            display_name=person.display_name,
            **{**told, **changes},
        )

    def granted_by_password(self, command: Any, person: Person = ADA, **changes: Any) -> AccessGranted:
        told: dict[str, Any] = {"amr": (AuthenticationMethod.PASSWORD,), "assurance": 1}
        return self.granted(command, person, **{**told, **changes})

    def recovery_codes(self, flow: FlowId, sealed: str = '["AAAA-BBBB"]') -> str:
        return self.keys.sealer().seal(sealed, recipient=Service.GATEWAY, field="recovery_codes", flow=flow)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def world(keys: Keys) -> World:
    """The surroundings of one gateway."""
    return World(keys)


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that comes over https and keeps its cookies."""
    async with client(world.app(), "https://portal.example") as opened:
        yield opened


Login = Callable[[Callable[[Any], Any]], Awaitable[httpx.Response]]


@pytest.fixture
def log_in(world: World, browser: httpx.AsyncClient) -> Login:
    """Types a username and a password, to which the services answer as told."""

    async def log_in(answer: Callable[[Any], Any]) -> httpx.Response:
        world.caller.answers(VerifyPassword, answer)
        return await browser.post("/api/v1/login", json={"username": ADA.username, "password": ADA.password})

    return log_in


def client(app: FastAPI, base_url: str, address: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 40_000)), base_url=base_url)


def kinds(commands: list[Command]) -> list[type[Command]]:
    return [type(command) for command in commands]
