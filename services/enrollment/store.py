"""The owners and their authenticators, in MongoDB: one document for each user, each decision one conditional write."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import TypeAdapter

from services.enrollment.domain.owner import Decision, Owner
from shared.contracts.message import Event, OfUser
from shared.contracts.vocabulary import TenantId, UserId
from shared.runtime.mongo import Conflict, Database, Document, DuplicateKeyError, UpdateOne, all_written
from shared.runtime.outbox import Outbox

_TRIES = 100

_OWNER: TypeAdapter[Owner] = TypeAdapter(Owner)


class Store:
    """The owners. What two instances decide at once about one of them is decided one after the other here."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        """Keep owners in the database of enrollment, and what must be heard of them in `outbox`."""
        self._users = database["users"]
        self._outbox = outbox

    async def prepare(self) -> None:
        """Owners are found by their id alone: there is no further index to make."""

    async def change(
        self, tenant_id: TenantId, user_id: UserId, decide: Callable[[Owner], Decision], *, aside: bool = False
    ) -> tuple[Event, ...]:
        """Write what `decide` makes of an owner, and return what is only told.

        Where another write came between, it decides anew about what is there then: this makes a code good once over
        all instances. A decision that hashes or draws for many milliseconds is made `aside`, in a thread. What an
        earlier decision left untold is told before there is more to tell: while the broker is away, a command that is
        tried again writes nothing more. Raises `Conflict` where there is no end of other writes.
        """
        for _ in range(_TRIES):
            document = await self._users.find_one({"_id": user_id, "tenant_id": tenant_id})
            before = _owner(tenant_id, user_id, document)
            after, events = await asyncio.to_thread(decide, before) if aside else decide(before)
            if after == before:
                return events
            must_be_heard = any(event.kept for event in events)
            if must_be_heard and document is not None and "outbox" in document:
                await self._outbox.deliver(user_id)
            if await self._written(before, after, events):
                if must_be_heard:
                    await self._outbox.deliver(user_id)
                return tuple(event for event in events if not event.kept)
        raise Conflict

    async def change_all(self, users: Sequence[OfUser], decide: Callable[[Owner], Owner]) -> tuple[Owner, ...]:
        """Write what `decide` makes of these owners, in one go, and return them. Nothing is told of them."""
        for _ in range(_TRIES):
            known = await self._known(users)
            before = [_owner(user.tenant_id, user.user_id, known.get(user.user_id)) for user in users]
            after = await asyncio.to_thread(lambda owners: tuple(map(decide, owners)), before)
            changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
            writes = [UpdateOne(*self._update(*pair, ()), upsert=pair[0].revision == 0) for pair in changed]
            if await all_written(self._users, writes):
                return after
        raise Conflict

    async def _known(self, users: Iterable[OfUser]) -> Mapping[UserId, Document]:
        query = {
            "_id": {"$in": [user.user_id for user in users]},
            "tenant_id": {"$in": list({user.tenant_id for user in users})},
        }
        return {document["_id"]: document async for document in self._users.find(query)}

    async def _written(self, before: Owner, after: Owner, events: Sequence[Event]) -> bool:
        where, update = self._update(before, after, events)
        try:
            result = await self._users.update_one(where, update, upsert=before.revision == 0)
        except DuplicateKeyError:
            return False
        return bool(result.matched_count or result.upserted_id)

    def _update(self, before: Owner, after: Owner, events: Sequence[Event]) -> tuple[Document, Document]:
        """Over the revision that was read; a new owner is inserted, and is a duplicate where somebody was faster."""
        where = {"_id": before.user_id, "tenant_id": before.tenant_id, "revision": before.revision}
        fields = _OWNER.dump_python(after) | {"revision": before.revision + 1}
        return where, {"$set": fields, **self._outbox.entries(*events)}


def _owner(tenant_id: TenantId, user_id: UserId, document: Document | None) -> Owner:
    if document is None or document["tenant_id"] != tenant_id:
        return Owner(tenant_id, user_id)
    return _OWNER.validate_python(document)
