"""A line to the broker that is cut, so that neither end is told."""

import asyncio

from pydantic import SecretStr

from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.vocabulary import LoginFailure, Service
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.chaos.cables import Cable
from tests.examples import FLOW, NOON
from tests.serving import serving

SOON = 30.0
"""Seconds within which the broker gives up a reader from whom it hears nothing: two heartbeats, on a busy machine."""


async def test_what_a_reader_has_in_hand_who_was_cut_off_goes_to_another(broker: Broker, settings: Keyholder) -> None:
    taken, by_another, mended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def auth(seen: asyncio.Event) -> Router:
        router = Router(Service.AUTH)

        @router.does(VerifyPassword)
        async def see_to(_: VerifyPassword) -> LoginFailed:
            seen.set()
            await mended.wait()
            return LoginFailed(occurred_at=NOON, flow_id=FLOW, reason=LoginFailure.WRONG_PASSWORD)

        return router

    async with Cable.to(broker.url) as cable:
        far = settings.model_copy(update={"rabbitmq_url": SecretStr(cable.through(broker.url))})
        async with serving(auth(taken), settings=far), asyncio.timeout(SOON):
            await broker.send(VerifyPassword(flow_id=FLOW, username="ada", password="sealed"))
            await taken.wait()
            await cable.cut()
            try:
                async with serving(auth(by_another), settings=settings):
                    await by_another.wait()
                    mended.set()
            finally:
                await cable.mend()
