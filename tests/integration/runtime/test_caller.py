"""Asking over a real broker: answers by `CC`, many at once, deadlines, and what a broken connection does to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

import aio_pika
import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from yarl import URL

from shared.contracts.readiness import ReadinessReported, ReportAuthReadiness
from shared.contracts.refusals import RefusalCode, RequestRefused, WrongState
from shared.contracts.vocabulary import FlowId, Service
from shared.runtime import topology
from shared.runtime.caller import Asks, Caller
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger, Unreachable
from shared.runtime.origin import BrokerUsers
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.component.gateway.fakes import FakeCaller
from tests.examples import FLOW, NOON
from tests.serving import serving

ASKED = ReportAuthReadiness(flow_id=FLOW)
REFUSED = FlowId("a flow that is refused")
SOON = timedelta(seconds=0.3)


def reported(command: ReportAuthReadiness) -> ReadinessReported:
    """An answer in which the question can be told."""
    return ReadinessReported(
        occurred_at=NOON, flow_id=command.flow_id, service=Service.AUTH, missing=(str(command.id),)
    )


def answering(wait: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)) -> Router:
    router = Router(Service.AUTH)

    @router.does(ReportAuthReadiness)
    async def answer(command: ReportAuthReadiness) -> ReadinessReported:
        await wait()
        if command.flow_id == REFUSED:
            raise WrongState("Not now.")
        return reported(command)

    return router


class Cable:
    """A TCP connection to the broker that can be cut, and mended."""

    def __init__(self, url: str) -> None:
        self._broker = URL(url)
        self._pipes: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        cable = cls(url)
        await cable.mend()
        yield cable
        await cable.cut()

    @property
    def url(self) -> str:
        return str(self._broker.with_host("127.0.0.1").with_port(self._port))

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for pipe in self._pipes:
            pipe.transport.abort()
        self._pipes.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_broker = await asyncio.open_connection(self._broker.host, self._broker.port)
        self._pipes |= {writer, to_broker[1]}
        await asyncio.gather(self._pump(reader, to_broker[1]), self._pump(to_broker[0], writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def calling(url: str, *, patience: timedelta = timedelta(seconds=8), room: int = 2_000) -> AsyncIterator[Caller]:
    messenger = RabbitMessenger(BrokerUsers.SHARED)
    await messenger.open(url)
    caller = Caller(messenger, now, patience=patience, room=room)
    await caller.open()
    yield caller
    await caller.close()
    await messenger.close()


async def asked_until_answered(caller: Caller) -> object:
    """Ask as a browser does that is told to try again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await caller.ask(ASKED, FLOW)
            except Unreachable:
                await asyncio.sleep(0.05)


@pytest.fixture(params=["real", "fake"])
async def asks(request: pytest.FixtureRequest, settings: Keyholder) -> AsyncIterator[Asks]:
    """A real caller with a service at the other end, and the double that the gateway's tests use."""
    if request.param == "real":
        async with serving(answering(), settings=settings, patience=SOON * 10) as wire:
            yield wire.caller
    else:
        fake = FakeCaller()
        fake.answers(
            ReportAuthReadiness,
            lambda command: (
                RequestRefused(
                    occurred_at=NOON, flow_id=command.flow_id, code=RefusalCode.WRONG_STATE, detail="Not now."
                )
                if command.flow_id == REFUSED
                else reported(command)
            ),
        )
        yield fake


@pytest.mark.usefixtures("broker")
async def test_an_answer_comes_back_to_who_asked(asks: Asks) -> None:
    answer = await asks.ask(ASKED, FLOW)

    assert isinstance(answer, ReadinessReported)
    assert answer.missing == (str(ASKED.id),)


@pytest.mark.usefixtures("broker")
async def test_a_refusal_is_an_answer(asks: Asks) -> None:
    answer = await asks.ask(ReportAuthReadiness(flow_id=REFUSED), REFUSED)

    assert isinstance(answer, RequestRefused)
    assert (answer.flow_id, answer.code, answer.detail) == (REFUSED, RefusalCode.WRONG_STATE, "Not now.")


@pytest.mark.usefixtures("broker")
async def test_many_questions_of_one_flow_at_once_each_get_their_own_answer(asks: Asks) -> None:
    commands = [ReportAuthReadiness(flow_id=FLOW) for _ in range(50)]

    answers = await asyncio.gather(*(asks.ask(command, FLOW) for command in commands))

    assert [getattr(answer, "missing", None) for answer in answers] == [(str(command.id),) for command in commands]


@pytest.mark.parametrize("kind", ["real", "fake"])
async def test_a_command_without_a_service_is_unreachable_at_once(broker: Broker, kind: str) -> None:
    async with calling(broker.url) as real, asyncio.timeout(3):
        asks: Asks = real if kind == "real" else FakeCaller()
        with pytest.raises(Unreachable):
            await asks.ask(ASKED, FLOW)


@pytest.mark.usefixtures("broker")
async def test_an_answer_that_does_not_come_in_time_is_not_waited_for(settings: Keyholder) -> None:
    never = asyncio.Event()
    async with serving(answering(never.wait), settings=settings) as wire:
        with pytest.raises(Unreachable, match="in time"):
            await wire.caller.ask(ASKED, FLOW, SOON)
        never.set()

        answer = await wire.caller.ask(ReportAuthReadiness(flow_id=FLOW), FLOW)

    assert isinstance(answer, ReadinessReported)
    assert answer.missing != (str(ASKED.id),)


