"""A message that kills its reader, and readers and brokers that die in the middle: nothing is lost."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ops.checkout import ROOT
from ops.stack import Stack
from shared.contracts.auth import VerifyPassword
from shared.contracts.vocabulary import Service
from shared.runtime.topology import DELIVERY_LIMIT, PARKED, RETRY
from tests.broker import Broker
from tests.examples import FLOW

QUEUE = f"auth.{VerifyPassword.topic}"


@asynccontextmanager
async def mortal_service(url: str, deaths: int) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.runtime.killed", url, str(deaths)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "."},
        stdout=PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_message_that_kills_its_reader_is_parked_by_the_broker_and_the_reader_lives(
    broker: Broker, servers: Stack
) -> None:
    deaths = DELIVERY_LIMIT + 1
    message = VerifyPassword(flow_id=FLOW, username="the poisoner", password="sealed")

    await broker.declare(Service.AUTH, VerifyPassword)
    await broker.send(message)

    async with broker.hearing(exchange=PARKED) as parked, mortal_service(servers.rabbitmq_url, deaths) as said:
        killed = [await said.readline() for _ in range(deaths)]
        found = await parked.next(within=30)

    assert killed == [b"died of signal 9\n"] * deaths
    assert VerifyPassword.model_validate_json(found.body) == message
    headers: dict[str, Any] = dict(found.headers)
    [death] = headers["x-death"]
    assert (death["reason"], death["queue"], death["count"]) == ("delivery_limit", QUEUE, 1)
    assert await broker.count(PARKED) == 1
    assert await broker.count(QUEUE) == await broker.count(RETRY) == 0
