"""How long a browser is kept waiting where what stands behind the gateway hangs."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ops.servers import Server
from ops.stack import Stack
from services.gateway.hurry import Hurried, Hurry
from shared.contracts.auth import VerifyPassword
from shared.contracts.message import Command, Event
from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import Mongo, PyMongoError
from tests.conftest import Driver
from tests.examples import FLOW

ASKED = VerifyPassword(flow_id=FLOW, username="ada", password="sealed")


class Silent:
    """A caller who is answered never, and notes how long he would have waited."""

    def __init__(self) -> None:
        self.waited: list[timedelta] = []

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        assert patience is not None
        self.waited.append(patience)
        raise Unreachable(f"no answer to {command.topic} for {correlation_id}")


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    while Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)  # a busy machine takes its time to stop all threads
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def requested(hurry: Hurry) -> None:
    async def nothing(*_: object) -> None: ...

    await hurry({"type": "http"}, nothing, nothing)  # type: ignore[arg-type] # nothing is received or sent


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_request_that_needs_a_hanging_database_several_times_waits_as_long_as_for_one(
    mortal_servers: Stack, driver: Driver
) -> None:
    assert mortal_servers.mongodb is not None
    mongo, failed = Mongo(mortal_servers.mongodb_url, driver), 0

    async def app(*_: object) -> None:
        nonlocal failed
        for _ in range(3):
            try:
                await mongo.ping()
            except PyMongoError:
                failed += 1

    await mongo.ping()
    began = time.monotonic()
    with hanging(mortal_servers.mongodb):
        await requested(Hurry(app, longest=1.0))
    took = time.monotonic() - began
    await mongo.close()

    assert failed == 3
    assert took < 2.5, "three calls of a second each, or of five"


async def test_what_was_spent_before_is_not_waited_for_an_answer() -> None:
    silent = Silent()
    hurried = Hurried(silent, timedelta(seconds=8))

    async def app(*_: object) -> None:
        with pytest.raises(Unreachable):
            await hurried.ask(ASKED, FLOW)
        with pytest.raises(Unreachable):
            await hurried.ask(ASKED, FLOW, timedelta(seconds=2))

    await requested(Hurry(app, longest=4.0))
    await requested(Hurry(app, longest=30.0))
    await requested(Hurry(app, longest=0.5))

    in_a_hurry, brief, unhurried, as_brief = silent.waited
    assert timedelta(seconds=2.9) < in_a_hurry <= timedelta(seconds=3)
    assert (brief, unhurried, as_brief) == (timedelta(seconds=2), timedelta(seconds=8), timedelta(seconds=2))


async def test_what_lives_as_long_as_the_application_is_not_hurried(mongo: Mongo) -> None:
    silent = Silent()

    async def live(*_: object) -> None:
        await mongo.ping()
        with pytest.raises(Unreachable):
            await Hurried(silent, timedelta(seconds=8)).ask(ASKED, FLOW)

    await Hurry(live, longest=0.0)({"type": "lifespan"}, live, live)  # type: ignore[arg-type] # nothing is received or sent

    assert silent.waited == [timedelta(seconds=8)]
