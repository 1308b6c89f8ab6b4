"""The doubles behave as the real things do: the same assertions are made on both."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Protocol

import pytest

from shared.contracts.auth import LoginFailed, LoginSucceeded, VerifyPassword
from shared.contracts.message import Command, Event
from shared.contracts.policy import OtpRequired
from shared.contracts.readiness import ReportPolicyReadiness
from shared.contracts.refusals import AccessDenied, RefusalCode, RequestRefused
from shared.contracts.vocabulary import LoginFailure, Service
from shared.runtime.messaging import Envelope, Letter, Unreachable
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.examples import ADA, FLOW, NOON, messages
from tests.fakes import FakeWire
from tests.serving import serving


class Wire(Protocol):
    """What both wires can do."""

    async def send(self, letter: Letter) -> None: ...
    async def ask(self, command: Command, correlation_id: str) -> Event: ...


Join = Callable[..., AbstractAsyncContextManager[Wire]]


@pytest.fixture(params=["fake", "real"])
def join(request: pytest.FixtureRequest, settings: Keyholder, broker: Broker) -> Join:
    assert broker.url == settings.rabbitmq_url.get_secret_value()

    @asynccontextmanager
    async def joined(*routers: Router) -> AsyncIterator[Wire]:
        if request.param == "fake":
            async with FakeWire().joining(*routers, settings=settings) as fake:
                yield fake
        else:
            async with serving(*routers, settings=settings, patience=timedelta(seconds=1)) as real:
                yield real

    return joined


def auth(*, knows: str) -> Router:
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def verify(command: VerifyPassword) -> LoginSucceeded | LoginFailed:
        if command.username == knows:
            return LoginSucceeded(
                occurred_at=NOON, flow_id=command.flow_id, **dict(ADA.named), username=knows, display_name="Ada"
            )
        return LoginFailed(occurred_at=NOON, flow_id=command.flow_id, reason=LoginFailure.UNKNOWN_USER)

    return router


def policy(*, denies: bool = False, breaks: bool = False) -> Router:
    router = Router(Service.POLICY)

    @router.hears(LoginSucceeded)
    async def decide(event: LoginSucceeded) -> OtpRequired:
        if denies:
            raise AccessDenied("No policy says so.")
        if breaks:
            raise ZeroDivisionError
        return OtpRequired(occurred_at=NOON, flow_id=event.flow_id, tenant_id=event.tenant_id, user_id=event.user_id)

    return router


def question(username: str) -> VerifyPassword:
    return VerifyPassword(flow_id=FLOW, username=username, password="sealed")


async def test_an_answer_comes_back_to_who_asked(join: Join) -> None:
    async with join(auth(knows="ada")) as wire:
        answer = await wire.ask(question("somebody else"), FLOW)

    assert isinstance(answer, LoginFailed)
    assert answer.flow_id == FLOW


async def test_an_answer_comes_back_over_two_services(join: Join) -> None:
    async with join(auth(knows="ada"), policy()) as wire:
        answer = await wire.ask(question("ada"), FLOW)

    assert isinstance(answer, OtpRequired)


async def test_the_same_question_gets_an_answer_of_the_same_id(join: Join) -> None:
    asked = question("ada")
    async with join(auth(knows="ada"), policy()) as wire:
        answers = [await wire.ask(asked, FLOW) for _ in range(2)]

    assert answers[0].id == answers[1].id


async def test_a_refusal_is_an_answer(join: Join) -> None:
    async with join(auth(knows="ada"), policy(denies=True)) as wire:
        answer = await wire.ask(question("ada"), FLOW)

    assert isinstance(answer, RequestRefused)
    assert answer.code is RefusalCode.ACCESS_DENIED


async def test_a_fault_is_no_answer(join: Join) -> None:
    async with join(auth(knows="ada"), policy(breaks=True)) as wire:
        with pytest.raises(Unreachable):
            await wire.ask(question("ada"), FLOW)


async def test_an_event_that_is_no_answer_reaches_no_caller(join: Join) -> None:
    async with join(auth(knows="ada")) as wire:
        with pytest.raises(Unreachable):
            await wire.ask(question("ada"), FLOW)


async def test_a_command_that_nobody_reads_is_unreachable(join: Join) -> None:
    async with join(auth(knows="ada")) as wire:
        with pytest.raises(Unreachable, match=ReportPolicyReadiness.topic):
            await wire.ask(ReportPolicyReadiness(flow_id=FLOW), FLOW)


async def test_an_event_that_nobody_reads_is_taken(join: Join) -> None:
    async with join(auth(knows="ada")) as wire:
        await wire.send(Letter.of(messages()["user.created.v1"], Envelope("")))
