"""A broker that is killed and comes back: services and callers find it, and what it had confirmed is there."""

import asyncio
from datetime import timedelta

import pytest
from pydantic import SecretStr

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.message import Event
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.runtime.messaging import Unreachable
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.examples import FLOW, NOON
from tests.servers import MortalBroker
from tests.serving import RealWire, serving

SOON = 20.0
"""Seconds within which everybody has found the broker again."""


def auth() -> Router:
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def fail(command: VerifyPassword) -> LoginFailed:
        return LoginFailed(occurred_at=NOON, flow_id=FlowId(command.username), reason=LoginFailure.WRONG_PASSWORD)

    return router


def question(username: str = "ada") -> VerifyPassword:
    return VerifyPassword(flow_id=FLOW, username=username, password="sealed")


def says(answer: Event) -> str:
    assert isinstance(answer, LoginFailed)
    return answer.flow_id


async def ask_until_answered(wire: RealWire) -> Event:
    async with asyncio.timeout(SOON):
        while True:
            try:
                return await wire.ask(question(), FLOW)
            except Unreachable:
                await asyncio.sleep(0.1)


async def test_services_and_callers_find_a_broker_that_was_killed_and_came_back(
    settings: Keyholder, mortal_broker: MortalBroker
) -> None:
    on_it = settings.model_copy(update={"rabbitmq_url": SecretStr(mortal_broker.url)})
    async with serving(auth(), auth(), settings=on_it) as wire:
        before = await wire.ask(question(), FLOW)

        await mortal_broker.kill()
        with pytest.raises(Unreachable):
            await wire.ask(question(), FLOW)
        await mortal_broker.start()
        after = await ask_until_answered(wire)

    assert says(before) == says(after) == "ada"


async def test_who_waits_while_the_broker_dies_is_told_at_once(
    settings: Keyholder, mortal_broker: MortalBroker
) -> None:
    on_it = settings.model_copy(update={"rabbitmq_url": SecretStr(mortal_broker.url)})
    handling, clock = asyncio.Event(), asyncio.get_running_loop().time
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def never_answer(_: VerifyPassword) -> None:
        handling.set()
        await asyncio.Event().wait()

    async with serving(router, settings=on_it, patience=timedelta(minutes=1)) as wire:
        waiting = asyncio.create_task(wire.ask(question(), FLOW))
        await handling.wait()
        await mortal_broker.kill()
        began = clock()
        with pytest.raises(Unreachable, match="lost"):
            await waiting

    assert clock() - began < 5


async def test_what_the_broker_has_confirmed_outlives_it(settings: Keyholder, mortal_broker: MortalBroker) -> None:
    names = {f"user-{number}" for number in range(100)}
    heard: set[str] = set()
    all_heard = asyncio.Event()
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def hear(command: VerifyPassword) -> None:
        heard.add(command.username)
        if heard == names:
            all_heard.set()

    async with Broker.at(mortal_broker.url) as broker:
        await broker.declare(Service.AUTH, VerifyPassword)
        await asyncio.gather(*(broker.send(question(name)) for name in names))
        await mortal_broker.kill()
    await mortal_broker.start()
    on_it = settings.model_copy(update={"rabbitmq_url": SecretStr(mortal_broker.url)})
    async with serving(router, settings=on_it), asyncio.timeout(SOON):
        await all_heard.wait()

    assert heard == names
