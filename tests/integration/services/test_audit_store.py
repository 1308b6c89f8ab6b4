"""The audit trail in a real MongoDB: each event once, chains that do not fork, damage that is found and named."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from ops.audit import examine
from services.audit.domain.examination import Kind
from services.audit.domain.record import BEGINNING, NO_TREE, Head, canonical
from services.audit.store import Store
from shared.contracts.auth import LoginSucceeded, UsersImported
from shared.contracts.message import Event, MessageId
from shared.contracts.policy import TenantPlaced
from shared.contracts.seals import sealed_fields
from shared.contracts.vocabulary import FlowId, TenantId
from shared.runtime.mongo import Database, UpdateOne
from tests.examples import ADA, BOB, CUSTOMER, FLOW, NOON, OPEN_CUSTOMER, RESELLER, VENDOR, Person, messages

CANARY = "canary-71ae3f"
OTHER = TenantId("other-vendor")
ALL = tuple(event for event in messages().values() if isinstance(event, Event))


def login(person: Person = ADA, flow: str = "a flow") -> LoginSucceeded:
    return LoginSucceeded(
        id=MessageId(uuid4()),
        occurred_at=NOON,
        flow_id=FlowId(flow),
        **dict(person.named),
        username=person.username,
        display_name=person.display_name,
    )


def place(tenant_id: TenantId, root: TenantId = VENDOR, revision: int = 1) -> TenantPlaced:
    return TenantPlaced(
        id=MessageId(uuid4()),
        occurred_at=NOON,
        tenant_id=tenant_id,
        parent=None if tenant_id == root else root,
        root=root,
        policy_revision=revision,
    )


PLACES = tuple(place(tenant_id) for tenant_id in (VENDOR, RESELLER, CUSTOMER, OPEN_CUSTOMER))


@pytest.fixture
async def store(mongo_database: Database) -> Store:
    store = Store(mongo_database)
    await store.prepare()
    return store


async def places(store: Store) -> list[tuple[str, int]]:
    return [(record["root"], record["sequence"]) async for record in store.chains()]


async def ids(store: Store) -> list[MessageId]:
    return [record["id"] async for record in store.chains()]


async def damages(store: Store, *kept: Head) -> list[tuple[Kind, int | None]]:
    return [(damage.kind, damage.sequence) for chain in await examine(store, list(kept)) for damage in chain.damages]


async def test_every_kind_of_event_is_read_again_as_it_was_written_and_without_what_is_sealed(store: Store) -> None:
    told = [event.model_copy(update=dict.fromkeys(sealed_fields(type(event)), CANARY)) for event in ALL]

    await store.record(told, NOON)

    assert sorted(await ids(store)) == sorted(event.id for event in told)
    assert await damages(store) == []
    assert CANARY not in "".join([canonical(record).decode() async for record in store.chains()])


async def test_an_event_that_comes_again_is_written_once(store: Store) -> None:
    one, other, third = login(), login(), login()

    await store.record([one, one, other], NOON)
    await store.record([third, one], NOON)
    assert (await store.heads())[NO_TREE].count == 3
    await store.record([other, third, one], NOON)
    await store.record([one], NOON)

    assert await ids(store) == [one.id, other.id, third.id]
    assert await damages(store) == []


async def test_two_instances_that_write_the_same_at_once_write_each_event_once_and_fork_no_chain(
    store: Store, mongo_database: Database
) -> None:
    twin = Store(mongo_database)
    await store.record(PLACES, NOON)
    told = [login(person, str(number)) for number in range(60) for person in (ADA, BOB)]

    await asyncio.gather(
        *(
            (store, twin)[number % 2].record(told[start : start + 30], NOON)
            for number, start in enumerate(range(0, 120, 10))
        )
    )

    assert sorted(await ids(store)) == sorted(event.id for event in (*PLACES, *told))
    records = [record async for record in store.chains()]
    assert records[0]["previous"] == BEGINNING
    assert all(after["previous"] == before["hash"] for before, after in pairwise(records))
    assert await damages(store) == []


async def test_accounts_of_one_tree_share_a_chain_and_what_belongs_to_none_has_its_own(store: Store) -> None:
    imported = UsersImported(occurred_at=NOON, flow_id=FLOW, created=1, changed=0)
    await store.record([place(VENDOR), place(CUSTOMER), place(OTHER, OTHER)], NOON)
    await store.record([login(ADA), login(BOB), imported], NOON)

    assert await places(store) == [
        (NO_TREE, 1),  # Bob's account has not been placed in a tree
        (NO_TREE, 2),
        (OTHER, 1),
        (VENDOR, 1),
        (VENDOR, 2),
        (VENDOR, 3),
    ]


async def test_an_account_that_moves_to_another_tree_is_recorded_there_from_then_on(store: Store) -> None:
    await store.record([place(CUSTOMER), login(ADA)], NOON)
    await store.record([place(CUSTOMER, OTHER, 2), login(ADA)], NOON)
    await store.record([place(CUSTOMER, VENDOR, 1), login(ADA)], NOON)

    assert await places(store) == [(OTHER, 1), (OTHER, 2), (OTHER, 3), (OTHER, 4), (VENDOR, 1), (VENDOR, 2)]


class Overtaken(Database):
    """A database in which somebody else does something just before this one writes to that collection."""

    def __init__(self, database: Database, collection: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._collection = collection
        self._meanwhile = meanwhile

    def __getitem__(self, name: str) -> Any:
        found = self._database[name]
        return OvertakenCollection(found, self._meanwhile) if name == self._collection else found


class OvertakenCollection:
    def __init__(self, collection: Any, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.find = collection.find
        self._collection = collection
        self._meanwhile = meanwhile

    async def bulk_write(self, requests: Sequence[UpdateOne], **kwargs: Any) -> Any:
        await self._meanwhile()
        return await self._collection.bulk_write(requests, **kwargs)


@pytest.mark.parametrize("before", [[], [place(CUSTOMER)]], ids=["new", "known"])
async def test_an_older_word_of_an_account_does_not_undo_a_newer_one_that_another_instance_wrote_meanwhile(
    store: Store, mongo_database: Database, before: list[TenantPlaced]
) -> None:
    newer, older = place(CUSTOMER, OTHER, revision=3), place(CUSTOMER, VENDOR, revision=2)
    await store.record(before, NOON)
    slow = Store(Overtaken(mongo_database, "placements", lambda: store.record([newer], NOON)))

    await slow.record([older], NOON)
    await store.record([after := login()], NOON)

    roots = {record["id"]: record["root"] async for record in store.chains()}
    assert roots[after.id] == OTHER
    assert await damages(store) == []


async def test_who_moves_a_head_late_does_not_move_it_back(store: Store, mongo_database: Database) -> None:
    await store.record([login()], NOON)
    slow = Store(Overtaken(mongo_database, "heads", lambda: store.record([login()], NOON)))

    await slow.record([login()], NOON)

    assert (await store.heads())[NO_TREE].count == 3
    assert await damages(store) == []


async def test_what_does_not_fit_into_a_document_leaves_the_chain_as_it_is(store: Store) -> None:
    fits, does_not = login(), UsersImported(occurred_at=NOON, flow_id=FLOW, created=2**80, changed=0)

    with pytest.raises(OverflowError):
        await store.record([fits, does_not], NOON)
    await store.record([fits], NOON)

    assert await ids(store) == [fits.id]
    assert await damages(store) == []


class Dying(Database):
    """A database whose writer dies as soon as the records are written, before the heads are moved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getitem__(self, name: str) -> Any:
        return DyingHeads(self._database[name]) if name == "heads" else self._database[name]


