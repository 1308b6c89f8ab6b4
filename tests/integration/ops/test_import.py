"""A directory is loaded through auth, policy and enrollment on real servers: whole or not at all, and only once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ops.directory import DirectoryError
from ops.importing import Summary, import_directory
from ops.running import Running
from services.auth.cores import Cores
from services.auth.handlers import Books
from services.auth.handlers import handlers as auth
from services.auth.store import Ledgers
from services.auth.store import Store as AuthStore
from services.enrollment.domain.vault import Vault
from services.enrollment.handlers import handlers as enrollment
from services.enrollment.store import Store as EnrollmentStore
from services.policy.handlers import handlers as policy
from services.policy.store import Store as PolicyStore
from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import EnrollmentStarted
from shared.contracts.message import Event
from shared.contracts.policy import AccessGranted, OtpRequired
from shared.contracts.vocabulary import FlowId, Service
from shared.crypto.keyring import Keyring
from shared.crypto.passwords import Parameters, Passwords
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger
from shared.runtime.mongo import Database, Mongo
from shared.runtime.origin import BrokerUsers
from shared.runtime.outbox import Outbox
from shared.runtime.settings import Keyholder
from tests.keys import Keys
from tests.serving import RealWire, serving

pytestmark = [pytest.mark.usefixtures("broker"), pytest.mark.parametrize("mongo", ["motor"], indirect=True)]

CHEAP = Passwords(Parameters(memory=8, passes=1))

DIRECTORY = f"""
tenants:
- {{id: vendor, kind: vendor, name: Northwind Cloud, enforcement: {{staff: optional, customers: required}}}}
- {{id: customer, kind: customer, parent: vendor, name: Café}}
users:
- {{username: ada, tenant: customer, password: "a, b # c"}}
- {{username: bob, tenant: customer, password_hash: "{CHEAP.hash("bob's")}",
   totp_secret: GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ}}
- {{username: clara, tenant: vendor, password: "clara's"}}
"""


class System:
    """Auth, policy and enrollment on this test's servers, or those of them that are not away."""

    def __init__(self, settings: Keyholder, keys: Keys, mongo: Mongo, folder: Path) -> None:
        self._settings = settings
        self._keys = keys
        self._mongo = mongo
        self._file = folder / "directory.yaml"

    def database(self, service: Service) -> Database:
        return self._mongo.database(f"{self._settings.mongodb_prefix}{service}")

    @asynccontextmanager
    async def serving(self, *, away: Service | None = None) -> AsyncIterator[RealWire]:
        url = self._settings.rabbitmq_url.get_secret_value()
        messenger = RabbitMessenger(BrokerUsers.SHARED)
        await messenger.open(url)
        outboxes = {service: Outbox(self.database(service)[_KEPT_IN[service]], messenger, now) for service in _KEPT_IN}
        in_auth = self.database(Service.AUTH)
        users = AuthStore(in_auth, outboxes[Service.AUTH])
        books = Books(users, Ledgers(in_auth, Outbox(in_auth["attempts"], messenger, now), now), b"a key")
        accounts = PolicyStore(self.database(Service.POLICY), self._mongo.transaction, outboxes[Service.POLICY])
        owners = EnrollmentStore(self.database(Service.ENROLLMENT), outboxes[Service.ENROLLMENT])
        vault = Vault(Keyring.parse(self._keys.keyring), self._keys.sealer())
        for store in (users, accounts, owners):
            await store.prepare()
        routers = [
            auth(books, self._keys.opener(Service.AUTH), CHEAP, Cores(2), now),
            policy(accounts, now),
            enrollment(owners, self._keys.opener(Service.ENROLLMENT), vault, now),
        ]
        present = [router for router in routers if router.service is not away]
        async with serving(*present, settings=self._settings) as wire:
            yield wire
        await messenger.close()

    async def load(self, content: str = DIRECTORY) -> Summary:
        self._file.write_text(content)
        return await import_directory(
            self._file,
            Running("", self._settings.rabbitmq_url.get_secret_value(), "", self._keys.public, BrokerUsers.SHARED),
        )

    async def signs_in(self, wire: RealWire, username: str, password: str) -> Event:
        flow = FlowId(f"login of {username}")
        sealed = self._keys.sealer().seal(password, recipient=Service.AUTH, field="password", flow=flow)
        return await wire.ask(VerifyPassword(flow_id=flow, username=username, password=sealed), flow)

    async def holds_nothing(self) -> bool:
        held = [await self.database(service)[name].find_one({}) for service, name in _KEPT_IN.items()]
        return held == [None] * len(held)


_KEPT_IN = {Service.AUTH: "users", Service.POLICY: "tenants", Service.ENROLLMENT: "users"}


@pytest.fixture
def system(settings: Keyholder, keys: Keys, mongo: Mongo, tmp_path: Path) -> System:
    return System(settings, keys, mongo, tmp_path)


async def test_users_of_a_directory_sign_in_as_their_accounts_demand(system: System) -> None:
    async with system.serving() as wire:
        summary = await system.load()

        ada = await system.signs_in(wire, "Ada", "a, b # c")
        bob = await system.signs_in(wire, "bob", "bob's")
        clara = await system.signs_in(wire, "clara", "clara's")

    assert summary == Summary(tenants_created=2, users_created=3, authenticators_added=1)
    assert isinstance(ada, EnrollmentStarted)
    assert isinstance(bob, OtpRequired)
    assert isinstance(clara, AccessGranted)


async def test_the_same_file_twice_changes_nothing(system: System) -> None:
    async with system.serving():
        await system.load()

        again = await system.load()

    assert again == Summary()


async def test_what_differs_is_counted_and_what_is_not_named_stays(system: System) -> None:
    other = """
tenants:
- {id: vendor, kind: vendor, name: Northwind, enforcement: {staff: optional, customers: required}}
- {id: another, kind: customer, parent: vendor, name: Another}
users:
- {username: clara, tenant: vendor, password: changed}
- {username: dora, tenant: another, password: "dora's"}
"""
    async with system.serving() as wire:
        await system.load()

        summary = await system.load(other)
        clara = await system.signs_in(wire, "clara", "changed")
        ada = await system.signs_in(wire, "ada", "a, b # c")

    assert summary == Summary(tenants_created=1, tenants_changed=1, users_created=1, users_changed=1)
    assert isinstance(clara, AccessGranted)
    assert isinstance(ada, EnrollmentStarted)


async def test_what_a_service_says_against_it_is_said_with_its_line_and_nothing_of_the_file_is_loaded(
    system: System,
) -> None:
    moved = DIRECTORY.replace("clara, tenant: vendor", "clara, tenant: customer").replace("Café", "Bistro")
    async with system.serving():
        await system.load()

        with pytest.raises(DirectoryError) as refused:
            await system.load(moved)
        again = await system.load()

    assert str(refused.value).splitlines() == [
        "Nothing was loaded. The directory does not fit:",
        "  line 9: clara: the username belongs to a user of another tenant",
    ]
    assert again == Summary()


@pytest.mark.parametrize("away", [Service.AUTH, Service.POLICY, Service.ENROLLMENT])
async def test_where_a_service_is_away_nothing_is_loaded(system: System, away: Service) -> None:
    async with system.serving(away=away):
        with pytest.raises(DirectoryError, match=rf"^Nothing was loaded\. The service {away} cannot be asked: no "):
            await system.load()

    assert await system.holds_nothing()
