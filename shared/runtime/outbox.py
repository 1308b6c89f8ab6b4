"""The outbox: what others must hear is written into the document that changes, in the same write, and then told.

At least once, and in order for each document. It is told at once after the commit; where that failed, or the process
died between the two, the relay tells it later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog

from shared.contracts.message import Event
from shared.runtime.clock import Clock
from shared.runtime.messaging import Letter, Messenger, Unreachable
from shared.runtime.mongo import Collection, Document, PyMongoError

_log = structlog.get_logger(__name__)

_BATCH = 200
"""Documents that the relay takes up at a time."""


class Outbox:
    """The events kept in the documents of one collection, under the field `outbox`."""

    def __init__(self, collection: Collection, messenger: Messenger, clock: Clock) -> None:
        """Keep events beside the state of `collection`."""
        self._collection = collection
        self._messenger = messenger
        self._clock = clock
        self._untold_since: datetime | None = None

    async def prepare(self) -> None:
        """Make the index that finds what waits to be told; documents without an outbox are not in it."""
        await self._collection.create_index("outbox.kept_at", sparse=True)

    def entries(self, *events: Event) -> Document:
        """The part of an update that writes the kept ones among these events; merge it into the one write."""
        kept = [self._entry(event) for event in events if event.kept]
        return {"$push": {"outbox": {"$each": kept}}} if kept else {}

    def _entry(self, event: Event) -> Document:
        letter = Letter.telling(event)
        return {**asdict(letter), "id": letter.headers["x-message-id"], "kept_at": self._clock()}

    async def deliver(self, document_id: Any) -> None:
        """Tell what waits in this document, in order, and strike it out. Raises `Unreachable`; nothing is lost then."""
        document = await self._collection.find_one({"_id": document_id}, {"outbox": 1})
        if document is not None:
            await self._deliver([document])

    async def sweep(self, older_than: timedelta = timedelta()) -> int:
        """Tell what was left untold for longer than this, and return how many documents had any."""
        due = self._clock() - older_than
        waiting = self._collection.find({"outbox.kept_at": {"$lte": due}}, {"outbox": 1})
        documents = [document async for document in waiting.sort("outbox.kept_at", 1).limit(_BATCH)]
        self._untold_since = min((e["kept_at"] for document in documents for e in document["outbox"]), default=None)
        await self._deliver(documents)
        return len(documents)

    def age(self) -> float:
        """For how many seconds the oldest event has been left untold, as far as the last sweep saw."""
        return 0.0 if self._untold_since is None else (self._clock() - self._untold_since).total_seconds()

    async def _deliver(self, documents: Sequence[Document]) -> None:
        """Tell what these documents hold, and strike out what was told, also where others could not be."""
        told: list[str] = []
        ended = await asyncio.gather(*(self._tell(document, told) for document in documents), return_exceptions=True)
        if told:
            await self._collection.update_many(
                {"_id": {"$in": [document["_id"] for document in documents]}},
                {"$pull": {"outbox": {"id": {"$in": told}}}},
            )
            await self._collection.update_many(
                {"_id": {"$in": [document["_id"] for document in documents]}, "outbox": []},
                {"$unset": {"outbox": ""}},
            )
        for untold in filter(None, ended):
            raise untold

    async def _tell(self, document: Document, told: list[str]) -> None:
        for entry in document.get("outbox", ()):
            fields = {name: value for name, value in entry.items() if name not in {"id", "kept_at"}}
            await self._messenger.send(Letter(**fields))
            told.append(entry["id"])


async def relay(outboxes: Sequence[Outbox], every: timedelta, pause: Callable[[float], Awaitable[None]]) -> None:
    """Sweep these outboxes for ever, whatever becomes of it: nobody else would tell what is left."""
    while True:
        await pause(every.total_seconds())
        for outbox in outboxes:
            try:
                while await outbox.sweep(older_than=every):
                    pass
            except (Unreachable, PyMongoError) as error:
                _log.warning("outbox waits", reason=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - an entry that another version wrote, or whatever it is
                _log.error("outbox waits", reason=type(error).__name__, exc_info=error)