class DyingHeads:
    def __init__(self, heads: Any) -> None:
        self._heads = heads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._heads, name)

    async def bulk_write(self, moves: Sequence[UpdateOne], **options: Any) -> None:
        if "'$set'" in repr(moves[0]):
            raise InterruptedError
        await self._heads.bulk_write(moves, **options)


async def test_who_writes_next_goes_on_behind_records_whose_writer_died_before_he_moved_the_head(
    store: Store, mongo_database: Database
) -> None:
    with pytest.raises(InterruptedError):
        await Store(Dying(mongo_database)).record(PLACES, NOON)
    assert await damages(store) == []

    await store.record([*PLACES, login()], NOON)

    assert await places(store) == [(VENDOR, place) for place in range(1, 6)]
    assert (await store.heads())[VENDOR].count == 5
    assert await damages(store) == []


async def test_a_service_that_starts_moves_the_heads_that_were_left_behind(
    store: Store, mongo_database: Database
) -> None:
    with pytest.raises(InterruptedError):
        await Store(Dying(mongo_database)).record(PLACES, NOON)

    await store.prepare()

    assert (await store.heads())[VENDOR].count == len(PLACES)


async def test_a_chain_goes_on_where_somebody_took_its_head_away(store: Store, mongo_database: Database) -> None:
    await store.record(PLACES, NOON)
    await take_the_head_away(mongo_database)

    await store.record([login()], NOON)

    assert await places(store) == [(VENDOR, place) for place in range(1, 6)]
    assert await damages(store) == []


