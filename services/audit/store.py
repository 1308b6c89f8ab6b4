"""The audit trail in MongoDB: written batch by batch; read by place to examine it, by time to see it.

A record is never changed and never removed here. A chain cannot fork, whoever writes at once: a place in it is taken
once, by a unique index, and a batch is written in order, so that it ends at the first place that somebody else took.
No transaction: one that a killed process leaves open would hold up all writers for a minute.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

from services.audit.domain.placement import Placement, placed
from services.audit.domain.record import NO_TREE, Head, Record, chained, fact_of
from shared.contracts.message import Event
from shared.contracts.policy import TenantPlaced
from shared.contracts.vocabulary import TenantId, UserId
from shared.runtime.mongo import BulkWriteError, Database, Document, UpdateOne, only_duplicates

_TRIES = 100


class Store:
    """The records of all chains, their heads, and the trees that the accounts stand in."""

    def __init__(self, database: Database) -> None:
        """Keep all of it in the database of audit."""
        self._records = database["records"]
        self._heads = database["heads"]
        self._placements = database["placements"]

    async def prepare(self) -> None:
        """Make the indexes: the places, and what is asked for: when, which account, who, what, which login.

        Where a process died before it had moved the heads, they are moved now.
        """
        await self._records.create_index([("root", 1), ("sequence", 1)], unique=True)
        await self._records.create_index([("recorded_at", 1), ("root", 1), ("sequence", 1)])
        for asked in ("tenant_id", "user_id", "topic"):
            await self._records.create_index([(asked, 1), ("recorded_at", 1)])
        await self._records.create_index("flow_id")
        await self._catch_up()

    async def record(self, events: Sequence[Event], now: datetime) -> None:
        """Write down those of these events that are not written down yet.

        Almost always none is, and the heads stand where the chains end; so that is tried first, and looked into where
        the database knows better. Raises `PyMongoError`, and where something does not fit into a document what the
        driver says; some may be written then, and are passed over when they come again.
        """
        new = {event.id: event for event in events}
        for tries in range(_TRIES):
            try:
                if new:
                    await self._append(tuple(new.values()), now)
            except BulkWriteError as error:
                if not only_duplicates(error) or tries == _TRIES - 1:
                    raise
                await self._catch_up()
                known = self._records.find({"_id": {"$in": list(new)}}, {"_id": 1})
                async for document in known:
                    del new[document["_id"]]
            else:
                return

    async def _append(self, events: Sequence[Event], now: datetime) -> None:
        roots = await self._placed(events)
        facts = [fact_of(event) for event in events]
        heads = await self._heads_of({roots.get(fact["tenant_id"], NO_TREE) for fact in facts})
        records, ends = chained(facts, roots, heads, now)
        await self._records.insert_many([_document(record) for record in records], ordered=True)
        await self._move(ends)

    async def _placed(self, events: Sequence[Event]) -> dict[TenantId, TenantId]:
        """The root of every account in these events, after what they themselves tell of it.

        Where another instance wrote a newer word of one meanwhile, the older one finds the place taken.
        """
        tenants = {tenant_id for event in events if (tenant_id := getattr(event, "tenant_id", None)) is not None}
        found = self._placements.find({"_id": {"$in": list(tenants)}})
        before = {document["_id"]: _placement(document) async for document in found}
        after = placed(before, (event for event in events if isinstance(event, TenantPlaced)))
        moves = [
            UpdateOne(
                {"_id": placement.tenant_id, "policy_revision": {"$lt": placement.policy_revision}},
                {"$set": {"root": placement.root, "policy_revision": placement.policy_revision}},
                upsert=True,
            )
            for placement in after.values()
            if before.get(placement.tenant_id) != placement
        ]
        if moves:
            await self._placements.bulk_write(moves, ordered=False)
        return {placement.tenant_id: placement.root for placement in after.values()}

    async def _heads_of(self, roots: Iterable[TenantId]) -> dict[TenantId, Head]:
        """The heads of these chains; one that begins has a head before it has a record."""
        found = self._heads.find({"_id": {"$in": list(roots)}})
        heads = {document["_id"]: _head(document) async for document in found}
        begun = {root: Head(root) for root in roots if root not in heads}
        if begun:
            beginnings = [
                UpdateOne({"_id": root}, {"$setOnInsert": {"count": head.count, "hash": head.hash}}, upsert=True)
                for root, head in begun.items()
            ]
            await self._heads.bulk_write(beginnings, ordered=False)
        return heads | begun

    async def _catch_up(self) -> None:
        """Move the heads behind which there are records: somebody wrote them, and did not get to it or has yet to."""
        ends = await self.heads()
        beyond = [{"root": head.root, "sequence": {"$gt": head.count}} for head in ends.values()]
        if beyond:
            found = self._records.find({"$or": beyond}, {"root": 1, "sequence": 1, "hash": 1})
            async for document in found.sort([("root", 1), ("sequence", 1)]):
                ends[document["root"]] = Head(document["root"], document["sequence"], document["hash"])
        await self._move(ends)

    async def _move(self, ends: Mapping[TenantId, Head]) -> None:
        """Move heads forward, never back."""
        moves = [
            UpdateOne({"_id": end.root, "count": {"$lt": end.count}}, {"$set": {"count": end.count, "hash": end.hash}})
            for end in ends.values()
        ]
        if moves:
            await self._heads.bulk_write(moves, ordered=False)

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

    async def of_user(self, tenant_id: TenantId, user_id: UserId, topics: Sequence[str], most: int) -> list[Record]:
        """The latest records of these kinds that are of one user, the latest first."""
        asked = {"user_id": user_id, "tenant_id": tenant_id, "topic": {"$in": list(topics)}}
        found = self._records.find(asked).sort([("recorded_at", -1), ("root", -1), ("sequence", -1)]).limit(most)
        return [_stored(document) async for document in found]

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


def _document(record: Record) -> Document:
    return {"_id": record["id"], **{name: value for name, value in record.items() if name != "id"}}


def _stored(document: Document) -> Record:
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}


def _head(document: Document) -> Head:
    return Head(document["_id"], document["count"], document["hash"])


def _placement(document: Document) -> Placement:
    return Placement(document["_id"], document["root"], document["policy_revision"])
