"""The audit trail in MongoDB: each batch is written in one transaction; read by place to examine it, by time to see it.

A record is never changed and never removed here. Two instances that write at once cannot fork a chain: its head is
written in every transaction that adds to it, so of two at once the database undoes one, and a place is taken once by a
unique index.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from services.audit.domain.placement import Placement, placed
from services.audit.domain.record import NO_TREE, Head, Record, chained, fact_of
from shared.contracts.message import Event
from shared.contracts.policy import TenantPlaced
from shared.contracts.vocabulary import TenantId, UserId
from shared.runtime.mongo import BulkWriteError, Database, Document, PyMongoError, UpdateOne

_TRIES = 100
_DUPLICATE_KEY = 11000


Transaction = Callable[[], AbstractAsyncContextManager[Any]]


class Store:
    """The records of all chains, their heads, and the trees that the accounts stand in."""

    def __init__(self, database: Database, transaction: Transaction) -> None:
        """Keep all of it in the database of audit."""
        self._records = database["records"]
        self._heads = database["heads"]
        self._placements = database["placements"]
        self._transaction = transaction

    async def prepare(self) -> None:
        """Make the indexes: the places, and what is asked for: when, which account, who, what, which login."""
        await self._records.create_index([("root", 1), ("sequence", 1)], unique=True)
        await self._records.create_index([("recorded_at", 1), ("root", 1), ("sequence", 1)])
        for asked in ("tenant_id", "user_id", "topic"):
            await self._records.create_index([(asked, 1), ("recorded_at", 1)])
        await self._records.create_index("flow_id")

    async def record(self, events: Sequence[Event], now: datetime) -> None:
        """Write down those of these events that are not written down yet, all or none.

        Raises `PyMongoError`, and what does not fit into a document raises what the driver says.
        """
        for tries in range(_TRIES):
            try:
                async with self._transaction() as session:
                    await self._record(events, now, session)
            except PyMongoError as error:
                if not _is_lost_race(error) or tries == _TRIES - 1:
                    raise
            else:
                return

    async def _record(self, events: Sequence[Event], now: datetime, session: Any) -> None:
        known = self._records.find({"_id": {"$in": [event.id for event in events]}}, {"_id": 1}, session=session)
        written = {document["_id"] async for document in known}
        new = {event.id: event for event in events if event.id not in written}.values()
        if not new:
            return
        roots = await self._placed(tuple(new), session)
        facts = [fact_of(event) for event in new]
        heads = await self._heads_of({roots.get(fact["tenant_id"], NO_TREE) for fact in facts}, session)
        records, ends = chained(facts, roots, heads, now)
        await self._records.insert_many([_document(record) for record in records], ordered=True, session=session)
        moves = [
            UpdateOne(
                {"_id": root, "count": heads[root].count if root in heads else 0},
                {"$set": {"count": end.count, "hash": end.hash, "recorded_at": now}},
                upsert=True,  # where the head is another one by now, this is a second one of the same id, and refused
            )
            for root, end in ends.items()
        ]
        await self._heads.bulk_write(moves, session=session)

    async def _placed(self, events: Sequence[Event], session: Any) -> dict[TenantId, TenantId]:
        """The root of every account in these events, after what they themselves tell of it."""
        tenants = {tenant_id for event in events if (tenant_id := getattr(event, "tenant_id", None)) is not None}
        found = self._placements.find({"_id": {"$in": list(tenants)}}, session=session)
        before = {document["_id"]: _placement(document) async for document in found}
        after = placed(before, (event for event in events if isinstance(event, TenantPlaced)))
        moves = [
            UpdateOne(
                {"_id": placement.tenant_id},
                {"$set": {"root": placement.root, "policy_revision": placement.policy_revision}},
                upsert=True,
            )
            for placement in after.values()
            if before.get(placement.tenant_id) != placement
        ]
        if moves:
            await self._placements.bulk_write(moves, ordered=False, session=session)
        return {placement.tenant_id: placement.root for placement in after.values()}

    async def _heads_of(self, roots: set[TenantId], session: Any) -> dict[TenantId, Head]:
        found = self._heads.find({"_id": {"$in": list(roots)}}, session=session)
        return {document["_id"]: _head(document) async for document in found}

    async def heads(self) -> dict[TenantId, Head]:
        """The heads of all chains."""
        return {document["_id"]: _head(document) async for document in self._heads.find({})}

    async def head(self, root: TenantId) -> Head | None:
        """The head of one chain."""
        document = await self._heads.find_one({"_id": root})
        return None if document is None else _head(document)

    async def chains(self) -> AsyncIterator[Record]:
        """Every record there is, chain by chain, in the order of the places."""
        async for document in self._records.find({}).sort([("root", 1), ("sequence", 1)]):
            yield _stored(document)

    async def latest(self, most: int, tenant_id: TenantId | None = None, user_id: UserId | None = None) -> list[Record]:
        """The records that were written last, of one account or user or of all, the oldest of them first."""
        found = self._records.find(_of(tenant_id, user_id))
        newest = found.sort([("recorded_at", -1), ("root", -1), ("sequence", -1)]).limit(most)
        return [_stored(document) async for document in newest][::-1]

    async def since(
        self, moment: datetime, tenant_id: TenantId | None = None, user_id: UserId | None = None
    ) -> AsyncIterator[Record]:
        """The records that were written from a moment on, the oldest first."""
        found = self._records.find({**_of(tenant_id, user_id), "recorded_at": {"$gte": moment}})
        async for document in found.sort([("recorded_at", 1), ("root", 1), ("sequence", 1)]):
            yield _stored(document)


def _of(tenant_id: TenantId | None, user_id: UserId | None) -> Document:
    asked = {"tenant_id": tenant_id, "user_id": user_id}
    return {name: value for name, value in asked.items() if value is not None}


def _is_lost_race(error: PyMongoError) -> bool:
    """Whether another instance wrote to the same chain at the same time."""
    duplicate = isinstance(error, BulkWriteError) and all(
        each.get("code") == _DUPLICATE_KEY for each in error.details.get("writeErrors", ())
    )
    return duplicate or error.has_error_label("TransientTransactionError")


def _document(record: Record) -> Document:
    return {"_id": record["id"], **{name: value for name, value in record.items() if name != "id"}}


def _stored(document: Document) -> Record:
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}


def _head(document: Document) -> Head:
    return Head(document["_id"], document["count"], document["hash"])


def _placement(document: Document) -> Placement:
    return Placement(document["_id"], document["root"], document["policy_revision"])
