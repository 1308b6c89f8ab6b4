"""Asking over a real broker: each caller gets his own answer, and nobody waits for what cannot come."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import VerifyOtp
from shared.contracts.message import Event
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import Unreachable
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.examples import ADA, FLOW, NOON
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


async def test_each_of_many_questions_of_one_flow_gets_its_own_answer(broker: Broker, settings: Keyholder) -> None:
    names = [f"user-{number}" for number in range(300)]

    async with serving(auth(), settings=settings) as wire:
        answers = await asyncio.gather(*(wire.ask(question(name), FLOW) for name in names))

    assert [says(answer) for answer in answers] == names
    assert await broker.count(f"auth.{VerifyPassword.topic}") == 0


async def test_a_command_without_a_service_is_unreachable_at_once(broker: Broker, settings: Keyholder) -> None:
    clock = asyncio.get_running_loop().time
    command = VerifyOtp(flow_id=FLOW, tenant_id=ADA.tenant_id, user_id=ADA.user_id, code="sealed")
    async with serving(auth(), settings=settings, patience=timedelta(seconds=30)) as wire:
        began = clock()
        with pytest.raises(Unreachable, match=VerifyOtp.topic):
            await wire.ask(command, FLOW)

    assert clock() - began < 1
    assert await broker.count(f"enrollment.{VerifyOtp.topic}") == 0


async def test_a_question_that_is_not_answered_in_time_is_unreachable(broker: Broker, settings: Keyholder) -> None:
    await broker.declare(Service.AUTH, VerifyPassword)

    async with serving(settings=settings, patience=timedelta(seconds=0.2)) as wire:
        with pytest.raises(Unreachable, match="in time"):
            await wire.ask(question(), FLOW)


async def test_an_answer_that_comes_too_late_is_counted_and_dropped(broker: Broker, settings: Keyholder) -> None:
    before = REGISTRY.get_sample_value("wardgate_late_answers_total") or 0.0
    answering = asyncio.Event()
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def dawdle(command: VerifyPassword) -> LoginFailed:
        await answering.wait()
        return LoginFailed(occurred_at=NOON, flow_id=FlowId(command.username), reason=LoginFailure.DISABLED)

    async with serving(router, settings=settings, patience=timedelta(seconds=0.2)) as wire:
        with pytest.raises(Unreachable):
            await wire.ask(question("late"), FLOW)
        answering.set()
        answer = await wire.ask(question("in time"), FLOW)

    assert says(answer) == "in time"
    assert REGISTRY.get_sample_value("wardgate_late_answers_total") == before + 1
    assert await broker.count(f"auth.{VerifyPassword.topic}") == 0


async def test_only_so_many_may_wait_at_once(broker: Broker, settings: Keyholder) -> None:
    await broker.declare(Service.AUTH, VerifyPassword)

    async with serving(settings=settings) as wire:
        small = Caller(wire.messenger, now, patience=timedelta(seconds=0.5), room=2)
        await small.open()
        asked = await asyncio.gather(*(small.ask(question(), FLOW) for _ in range(3)), return_exceptions=True)
        await small.close()

    assert sum("too many" in str(each) for each in asked) == 1
    assert sum("in time" in str(each) for each in asked) == 2


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
