"""The users in a real MongoDB: found, changed by one at a time, behind the walls of their tenants, told of once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from services.auth.domain.directory import Known, Taking
from services.auth.domain.user import User
from services.auth.store import Store
from shared.contracts.auth import UserCreated, username_key
from shared.contracts.message import MessageId
from shared.runtime.mongo import Conflict, Database
from shared.runtime.outbox import Outbox
from tests.examples import ADA, BOB, NOON, OPEN_CUSTOMER, Person
from tests.fakes import FakeMessenger, ToldClock

CAUSE = MessageId(uuid4())
Decide = Callable[[Known], Awaitable[Taking]]


def user(person: Person = ADA, hashed: str = "a hash") -> User:
    return User(
        user_id=person.user_id,
        tenant_id=person.tenant_id,
        username=person.username,
        username_key=username_key(person.username),
        display_name=person.display_name,
        password_hash=hashed,
        imported_hash=None,
        disabled=False,
        created_by=CAUSE,
        changed_by=CAUSE,
        revision=1,
    )


def creating(*users: User) -> Taking:
    told = [
        UserCreated(occurred_at=NOON, tenant_id=new.tenant_id, user_id=new.user_id, username=new.username)
        for new in users
    ]
    return Taking(tuple((new, (event,)) for new, event in zip(users, told, strict=True)), len(users), 0)


def changing(*users: User) -> Taking:
    return Taking(tuple((replace(old, revision=old.revision + 1), ()) for old in users), 0, len(users))


def always(taking: Taking) -> Decide:
    async def decide(_: Known) -> Taking:
        return taking

    return decide


def unless_known(*users: User) -> Decide:
    async def decide(known: Known) -> Taking:
        return creating(*(new for new in users if new.user_id not in known))

    return decide


@pytest.fixture
def messenger() -> FakeMessenger:
    return FakeMessenger()


@pytest.fixture
def outbox(mongo_database: Database, messenger: FakeMessenger) -> Outbox:
    return Outbox(mongo_database["users"], messenger, ToldClock(NOON))


@pytest.fixture
async def store(mongo_database: Database, outbox: Outbox) -> Store:
    store = Store(mongo_database, outbox)
    await store.prepare()
    await outbox.prepare()
    return store


async def test_a_user_is_found_however_his_name_is_typed(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))

    assert await store.user_named(f" {ADA.username.upper()} ") == user()
    assert await store.user_named(BOB.username) is None


async def test_a_rehash_is_kept_over_the_hash_that_was_verified(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))

    await store.keep(user(), "a better hash")

    assert await store.user_named(ADA.username) == replace(user(), password_hash="a better hash", revision=2)


async def test_a_rehash_does_not_bring_back_a_password_that_was_changed_meanwhile(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))
    await store.change([ADA.user_id], always(changing(user(hashed="of another password"))))

    await store.keep(user(), "a better hash of the old password")

    found = await store.user_named(ADA.username)
    assert found is not None
    assert found.password_hash == "of another password"


async def test_nothing_is_written_for_a_login_that_changes_nothing(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))

    await store.keep(None, None)
    await store.keep(user(), None)

    assert await store.user_named(ADA.username) == user()


async def test_the_user_of_another_tenant_cannot_be_written(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))
    thief = replace(user(), tenant_id=OPEN_CUSTOMER)

    await store.keep(thief, "the thief's")
    with pytest.raises(Conflict):
        await store.change([ADA.user_id], always(changing(replace(thief, password_hash="the thief's"))))
    with pytest.raises(Conflict):
        await store.change([ADA.user_id], always(creating(replace(thief, password_hash="the thief's"))))

    assert await store.user_named(ADA.username) == user()


async def test_an_import_sees_the_users_of_every_tenant_and_no_others(store: Store) -> None:
    await store.change([], always(creating(user(ADA), user(BOB), user(Person("carol", OPEN_CUSTOMER)))))
    seen: list[Known] = []

    async def look(known: Known) -> Taking:
        seen.append(known)
        return Taking((), 0, 0)

    await store.change([ADA.user_id, BOB.user_id], look)

    assert seen == [{ADA.user_id: user(ADA), BOB.user_id: user(BOB)}]


async def test_what_was_changed_meanwhile_is_decided_anew(store: Store) -> None:
    await store.change([ADA.user_id], always(creating(user())))
    revisions: list[int] = []

    async def rename(known: Known) -> Taking:
        ada = known[ADA.user_id]
        revisions.append(ada.revision)
        if len(revisions) == 1:
            await store.keep(ada, "a better hash")
        return changing(replace(ada, display_name="Countess Lovelace"))

    await store.change([ADA.user_id], rename)

    assert revisions == [1, 2]
    assert await store.user_named(ADA.username) == replace(
        user(), display_name="Countess Lovelace", password_hash="a better hash", revision=3
    )


async def test_imports_of_the_same_new_users_at_once_make_each_of_them_once(
    store: Store, outbox: Outbox, messenger: FakeMessenger
) -> None:
    users = [user(Person(f"user{number}", OPEN_CUSTOMER)) for number in range(50)]
    ids = [new.user_id for new in users]

    await asyncio.gather(*(store.change(ids, unless_known(*users)) for _ in range(5)))
    await outbox.sweep()

    assert messenger.topics == ["user.created.v1"] * 50


async def test_new_users_are_told_of_by_the_relay_and_not_by_the_import(
    store: Store, outbox: Outbox, messenger: FakeMessenger
) -> None:
    await store.change([ADA.user_id, BOB.user_id], always(creating(user(ADA), user(BOB))))
    told_by_the_import = list(messenger.topics)

    assert await outbox.sweep(older_than=timedelta(seconds=1)) == 0
    assert await outbox.sweep() == 2
    assert await outbox.sweep() == 0

    assert told_by_the_import == []
    assert messenger.topics == ["user.created.v1"] * 2


async def test_what_waits_to_be_told_outlives_a_change(store: Store, outbox: Outbox, messenger: FakeMessenger) -> None:
    await store.change([ADA.user_id], always(creating(user())))

    await store.keep(user(), "a better hash")
    await outbox.sweep()

    assert messenger.topics == ["user.created.v1"]
    assert await store.user_named(ADA.username) == replace(user(), password_hash="a better hash", revision=2)


async def test_a_write_that_cannot_succeed_is_a_fault_and_not_a_race(store: Store) -> None:
    too_large = user(hashed="x" * (16 * 1024 * 1024 - 200))

    with pytest.raises(Exception, match=r"(?i)large|size") as fault:
        await store.change([ADA.user_id], always(creating(too_large)))

    assert not isinstance(fault.value, Conflict)
