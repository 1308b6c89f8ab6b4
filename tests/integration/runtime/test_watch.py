"""What somebody deletes on the broker while services run: who may puts it back, and all others say what they lack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel

from ops.stack import Stack
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.message import Event
from shared.contracts.vocabulary import LoginFailure, Service
from shared.runtime import topology
from shared.runtime.messaging import Unreachable
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from shared.runtime.watch import Watch
from tests.broker import Broker
from tests.examples import FLOW, NOON
from tests.keys import Keys
from tests.serving import RealWire, serving
from tests.system import Instance, System, Systems

SOON = 30.0
ASKED = VerifyPassword(flow_id=FLOW, username="ada", password="sealed")
QUEUE = topology.work_queue(Service.AUTH, VerifyPassword).name
AUDITS, _ = topology.everything_queue(Service.AUDIT)


@asynccontextmanager
async def administrator(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


def answering() -> Router:
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def answer(_: VerifyPassword) -> LoginFailed:
        return LoginFailed(occurred_at=NOON, flow_id=FLOW, reason=LoginFailure.WRONG_PASSWORD)

    return router


async def answered(wire: RealWire) -> Event:
    """The answer, asked for until there is one."""
    while True:
        try:
            return await wire.ask(ASKED, FLOW)
        except Unreachable:
            await asyncio.sleep(0.1)


async def told_to_the_trail(broker: Broker) -> None:
    """Return when there is something to be written down."""
    while True:
        if await broker.count(AUDITS):
            return
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("exchange", [topology.COMMANDS, topology.EVENTS])
async def test_an_exchange_that_was_deleted_is_put_back_with_its_bindings_by_who_may(
    broker: Broker, settings: Keyholder, exchange: str
) -> None:
    async with serving(answering(), settings=settings) as wire, administrator(broker.url) as channel:
        watch = asyncio.create_task(Watch(Service.AUTH, wire.messenger, timedelta(seconds=1)).keep([VerifyPassword]))
        await channel.exchange_delete(exchange)

        async with asyncio.timeout(SOON):
            assert isinstance(await answered(wire), LoginFailed)
            await told_to_the_trail(broker)
        watch.cancel()


@pytest.fixture
async def guarded(
    guarded_servers: Stack, keys: Keys, systems: Systems, tmp_path: Path
) -> AsyncIterator[tuple[System, AbstractChannel]]:
    """One instance of each service, none of which may declare anything, and the administrator of their broker."""
    await systems.stop()
    async with (
        System.running(guarded_servers, keys, tmp_path, instances=1) as system,
        administrator(guarded_servers.rabbitmq_url) as channel,
    ):
        yield system, channel
        await asyncio.to_thread(guarded_servers.provide_broker)


async def lacked(instance: Instance, what: set[str]) -> list[str]:
    """What an instance says that it lacks, once that is all of this and its servers are there."""
    async with httpx.AsyncClient() as client, asyncio.timeout(SOON):
        while True:
            response = await client.get(f"{instance.url}/readyz")
            if what <= {*response.json()["missing"]} and response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                return list(response.json()["missing"])
            await asyncio.sleep(0.1)


async def test_who_may_declare_nothing_says_what_was_taken_away_and_goes_on_when_it_was_provided_again(
    guarded: tuple[System, AbstractChannel],
) -> None:
    system, channel = guarded

    await channel.exchange_delete(topology.EVENTS)
    await channel.exchange_delete(topology.COMMANDS)
    await channel.queue_delete(QUEUE)
    await channel.queue_delete(AUDITS)

    shared = {f"exchange {topology.EVENTS}", f"exchange {topology.COMMANDS}", f"queue {AUDITS}"}
    said = await asyncio.gather(*(lacked(instance, shared) for instance in system.instances))
    readers = {one.service for one, lacks in zip(system.instances, said, strict=True) if f"queue {QUEUE}" in lacks}
    assert readers == {Service.AUTH}
    await asyncio.to_thread(system.servers.provide_broker)
    await system.start()  # all that run are ready: the gateway has asked each service, and was answered
    await system.settled()
