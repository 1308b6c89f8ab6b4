"""Auth, policy and enrollment joined in memory, on a clock that is told the time."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from services.auth.cores import Cores
from services.auth.domain.attempts import ledger_key
from services.auth.handlers import Books
from services.auth.handlers import handlers as auth
from services.auth.store import Ledgers
from services.auth.store import Store as AuthStore
from services.enrollment.domain.vault import Vault
from services.enrollment.handlers import handlers as enrollment
from services.enrollment.store import Store as EnrollmentStore
from services.policy.handlers import handlers as policy
from services.policy.store import Store as PolicyStore
from shared.contracts.auth import ImportedUser, ImportUsers, UsersImported, VerifyPassword
from shared.contracts.enrollment import ConfirmEnrollment, EnrollmentStarted, ResumeEnrollment, VerifyOtp
from shared.contracts.message import Event
from shared.contracts.policy import AccessGranted, ImportedTenant, ImportTenants, SkipEnrollment, TenantsImported
from shared.contracts.vocabulary import AuthenticatorType, FlowId, Service
from shared.crypto.keyring import Keyring
from shared.crypto.passwords import Parameters, Passwords
from shared.runtime.mongo import Mongo
from shared.runtime.outbox import Outbox
from shared.runtime.settings import Keyholder
from tests.conftest import Driver
from tests.examples import NOON, TENANTS, Person
from tests.fakes import FakeWire, ToldClock
from tests.keys import Keys
from tests.phone import Phone

CHEAP = Parameters(memory=8, passes=1)
START = NOON.replace(year=2050)
"""Far ahead of the time of the machine, by which MongoDB removes what has expired."""


@dataclass
class Login:
    """One login, as the gateway leads it."""

    services: "Joined"
    person: Person
    flow: FlowId

    async def begin(self) -> Event:
        """Show the password."""
        return await self.services.wire.ask(
            VerifyPassword(
                flow_id=self.flow,
                username=self.person.username,
                password=self._sealed(self.person.password, Service.AUTH, "password"),
            ),
            self.flow,
        )

    async def resume(self) -> Event:
        """Look at the enrollment once more."""
        return await self.services.wire.ask(ResumeEnrollment(**self._named()), self.flow)

    async def confirm(self, code: str) -> Event:
        """Type the first code of a new app."""
        sealed = self._sealed(code, Service.ENROLLMENT, "code")
        return await self.services.wire.ask(ConfirmEnrollment(**self._named(), code=sealed), self.flow)

    async def verify(self, code: str, method: AuthenticatorType = AuthenticatorType.TOTP) -> Event:
        """Type a code."""
        sealed = self._sealed(code, Service.ENROLLMENT, "code")
        return await self.services.wire.ask(VerifyOtp(**self._named(), method=method, code=sealed), self.flow)

    async def skip(self) -> Event:
        """Put the enrollment off."""
        return await self.services.wire.ask(SkipEnrollment(**self._named()), self.flow)

    def _named(self) -> dict[str, Any]:
        return {"flow_id": self.flow, **dict(self.person.named)}

    def _sealed(self, text: str, recipient: Service, field: str) -> str:
        return self.services.keys.sealer().seal(text, recipient=recipient, field=field, flow=self.flow)


@dataclass
class Joined:
    """The three services, the wire between them, and the time that they are told."""

    wire: FakeWire
    clock: ToldClock
    keys: Keys

    def login(self, person: Person) -> Login:
        """A login that has not begun."""
        return Login(self, person, FlowId(str(uuid4())))

    async def enrolled(self, person: Person) -> Phone:
        """Take somebody through his enrollment; his app has shown the code of now."""
        login = self.login(person)
        phone = self.phone(await login.begin())
        await login.confirm(phone.code(self.clock()))
        return phone

    def phone(self, started: Event) -> Phone:
        """An app that has scanned what an enrollment shows."""
        assert isinstance(started, EnrollmentStarted)
        return Phone.scanning(started, self.keys.opener(Service.GATEWAY))

    def recovery_codes(self, granted: AccessGranted) -> list[str]:
        """The codes that are shown with a grant."""
        opener = self.keys.opener(Service.GATEWAY)
        assert granted.recovery_codes is not None
        codes: list[str] = json.loads(opener.open(granted.recovery_codes, field="recovery_codes", flow=granted.flow_id))
        return codes

    async def load(self, *tenants: ImportedTenant) -> None:
        """Load accounts."""
        flow = FlowId(str(uuid4()))
        told = await self.wire.ask(ImportTenants(flow_id=flow, tenants=tenants, check_only=False), flow)
        assert isinstance(told, TenantsImported)

    async def hire(self, person: Person) -> Person:
        """Load a user."""
        flow, hashed = FlowId(str(uuid4())), Passwords(CHEAP).hash(person.password)
        named = {"username": person.username, "display_name": person.display_name}
        user = ImportedUser(**dict(person.named), **named, password_hash=hashed)
        told = await self.wire.ask(ImportUsers(flow_id=flow, users=(user,), check_only=False), flow)
        assert isinstance(told, UsersImported)
        return person


@pytest.fixture
async def joined(
    mongos: dict[Driver, Mongo], database_prefix: str, keys: Keys, settings: Keyholder
) -> AsyncIterator[Joined]:
    """The services, with the accounts of the examples."""
    clock, wire = ToldClock(START), FakeWire()
    mongo = mongos["motor"]
    databases = {service: mongo.database(f"{database_prefix}{service}") for service in Service}

    def outbox(service: Service, collection: str) -> Outbox:
        return Outbox(databases[service][collection], wire, clock)

    users = AuthStore(databases[Service.AUTH], outbox(Service.AUTH, "users"))
    ledgers = Ledgers(databases[Service.AUTH], outbox(Service.AUTH, "attempts"), clock)
    accounts = PolicyStore(databases[Service.POLICY], mongo.transaction, outbox(Service.POLICY, "tenants"))
    owners = EnrollmentStore(databases[Service.ENROLLMENT], outbox(Service.ENROLLMENT, "users"))
    for store in (users, ledgers, accounts, owners):
        await store.prepare()
    books = Books(users, ledgers, ledger_key(keys.private[Service.AUTH]))
    vault = Vault(Keyring.parse(keys.keyring), keys.sealer())
    routers = (
        auth(books, keys.opener(Service.AUTH), Passwords(CHEAP), Cores(1), clock),
        policy(accounts, clock),
        enrollment(owners, keys.opener(Service.ENROLLMENT), vault, clock),
    )
    async with wire.joining(*routers, settings=settings):
        services = Joined(wire, clock, keys)
        await services.load(*TENANTS)
        yield services