async def test_there_is_room_for_so_many_questions_and_no_more(broker: Broker, settings: Keyholder) -> None:
    never = asyncio.Event()
    async with serving(answering(never.wait), settings=settings), calling(broker.url, room=2) as caller:
        waiting = [asyncio.create_task(caller.ask(ASKED, FLOW)) for _ in range(2)]
        await asyncio.sleep(0)

        with pytest.raises(Unreachable, match="too many"):
            await caller.ask(ASKED, FLOW)

        never.set()
        assert len(await asyncio.gather(*waiting)) == 2


async def test_who_waits_on_a_connection_that_breaks_is_told_at_once(broker: Broker, settings: Keyholder) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await never.wait()

    async with (
        serving(answering(wait), settings=settings),
        Cable.to(broker.url) as cable,
        calling(cable.url, patience=timedelta(minutes=1)) as caller,
    ):
        waiting = asyncio.create_task(caller.ask(ASKED, FLOW))
        await reached.wait()

        await cable.cut()

        async with asyncio.timeout(5):
            with pytest.raises(Unreachable):
                await waiting
        never.set()
        await cable.mend()
        await asked_until_answered(caller)


async def test_a_caller_recovers_however_often_the_connection_breaks(broker: Broker, settings: Keyholder) -> None:
    async with (
        serving(answering(), settings=settings),
        Cable.to(broker.url) as cable,
        calling(cable.url, patience=SOON * 10) as caller,
    ):
        for _ in range(3):
            await cable.cut()
            with pytest.raises(Unreachable):
                await caller.ask(ASKED, FLOW)
            await cable.mend()

            assert isinstance(await asked_until_answered(caller), ReadinessReported)


async def test_a_caller_recovers_from_a_connection_that_breaks_while_it_comes_back(
    broker: Broker, settings: Keyholder
) -> None:
    async with (
        serving(answering(), settings=settings),
        Cable.to(broker.url) as cable,
        calling(cable.url, patience=SOON * 10) as caller,
    ):
        for moment in range(8):  # the client tries again after a second: before, while and after it is back
            await cable.cut()
            await cable.mend()
            await asyncio.sleep(0.95 + moment / 32)

        assert isinstance(await asked_until_answered(caller), ReadinessReported)


async def test_a_caller_recovers_where_the_broker_comes_back_without_what_was_declared(
    broker: Broker, settings: Keyholder
) -> None:
    async with (
        serving(answering(), settings=settings),
        Cable.to(broker.url) as cable,
        calling(cable.url, patience=SOON * 10) as caller,
        await aio_pika.connect(broker.url) as connection,
        connection.channel() as channel,
    ):
        await cable.cut()
        await channel.exchange_delete(topology.EVENTS)
        await cable.mend()
        await asyncio.sleep(2)  # the caller is back, and there is nothing to bind its queue to
        await topology.declare(channel)

        assert isinstance(await asked_until_answered(caller), ReadinessReported)


async def test_a_caller_is_answered_again_after_the_exchange_of_answers_was_deleted_and_made_anew(
    broker: Broker, settings: Keyholder
) -> None:
    async with serving(answering(), settings=settings, patience=SOON * 10) as wire:
        async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
            await channel.exchange_delete(topology.EVENTS)
            await topology.declare(channel)

        assert isinstance(await asked_until_answered(wire.caller), ReadinessReported)


@pytest.mark.usefixtures("broker")
async def test_a_caller_whose_reply_queue_was_deleted_makes_another(settings: Keyholder) -> None:
    async with serving(answering(), settings=settings) as wire:
        before = wire.caller.reply_to
        assert before is not None
        async with wire.messenger.connection.channel() as channel:
            await channel.queue_delete(before)

        answer = await asked_until_answered(wire.caller)

        assert isinstance(answer, ReadinessReported)
        assert wire.caller.reply_to != before


async def test_a_stray_answer_to_nobody_and_one_that_is_malformed_disturb_nobody(
    broker: Broker, settings: Keyholder
) -> None:
    async with serving(answering(), settings=settings) as wire:
        assert wire.caller.reply_to is not None
        for body in (b"{}", b"not json", reported(ASKED).model_dump_json().encode()):
            await broker.put("", wire.caller.reply_to, body, correlation_id=FLOW, headers={"x-attempt": "another"})

        assert isinstance(await wire.caller.ask(ASKED, FLOW), ReadinessReported)


async def test_a_messenger_that_could_not_declare_the_topology_can_be_opened_again(broker: Broker) -> None:
    messenger = RabbitMessenger(BrokerUsers.SHARED)
    async with await aio_pika.connect(broker.url) as connection, connection.channel() as channel:
        await channel.queue_delete(topology.PARKED)
        await channel.declare_queue(topology.PARKED, durable=True)

        with pytest.raises(ChannelPreconditionFailed):
            await messenger.open(broker.url)
        is_open_after_the_failure = messenger.is_open
        await channel.queue_delete(topology.PARKED)
        await messenger.open(broker.url)

    assert not is_open_after_the_failure
    assert messenger.is_open
    await messenger.close()
