"""The users, in MongoDB, and the ledgers of attempts at their passwords: asked and written here and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any
from weakref import WeakValueDictionary

from pydantic import TypeAdapter

from services.auth.domain.attempts import Ledger
from services.auth.domain.directory import Known, Taking
from services.auth.domain.user import User
from shared.contracts.auth import username_key
from shared.contracts.message import Event
from shared.contracts.vocabulary import UserId
from shared.runtime.clock import Clock
from shared.runtime.mongo import Conflict, Database, Document, DuplicateKeyError, UpdateOne, all_written
from shared.runtime.outbox import Outbox

_TRIES = 100

_USER: TypeAdapter[User] = TypeAdapter(User)
_LEDGER: TypeAdapter[Ledger] = TypeAdapter(Ledger)


class Store:
    """The users and their password hashes."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        """Keep users in the database of auth, and what is told of them in `outbox`."""
        self._users = database["users"]
        self._outbox = outbox

    async def prepare(self) -> None:
        """Make the indexes."""
        await self._users.create_index("username_key", unique=True)

    async def user_named(self, username: str) -> User | None:
        """The user with this username, of whatever tenant: he stands at the door and has not said which."""
        document = await self._users.find_one({"username_key": username_key(username)}, {"outbox": 0})
        return None if document is None else _user(document)

    async def keep(self, user: User | None, rehashed: str | None) -> None:
        """Store the hash that a login has renewed.

        Only over the hash that was verified: a password that was changed meanwhile must not come back.
        """
        if user is None or rehashed is None:
            return
        await self._users.update_one(
            {"_id": user.user_id, "tenant_id": user.tenant_id, "password_hash": user.password_hash},
            {"$set": {"password_hash": rehashed}, "$inc": {"revision": 1}},
        )

    async def change(self, user_ids: Sequence[UserId], decide: Callable[[Known], Awaitable[Taking]]) -> Taking:
        """Write what `decide` makes of these users; where others changed them meanwhile, it decides anew.

        What is told of them waits in the outbox for the relay. Raises `Conflict` where that does not end.
        """
        for _ in range(_TRIES):
            taking = await decide(await self._known(user_ids))
            if await all_written(self._users, [self._write(user, events) for user, events in taking.writes]):
                return taking
        raise Conflict

    async def _known(self, user_ids: Sequence[UserId]) -> Known:
        """Of every tenant: that a username belongs to another one is what an import must find out."""
        found = self._users.find({"_id": {"$in": list(user_ids)}}, {"outbox": 0})
        return {user.user_id: user async for user in (_user(document) async for document in found)}

    def _write(self, user: User, events: Sequence[Event]) -> Any:
        """Over the revision that was read; a new user is inserted, and is a duplicate where somebody was faster."""
        fields = asdict(user)
        where = {
            "_id": fields.pop("user_id"),
            "tenant_id": fields.pop("tenant_id"),
            "revision": user.revision - 1,
        }
        return UpdateOne(where, {"$set": fields, **self._outbox.entries(*events)}, upsert=user.revision == 1)


class Ledgers:
    """The attempts at each username, known or not: one document for each, each change one conditional write."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        """Keep ledgers in the database of auth, and what is told of them in `outbox`."""
        self._ledgers = database["attempts"]
        self._clock = clock
        self._outbox = outbox
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def prepare(self) -> None:
        """Have ledgers removed that nobody misses."""
        await self._ledgers.create_index("expires_at", expireAfterSeconds=0)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """One attempt after the other at the same username, in this process: what one may not judge is not hashed.

        This is for speed. What others may do while one instance is at it, the ledger says.
        """
        async with self._turns.setdefault(name, asyncio.Lock()):
            yield

    async def of(self, name: str) -> Ledger:
        """The ledger of a username as it is now."""
        document = await self._ledgers.find_one({"_id": name}, {"outbox": 0})
        return Ledger() if document is None else _LEDGER.validate_python(document)

    async def change(
        self, name: str, decide: Callable[[Ledger], tuple[Ledger, tuple[Event, ...]]]
    ) -> tuple[Event, ...]:
        """Write what `decide` makes of a ledger, and return what is only told; where others wrote meanwhile, anew.

        What is told of the ledger waits for the relay: nobody's answer takes longer because of it. Raises what
        `decide` raises, and `Conflict`.
        """
        for _ in range(_TRIES):
            before = await self.of(name)
            after, events = decide(before)
            only_told = tuple(event for event in events if not event.kept)
            is_changed = after != before or only_told != events
            if not is_changed or await self._noted(name, before, after, events):
                return only_told
        raise Conflict

    async def tell(self, name: str) -> None:
        """Tell at once what waits to be told of this ledger, for somebody who waits for it. Raises `Unreachable`."""
        await self._outbox.deliver(name)

    async def _noted(self, name: str, before: Ledger, after: Ledger, events: Sequence[Event]) -> bool:
        """Write over the revision that was read; whether nobody was faster."""
        fields = asdict(replace(after, revision=before.revision + 1))
        try:
            result = await self._ledgers.update_one(
                {"_id": name, "revision": before.revision},
                {"$set": {**fields, "expires_at": after.expires_at(self._clock())}, **self._outbox.entries(*events)},
                upsert=before.revision == 0,
            )
        except DuplicateKeyError:
            return False
        return bool(result.matched_count or result.upserted_id)


def _user(document: Document) -> User:
    return _USER.validate_python({"user_id": document["_id"], **document})
