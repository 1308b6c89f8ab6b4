"""Policy at work on a real MongoDB, told one message after the other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

from services.policy.handlers import handlers
from services.policy.store import Store
from shared.contracts.auth import LoginSucceeded
from shared.contracts.enrollment import EnrollmentConfirmed, OtpVerified
from shared.contracts.message import Event, Message
from shared.contracts.policy import (
    AccessGranted,
    EnforcementChanged,
    ImportedTenant,
    ImportTenants,
    SkipEnrollment,
    TenantDescribed,
    TenantsImported,
)
from shared.contracts.vocabulary import (
    AuthenticatorId,
    AuthenticatorType,
    FlowId,
)
from shared.runtime.mongo import Database, Mongo
from shared.runtime.outbox import Outbox
from shared.runtime.router import Told
from tests import examples
from tests.examples import (
    FLOW,
    TENANTS,
    Person,
)
from tests.fakes import FakeMessenger, ToldClock

NOON = examples.NOON.replace(year=2126)
"""A century ahead: what is past by the database's own clock is cleared away under the hands of a test."""
WEEK = timedelta(days=7)
DAY = timedelta(days=1)


@dataclass
class Policy:
    """Policy on a real database, told messages one by one."""

    database: Database
    mongo: Mongo
    messenger: FakeMessenger
    clock: ToldClock

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.database["tenants"], self.messenger, self.clock)
        self.store = Store(self.database, self.mongo.transaction, self.outbox)
        readings = handlers(self.store, self.clock).readings
        self._handlers: dict[type[Message], Callable[[Any], Awaitable[Told]]] = {
            reading.message: reading.handler for reading in readings
        }

    @classmethod
    async def over(cls, database: Database, mongo: Mongo) -> Self:
        """Policy that has taken the accounts of `tests.examples`."""
        policy = cls(database, mongo, FakeMessenger(), ToldClock(NOON))
        await policy.store.prepare()
        await policy.outbox.prepare()
        await policy.take(*TENANTS)
        return policy

    def twin(self) -> Self:
        """Another instance over the same database."""
        return replace(self)

    async def hear(self, message: Message) -> Told:
        return await self._handlers[type(message)](message)

    async def take(self, *tenants: ImportedTenant, check_only: bool = False) -> tuple[int, int]:
        told = await self.hear(ImportTenants(flow_id=FLOW, tenants=tenants, check_only=check_only))
        assert isinstance(told, TenantsImported)
        return told.created, told.changed

    async def flow(self, flow_id: FlowId) -> dict[str, Any]:
        found = await self.database["flows"].find_one({"_id": flow_id})
        assert found is not None
        return found

    def told(self) -> list[EnforcementChanged]:
        """What was told of enforcement."""
        letters = [letter for letter in self.messenger.letters if letter.routing_key == EnforcementChanged.topic]
        return [EnforcementChanged.model_validate_json(letter.body) for letter in letters]

    def described(self) -> list[TenantDescribed]:
        """What was told of how accounts present themselves."""
        letters = [letter for letter in self.messenger.letters if letter.routing_key == TenantDescribed.topic]
        return [TenantDescribed.model_validate_json(letter.body) for letter in letters]

    async def waiting(self) -> list[str]:
        """The accounts of which something is still to be told."""
        return [found["_id"] async for found in self.database["tenants"].find({"outbox": {"$exists": True}})]

    def login(self, person: Person, flow_id: FlowId = FLOW) -> LoginSucceeded:
        return LoginSucceeded(
            occurred_at=self.clock(),
            flow_id=flow_id,
            **dict(person.named),
            username=person.username,
            display_name=person.display_name,
        )

    def code(self, person: Person, flow_id: FlowId = FLOW) -> OtpVerified:
        return OtpVerified(
            occurred_at=self.clock(), flow_id=flow_id, **dict(person.named), method=AuthenticatorType.TOTP
        )

    def enrollment(self, person: Person, flow_id: FlowId = FLOW) -> EnrollmentConfirmed:
        return EnrollmentConfirmed(
            occurred_at=self.clock(),
            flow_id=flow_id,
            **dict(person.named),
            authenticator_id=AuthenticatorId("an authenticator"),
            recovery_codes="sealed",
        )

    def skip(self, person: Person, flow_id: FlowId = FLOW) -> SkipEnrollment:
        return SkipEnrollment(flow_id=flow_id, **dict(person.named))


def another_flow() -> FlowId:
    return FlowId(str(uuid4()))


def grant(told: Told) -> AccessGranted:
    assert isinstance(told, AccessGranted)
    return told


def same(once: Told, twice: Told) -> bool:
    """Whether both tell the same; the ids are given when they are sent."""
    assert isinstance(once, Event)
    assert isinstance(twice, Event)
    return type(once) is type(twice) and once.model_copy(update={"id": twice.id}) == twice


def unnumbered(flow: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flow.items() if name != "revision"}