async def test_an_administrator_finds_what_is_of_one_account_or_one_user(store: Store) -> None:
    adas, bobs = login(ADA), login(BOB)
    await store.record([adas, bobs], NOON)
    await store.record([late := login(ADA)], NOON + timedelta(seconds=1))

    assert [record["id"] for record in await store.latest(10, tenant_id=CUSTOMER)] == [adas.id, late.id]
    assert [record["id"] for record in await store.latest(10, user_id=BOB.user_id)] == [bobs.id]
    assert [record["id"] for record in await store.latest(1)] == [late.id]
    assert [record["id"] async for record in store.since(NOON + timedelta(seconds=1))] == [late.id]


Tampering = Callable[[Database], Awaitable[Any]]
THIRD = {"root": VENDOR, "sequence": 3}


async def change(database: Database) -> None:
    await database["records"].update_one(THIRD, {"$set": {"content.display_name": "Mallory"}})


async def add(database: Database) -> None:
    await database["records"].update_one(THIRD, {"$set": {"content.more": True}})


async def change_the_time(database: Database) -> None:
    await database["records"].update_one(THIRD, {"$set": {"occurred_at": NOON - timedelta(days=1)}})


async def remove(database: Database) -> None:
    await database["records"].delete_one(THIRD)


async def cut_off(database: Database) -> None:
    await database["records"].delete_one({"root": VENDOR, "sequence": 6})


async def swap(database: Database) -> None:
    for here, there in ((3, -1), (5, 3), (-1, 5)):
        await database["records"].update_one({"root": VENDOR, "sequence": here}, {"$set": {"sequence": there}})


async def give_the_head_another_record(database: Database) -> None:
    await database["heads"].update_one({"_id": VENDOR}, {"$set": {"count": 5}})


async def take_the_head_away(database: Database) -> None:
    await database["heads"].delete_one({"_id": VENDOR})


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (change, [(Kind.CHANGED, 3)]),
        (add, [(Kind.CHANGED, 3)]),
        (change_the_time, [(Kind.CHANGED, 3)]),
        (remove, [(Kind.MISSING, 3)]),
        (cut_off, [(Kind.MISSING, 6)]),
        (swap, [(Kind.MOVED, 3), (Kind.MOVED, 5)]),
        (give_the_head_another_record, [(Kind.HEAD, 5)]),
        (take_the_head_away, [(Kind.HEAD, 6)]),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_damage_is_found_and_named(
    store: Store, mongo_database: Database, tampering: Tampering, found: list[tuple[Kind, int]]
) -> None:
    await store.record([*PLACES, login(ADA), login(BOB)], NOON)
    assert await damages(store) == []

    await tampering(mongo_database)

    assert await damages(store) == found


async def test_an_end_that_was_cut_off_with_its_head_is_found_by_a_head_that_was_kept_elsewhere(
    store: Store, mongo_database: Database
) -> None:
    await store.record(PLACES, NOON)
    before = (await store.heads())[VENDOR]
    await store.record([login()], NOON)
    kept = (await store.heads())[VENDOR]

    await mongo_database["records"].delete_one({"root": VENDOR, "sequence": kept.count})
    await mongo_database["heads"].update_one({"_id": VENDOR}, {"$set": {"count": before.count, "hash": before.hash}})

    assert await damages(store) == []
    assert await damages(store, kept) == [(Kind.MISSING, kept.count)]


async def test_an_examination_while_the_trail_is_written_finds_no_damage(store: Store) -> None:
    await store.record(PLACES, NOON)

    async def write(batches: Sequence[int]) -> None:
        for _ in batches:
            await store.record([login(ADA), login(BOB)], NOON)

    writing = asyncio.create_task(write(range(20)))
    while not writing.done():
        assert await damages(store) == []
    await writing

    assert len(await ids(store)) == len(PLACES) + 40
