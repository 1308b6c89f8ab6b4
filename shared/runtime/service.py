"""What makes all services alike: broker, database, logs, health, metrics, start and graceful shutdown."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker
from faststream.rabbit.annotations import RabbitMessage
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.contracts.message import Command, Event
from shared.contracts.readiness import (
    ReadinessReported,
    ReportAuthReadiness,
    ReportEnrollmentReadiness,
    ReportPolicyReadiness,
)
from shared.contracts.vocabulary import Service
from shared.runtime import logs, topology, tracing
from shared.runtime.batches import BatchReader
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.instance import Instance
from shared.runtime.messaging import Messenger, RabbitMessenger, address
from shared.runtime.metrics import OUTBOX_AGE
from shared.runtime.mongo import Database, Mongo, PyMongoError
from shared.runtime.origin import BrokerUsers
from shared.runtime.outbox import Outbox, relay
from shared.runtime.reader import Reader
from shared.runtime.router import Router
from shared.runtime.settings import Settings
from shared.runtime.telling import Teller
from shared.runtime.watch import Watch

_log = structlog.get_logger(__name__)

_GRACE = 10.0
"""Seconds that messages in hand are given at a shutdown."""

_READINESS: dict[Service, type[Command]] = {
    report.to: report for report in (ReportAuthReadiness, ReportPolicyReadiness, ReportEnrollmentReadiness)
}


def attach(router: Router, broker: RabbitBroker, messenger: Messenger, settings: Settings) -> None:
    """Make every line of a router a reader of its queue, on a channel for consuming with a bounded prefetch."""
    consuming = Channel(prefetch_count=settings.prefetch)
    users = settings.broker_users
    for reading in router.readings:
        reader = Reader(router.service, reading, messenger, now, settings.retry_limit, users)
        broker.subscriber(
            topology.work_queue(router.service, reading.message, declare=users is BrokerUsers.SHARED),
            topology.stream_exchange(reading.message),
            channel=consuming,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            decoder=_whole,
        )(_function(reader))


async def _whole(message: RabbitMessage) -> RabbitMessage:
    """Hand the message on as it is: the reader decodes it, where a malformed one is seen to."""
    return message


def _function(reader: Reader) -> Callable[[Any], Awaitable[None]]:
    async def read(message: Any) -> None:
        await reader.read(message)

    return read


class Runtime:
    """One process of a service, from its settings to its last acknowledged message."""

    def __init__(self, service: Service, settings: Settings) -> None:
        """Connect to nothing yet. Raises `ValueError` where the user of the broker's URL is not the service's own."""
        settings.see_that_user_is(service)
        logs.configure(service, settings.log_level)
        tracing.start(service, settings)
        self.service = service
        self.settings = settings
        self.mongo = Mongo(settings.mongodb_url.get_secret_value(), settings.mongodb_driver)
        self.messenger = RabbitMessenger(settings.broker_users)
        self._outboxes: list[Outbox] = []
        self._callers: list[Caller] = []
        self._teller = Teller(self.messenger)
        self._watch = Watch(service, self.messenger, timedelta(seconds=settings.broker_watch_seconds))
        self._instance = Instance(service, self.messenger, self.missing, self._outboxes, now)
        self._broker: RabbitBroker | None = None
        self._batches: BatchReader | None = None
        self._prepared = False

    @property
    def database(self) -> Database:
        """The database that this service owns."""
        return self.mongo.database(f"{self.settings.mongodb_prefix}{self.service}")

    def outbox(self, collection: str) -> Outbox:
        """The outbox of a collection, swept by this process from its start on."""
        outbox = Outbox(self.database[collection], self.messenger, now)
        self._outboxes.append(outbox)
        OUTBOX_AGE.labels(collection).set_function(outbox.age)
        return outbox

    def caller(self, patience: timedelta) -> Caller:
        """A caller of this process, which can ask as soon as the broker is there."""
        caller = Caller(self.messenger, now, patience=patience)
        self._callers.append(caller)
        return caller

    @property
    def tell(self) -> Callable[[Event, str], None]:
        """Tells an event, in the conversation of this correlation id, that nobody waits for."""
        return self._teller.tell

    async def missing(self) -> tuple[str, ...]:
        """What this process waits for; nothing when it can do its work."""
        missing = [*self._watch.missing] if self._prepared and self.messenger.is_open else ["rabbitmq"]
        try:
            await self.mongo.ping()
        except PyMongoError:
            missing.append("mongodb")
        return tuple(missing)

    def app(self, router: Router, prepare: Callable[[], Awaitable[None]]) -> Starlette:
        """The service as an ASGI application: messages are its work, HTTP tells how it is."""

        async def report_readiness(command: Any) -> ReadinessReported:
            return ReadinessReported(
                occurred_at=now(), flow_id=command.flow_id, service=self.service, missing=await self.missing()
            )

        if self.service in _READINESS:
            router.does(_READINESS[self.service])(report_readiness)

        async def readyz(_: Request) -> Response:
            missing = await self.missing()
            return JSONResponse({"missing": missing}, status_code=503 if missing else 200)

        return Starlette(routes=[*probes(), Route("/readyz", readyz)], lifespan=self.lifespan(router, prepare))

    def lifespan(self, router: Router, prepare: Callable[[], Awaitable[None]]) -> Callable[[Any], Any]:
        """Run `router` as long as the application lives, after `prepare` (indexes and the like) has been done."""

        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            tasks = [
                asyncio.create_task(self._start(router, prepare)),
                asyncio.create_task(
                    relay(self._outboxes, timedelta(seconds=self.settings.outbox_sweep_seconds), asyncio.sleep)
                ),
            ]
            try:
                yield
            finally:
                await self._stop(tasks)

        return lifespan

    async def _start(self, router: Router, prepare: Callable[[], Awaitable[None]]) -> None:
        """Connect; where a server is not there yet, say so and try again."""
        while not self._prepared:
            try:
                await self._connect(router, prepare)
            except Exception as error:  # noqa: BLE001 - whatever it is: readiness says so, and nobody else tries again
                _log.warning("waits for its servers", reason=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(1)
            else:
                self._prepared = True
                gc.collect()
                gc.freeze()  # what is there by now stays: no collection has to look at it again
                _log.info("ready")
        await self._watch.keep([reading.message for reading in router.readings])

    async def _connect(self, router: Router, prepare: Callable[[], Awaitable[None]]) -> None:
        url = self.settings.rabbitmq_url.get_secret_value()
        await prepare()
        for outbox in self._outboxes:
            await outbox.prepare()
        if not self.messenger.is_open:
            await self.messenger.open(url)
        await self._instance.open()
        for caller in self._callers:
            await caller.open()
        if router.readings and self._broker is None:
            await self._attach(router, url)
        if router.everything is not None and self._batches is None:
            batches = BatchReader(self.service, router.everything, self.messenger, now, self.settings.broker_users)
            await batches.open(url)
            self._batches = batches

    async def _attach(self, router: Router, url: str) -> None:
        broker = RabbitBroker(
            address(url),
            reconnect_interval=1,
            apply_types=False,
            logger=None,
            graceful_timeout=_GRACE,
            app_id=self.service,
        )
        attach(router, broker, self.messenger, self.settings)
        try:
            await broker.start()
        except BaseException:
            await broker.stop()
            raise
        self._broker = broker

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Take no more messages, finish those in hand, close."""
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._broker is not None:
            await self._broker.stop()
        if self._batches is not None:
            await self._batches.close()
        for caller in self._callers:
            await caller.close()
        await self._instance.close()
        await self._teller.close()
        await self.messenger.close()
        await self.mongo.close()
        await asyncio.to_thread(tracing.stop)


def probes() -> list[Route]:
    """Liveness and metrics, the same for every service."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({})

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/metrics", metrics)]
