"""Auth, asked as the broker asks it, over users in a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import bcrypt
import pytest

from services.auth.cores import Cores
from services.auth.handlers import Books, handlers
from services.auth.store import Ledgers, Store
from shared.contracts.auth import ImportedUser, ImportUsers, LoginFailed, LoginSucceeded, UsersImported, VerifyPassword
from shared.contracts.catalogue import EVENTS
from shared.contracts.message import Event
from shared.contracts.refusals import Problem, RefusalCode, RequestRefused
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.crypto.passwords import Parameters, Passwords
from shared.crypto.sealing import Sealer
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.mongo import Database
from shared.runtime.outbox import Outbox
from shared.runtime.settings import Keyholder
from tests.examples import ADA, BOB, FLOW, NOON, OPEN_CUSTOMER, Person
from tests.fakes import FakeWire, ToldClock
from tests.keys import Keys

BCRYPT = bcrypt.hashpw(ADA.password.encode(), bcrypt.gensalt(4)).decode()


class Auth:
    """Auth with its users, and whoever asks it."""

    def __init__(self, wire: FakeWire, store: Store, sealer: Sealer) -> None:
        self.wire = wire
        self.store = store
        self._sealer = sealer

    def sealed(self, password: str, flow: FlowId = FLOW) -> str:
        return self._sealer.seal(password, recipient=Service.AUTH, field="password", flow=flow)

    def with_hash(self, person: Person = ADA, hashed: str = BCRYPT) -> ImportedUser:
        return ImportedUser(
            **dict(person.named), username=person.username, display_name=person.display_name, password_hash=hashed
        )

    def with_password(self, person: Person = ADA) -> ImportedUser:
        return ImportedUser(
            **dict(person.named),
            username=person.username,
            display_name=person.display_name,
            password=self.sealed(person.password),
        )

    async def load(self, *users: ImportedUser, check_only: bool = False) -> Event:
        return await self.wire.ask(ImportUsers(flow_id=FLOW, users=users, check_only=check_only), FLOW)

    async def sign_in(self, username: str, password: str) -> Event:
        command = VerifyPassword(flow_id=FLOW, username=username, password=self.sealed(password))
        await self.wire.send(Letter.of(command, Envelope(FLOW)))
        await self.wire.settle()
        told = self.wire.letters[-1]
        return EVENTS[told.routing_key].model_validate_json(told.body)


@pytest.fixture
async def auth(mongo_database: Database, settings: Keyholder, keys: Keys) -> AsyncIterator[Auth]:
    clock, passwords = ToldClock(NOON), Passwords(Parameters(memory=8, passes=1))
    store = Store(mongo_database, Outbox(mongo_database["users"], FakeWire(), clock))
    await store.prepare()
    ledgers = Ledgers(mongo_database, Outbox(mongo_database["attempts"], FakeWire(), clock), clock)
    router = handlers(Books(store, ledgers, b"a key"), keys.opener(Service.AUTH), passwords, Cores(2), clock)
    async with FakeWire().joining(router, settings=settings) as wire:
        yield Auth(wire, store, keys.sealer())


def counts(answer: Event) -> tuple[int, int]:
    assert isinstance(answer, UsersImported)
    return answer.created, answer.changed


async def test_a_user_of_a_directory_signs_in(auth: Auth) -> None:
    await auth.load(auth.with_password(ADA), auth.with_hash(BOB))

    ada = await auth.sign_in(ADA.username, ADA.password)
    bob = await auth.sign_in(BOB.username.upper(), BOB.password)

    assert isinstance(ada, LoginSucceeded)
    assert isinstance(bob, LoginSucceeded)
    assert (ada.user_id, bob.user_id) == (ADA.user_id, BOB.user_id)


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        (ADA.username, "a guess", LoginFailure.WRONG_PASSWORD),
        (BOB.username, BOB.password, LoginFailure.DISABLED),
        ("nobody", ADA.password, LoginFailure.UNKNOWN_USER),
        (ADA.username, "x" * 1025, LoginFailure.WRONG_PASSWORD),
    ],
)
async def test_nobody_else_does(auth: Auth, username: str, password: str, reason: LoginFailure) -> None:
    disabled = auth.with_password(BOB).model_copy(update={"disabled": True})
    await auth.load(auth.with_password(ADA), disabled)

    verdict = await auth.sign_in(username, password)

    assert isinstance(verdict, LoginFailed)
    assert verdict.reason is reason


async def test_the_hash_of_another_system_is_replaced_at_the_first_login_and_stays_so_at_the_next_import(
    auth: Auth,
) -> None:
    await auth.load(auth.with_hash())
    before = await auth.store.user_named(ADA.username)
    assert before is not None

    await auth.sign_in(ADA.username, ADA.password)
    again = await auth.load(auth.with_hash())
    after = await auth.store.user_named(ADA.username)

    assert counts(again) == (0, 0)
    assert after is not None
    assert after.password_hash.startswith("$argon2id$")
    assert after == replace(before, password_hash=after.password_hash, revision=2)


async def test_logins_at_once_all_succeed_while_the_hash_is_replaced(auth: Auth) -> None:
    await auth.load(auth.with_hash())

    verdicts = await asyncio.gather(*(auth.sign_in(ADA.username, ADA.password) for _ in range(5)))
    after = await auth.store.user_named(ADA.username)

    assert all(isinstance(verdict, LoginSucceeded) for verdict in verdicts)
    assert after is not None
    assert after.revision == 2


async def test_the_same_file_twice_changes_nothing(auth: Auth) -> None:
    first = await auth.load(auth.with_password(ADA), auth.with_hash(BOB))

    second = await auth.load(auth.with_password(ADA), auth.with_hash(BOB))

    assert counts(first) == (2, 0)
    assert counts(second) == (0, 0)


async def test_an_import_delivered_again_is_answered_as_the_first_time(auth: Auth) -> None:
    command = ImportUsers(flow_id=FLOW, users=(auth.with_password(ADA), auth.with_hash(BOB)), check_only=False)

    first = await auth.wire.ask(command, FLOW)
    again = await auth.wire.ask(command, FLOW)

    assert counts(first) == counts(again) == (2, 0)
    assert first.id == again.id


async def test_an_import_that_only_checks_stores_nobody(auth: Auth) -> None:
    answer = await auth.load(auth.with_password(), check_only=True)

    assert counts(answer) == (0, 0)
    assert await auth.store.user_named(ADA.username) is None


@pytest.mark.parametrize("check_only", [True, False])
async def test_a_directory_that_does_not_fit_is_refused_by_name_and_nothing_of_it_is_taken(
    auth: Auth, *, check_only: bool
) -> None:
    await auth.load(auth.with_hash(ADA))
    thief = replace(ADA, tenant_id=OPEN_CUSTOMER)

    answer = await auth.load(auth.with_hash(BOB), auth.with_hash(thief), check_only=check_only)

    assert isinstance(answer, RequestRefused)
    assert answer.code is RefusalCode.IMPORT_REJECTED
    assert answer.problems == (Problem(entry=ADA.username, text="the username belongs to a user of another tenant"),)
    assert await auth.store.user_named(BOB.username) is None


async def test_a_password_moved_from_the_login_of_another_is_parked_and_judged_by_nobody(auth: Auth) -> None:
    await auth.load(auth.with_password())
    stolen = auth.sealed(ADA.password, flow=FlowId("the login of another"))
    told_before = len(auth.wire.letters)

    await auth.wire.send(
        Letter.of(VerifyPassword(flow_id=FLOW, username=ADA.username, password=stolen), Envelope(FLOW))
    )
    await auth.wire.settle()

    assert auth.wire.topics[told_before:] == ["verify-password.v1", "auth.verify-password.v1"]
    assert auth.wire.letters[-1].headers["x-parked-reason"] == "malformed"
