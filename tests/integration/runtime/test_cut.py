"""A line to the broker that is cut, so that neither end is told."""

import asyncio
import io
from collections.abc import Sequence
from datetime import timedelta

import pytest
from pamqp.commands import Connection
from pydantic import SecretStr

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.message import Event
from shared.contracts.vocabulary import LoginFailure, Service
from shared.runtime.batches import BatchReader
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger, Unreachable, lost_is_not_cancelled
from shared.runtime.own_queue import OwnQueue
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.chaos.cables import Cable
from tests.examples import FLOW, NOON
from tests.serving import serving

ASKED = VerifyPassword(flow_id=FLOW, username="ada", password="sealed")
FAILED = LoginFailed(occurred_at=NOON, flow_id=FLOW, reason=LoginFailure.WRONG_PASSWORD)
SOON = 30.0
"""Seconds within which the broker gives up a reader from whom it hears nothing: two heartbeats, on a busy machine."""
IN_BETWEEN = "?heartbeat=2"
"""So the line is given up nine seconds after it was cut: in the middle of the second try to read through it."""
CONNECTED = Connection.OpenOk.index.to_bytes(4, "big")
"""What the broker's last word begins with to whoever connects."""


async def answered(caller: Caller) -> Event:
    """The answer, asked for until there is one."""
    while True:
        try:
            return await caller.ask(ASKED, FLOW)
        except Unreachable:
            await asyncio.sleep(0.1)


def answering() -> Router:
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def answer(_: VerifyPassword) -> LoginFailed:
        return FAILED

    return router


async def test_whoever_asks_on_a_line_that_is_given_up_is_told_so_and_is_answered_when_it_is_mended(
    broker: Broker, settings: Keyholder
) -> None:
    messenger = RabbitMessenger(settings.broker_users)
    caller = Caller(messenger, now, patience=timedelta(seconds=10))
    async with Cable.to(broker.url) as cable, serving(answering(), settings=settings), asyncio.timeout(SOON):
        await messenger.open(f"{cable.through(broker.url)}?heartbeat=1")
        await caller.open()
        await cable.cut()
        given_up = asyncio.Event()
        messenger.connection.close_callbacks.add(lambda *_: given_up.set())
        while not given_up.is_set():
            with pytest.raises(Unreachable):
                await caller.ask(ASKED, FLOW)
            await asyncio.sleep(0)
        await cable.mend()

        answer = await answered(caller)

        assert isinstance(answer, LoginFailed)
        await caller.close()
        await messenger.close()


async def logged(log: io.StringIO, what: str) -> None:
    """Return when it is logged."""
    while True:
        if what in log.getvalue():
            return
        await asyncio.sleep(0.1)


async def test_a_queue_of_ones_own_that_is_being_made_anew_when_the_line_is_given_up_is_made_when_it_is_mended(
    broker: Broker, settings: Keyholder, log: io.StringIO
) -> None:
    messenger = RabbitMessenger(settings.broker_users)
    heard = asyncio.Event()

    async def hear(_: object) -> None:
        heard.set()

    own = OwnQueue(messenger, "tests", hear, topic=LoginFailed.topic)
    async with Cable.to(broker.url) as cable, asyncio.timeout(SOON):
        await messenger.open(f"{cable.through(broker.url)}{IN_BETWEEN}")
        await own.open()
        cable.cut_behind(CONNECTED)
        cable.hang_up()
        await logged(log, "no queue of one's own: ConnectionError")
        await cable.mend()

        while not heard.is_set():
            await broker.send(FAILED)
            await asyncio.sleep(0.1)

        await own.close()
        await messenger.close()


async def test_events_are_read_on_where_the_line_was_given_up_while_their_reader_began_anew(
    broker: Broker, settings: Keyholder, log: io.StringIO
) -> None:
    messenger = RabbitMessenger(settings.broker_users)
    heard = asyncio.Queue[Event]()

    async def hear(events: Sequence[Event]) -> None:
        for event in events:
            heard.put_nowait(event)

    reader = BatchReader(Service.AUDIT, hear, messenger, now, settings.broker_users)
    async with Cable.to(broker.url) as cable, asyncio.timeout(SOON):
        await messenger.open(broker.url)
        await reader.open(f"{cable.through(broker.url)}{IN_BETWEEN}")
        cable.cut_behind(CONNECTED)
        cable.hang_up()
        await logged(log, '"reason": "ConnectionError"')
        await cable.mend()

        await broker.send(FAILED)

        assert await heard.get() == FAILED
        await reader.close()
        await messenger.close()


async def test_whoever_is_cancelled_while_he_waits_for_the_broker_is_cancelled() -> None:
    async def wait() -> None:
        with lost_is_not_cancelled():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_a_reader_has_in_hand_who_was_cut_off_goes_to_another(broker: Broker, settings: Keyholder) -> None:
    taken, by_another, mended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def auth(seen: asyncio.Event) -> Router:
        router = Router(Service.AUTH)

        @router.does(VerifyPassword)
        async def see_to(_: VerifyPassword) -> LoginFailed:
            seen.set()
            await mended.wait()
            return FAILED

        return router

    async with Cable.to(broker.url) as cable:
        far = settings.model_copy(update={"rabbitmq_url": SecretStr(cable.through(broker.url))})
        async with serving(auth(taken), settings=far), asyncio.timeout(SOON):
            await broker.send(ASKED)
            await taken.wait()
            await cable.cut()
            try:
                async with serving(auth(by_another), settings=settings):
                    await by_another.wait()
                    mended.set()
            finally:
                await cable.mend()
