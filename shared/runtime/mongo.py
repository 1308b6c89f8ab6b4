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
    "Database",
    "Document",
    "DuplicateKeyError",
    "Mongo",
    "PyMongoError",
    "UpdateOne",
    "within",
]

Document = dict[str, Any]

TIMEOUT_MS = 5_000


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
