"""Run as a script: the audit service, whose process dies with each of its first batches and is started again each time.

By turns it dies before anything is written, when the records are and their head is not, and when all is but the
acknowledgement: where an event could be lost, a chain be broken, an event be written twice. It forks, so that
everything is imported once.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any

from pydantic import SecretStr

from services.audit.handlers import handlers
from services.audit.store import Store
from shared.contracts.message import Event
from shared.contracts.vocabulary import Service
from shared.runtime.clock import now
from shared.runtime.mongo import Mongo, UpdateOne
from shared.runtime.origin import BrokerUsers
from shared.runtime.router import Router
from shared.runtime.settings import Environment, Settings
from tests.serving import serving


class Moment(Enum):
    """When it dies."""

    BEFORE_THE_RECORDS = 1
    BEFORE_THE_HEADS = 2
    BEFORE_THE_ACKNOWLEDGEMENT = 3


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """A collection whose writer dies when it writes."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    async def bulk_write(self, moves: Sequence[UpdateOne], **options: Any) -> None:
        if "'$set'" in repr(moves[0]):  # the heads are moved, the records of the batch are written
            die()
        await self._collection.bulk_write(moves, **options)


async def serve(settings: Settings, moment: Moment | None = None) -> None:
    """Write down what comes, and say how much is written; or die at this moment."""
    mongo = Mongo(settings.mongodb_url.get_secret_value())
    database = mongo.database(f"{settings.mongodb_prefix}{Service.AUDIT}")
    store = Store(database)
    await store.prepare()
    if moment is Moment.BEFORE_THE_HEADS:
        store._heads = Dying(store._heads)  # noqa: SLF001 - where nobody else can stop it
    record = handlers(store, now).everything
    assert record is not None
    router = Router(Service.AUDIT)

    @router.hears_everything
    async def hear(events: Sequence[Event]) -> None:
        if moment is Moment.BEFORE_THE_RECORDS:
            die()
        await record(events)
        if moment is Moment.BEFORE_THE_ACKNOWLEDGEMENT:
            die()
        written = sum(head.count for head in (await store.heads()).values())
        print("written", written, flush=True)  # noqa: T201 - what the test reads

    async with serving(router, settings=settings):
        await asyncio.Event().wait()


def main(rabbitmq: str, mongodb: str, prefix: str, deaths: int) -> None:
    """Die so many times, then live on until told to stop."""
    settings = Settings(
        environment=Environment.DEVELOPMENT,
        broker_users=BrokerUsers.SHARED,
        rabbitmq_url=SecretStr(rabbitmq),
        mongodb_url=SecretStr(mongodb),
        mongodb_prefix=prefix,
    )
    for number in range(deaths):
        if (child := os.fork()) == 0:
            asyncio.run(serve(settings, list(Moment)[number % len(Moment)]))
        _, status = os.waitpid(child, 0)
        print("died of signal", os.WTERMSIG(status), flush=True)  # noqa: T201 - what the test reads
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
