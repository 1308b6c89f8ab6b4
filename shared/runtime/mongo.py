"""MongoDB: the one module that knows the driver. PyMongo's own asynchronous client by default, Motor by a setting.

The code keeps to the calls that both drivers have alike. A call is never cancelled on a time-out, which would throw
its socket away: `timeoutMS` bounds it in the driver.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, Literal, Protocol

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

__all__ = [
    "BulkWriteError",
    "Collection",
    "Conflict",
    "Database",
    "Document",
    "DuplicateKeyError",
    "Mongo",
    "PyMongoError",
    "UpdateOne",
    "all_written",
    "only_duplicates",
    "within",
]

Document = dict[str, Any]

TIMEOUT_MS = 5_000
_DUPLICATE_KEY = 11000


class Conflict(Exception):  # noqa: N818 - says what is the matter
    """Others changed the same documents again and again; nothing is wrong, and it can be tried again."""


def within(seconds: float) -> AbstractContextManager[None]:
    """Bound all calls that are made inside together, instead of each to `TIMEOUT_MS`."""
    return pymongo.timeout(seconds)


class Cursor(Protocol):
    """What a query finds, one document after the other."""

    def __aiter__(self) -> AsyncIterator[Document]: ...
    def sort(self, key_or_list: Any, direction: int | None = None) -> "Cursor": ...
    def limit(self, limit: int) -> "Cursor": ...


class Collection(Protocol):
    """The calls that both drivers have."""

    async def find_one(self, filter: Mapping[str, Any], *args: Any, **kwargs: Any) -> Document | None: ...
    def find(self, filter: Mapping[str, Any], *args: Any, **kwargs: Any) -> Cursor: ...
    async def find_one_and_update(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ) -> Document | None: ...
    async def find_one_and_delete(self, filter: Mapping[str, Any], **kwargs: Any) -> Document | None: ...
    async def insert_one(self, document: Document, **kwargs: Any) -> Any: ...
    async def insert_many(self, documents: Sequence[Document], **kwargs: Any) -> Any: ...
    async def update_one(self, filter: Mapping[str, Any], update: Mapping[str, Any], **kwargs: Any) -> Any: ...
    async def update_many(self, filter: Mapping[str, Any], update: Mapping[str, Any], **kwargs: Any) -> Any: ...
    async def replace_one(self, filter: Mapping[str, Any], replacement: Document, **kwargs: Any) -> Any: ...
    async def delete_one(self, filter: Mapping[str, Any], **kwargs: Any) -> Any: ...
    async def bulk_write(self, requests: Sequence[Any], **kwargs: Any) -> Any: ...
    async def create_index(self, keys: Any, **kwargs: Any) -> str: ...


class Database(Protocol):
    """The one database that a service owns."""

    def __getitem__(self, name: str) -> Collection: ...


async def all_written(collection: Collection, writes: Sequence[UpdateOne]) -> bool:
    """Make these writes, each over the revision that was read; whether nobody was faster at any. Raises as drivers do.

    One that inserts is a duplicate where somebody was faster, and one that does not finds nothing to change.
    """
    if not writes:
        return True
    try:
        result = await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        if only_duplicates(error):
            return False
        raise
    written: int = result.matched_count + result.upserted_count
    return written == len(writes)


def only_duplicates(error: BulkWriteError) -> bool:
    """Whether all that failed is that something is there already, of the same id or in the same place."""
    details = error.details or {}
    codes = {failed["code"] for failed in details.get("writeErrors", ())}
    return codes == {_DUPLICATE_KEY} and not details.get("writeConcernErrors")


class Mongo:
    """The connection to MongoDB: majority writes, times in UTC, bounded calls."""

    def __init__(self, url: str, driver: Literal["motor", "pymongo"] = "pymongo") -> None:
        """Open nothing yet: the driver connects at the first call."""
        options: dict[str, Any] = {
            "tz_aware": True,
            "uuidRepresentation": "standard",
            "w": "majority",
            "timeoutMS": TIMEOUT_MS,
            "serverSelectionTimeoutMS": TIMEOUT_MS,
            "appname": "wardgate",
        }
        self._driver = driver
        self._client: Any = (
            AsyncIOMotorClient(url, **options) if driver == "motor" else pymongo.AsyncMongoClient(url, **options)
        )

    def database(self, name: str) -> Database:
        """The database of this name."""
        found: Database = self._client[name]
        return found

    async def ping(self) -> None:
        """Raise `PyMongoError` where the server does not answer."""
        await self._client.admin.command("ping")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Writes with `session=` what is yielded happen together or not at all."""
        async with self._session() as session:
            begun = session.start_transaction()
            async with begun if self._driver == "motor" else await begun:
                yield session

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        opened: Any = self._client.start_session()
        session: AbstractAsyncContextManager[Any] = await opened if self._driver == "motor" else opened
        async with session as entered:
            yield entered

    async def close(self) -> None:
        """Close all sockets."""
        closing = self._client.close()
        if closing is not None:
            await closing
