"""Clients that are slow, silent or many: none of them holds on to the gateway, and nobody else is kept out."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from services.gateway.guard import LARGEST_BODY
from services.gateway.problems import MEANINGS, Code
from shared.runtime.connections import Bounded, Bounds
from tests.component.gateway.conftest import World
from tests.keys import Keys
from tests.rawhttp import Line, serving_http
from tests.system import System

HEAD = b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /api/v1/session HTTP/1.1\r\nHost: localhost\r\n"
LARGE_PAGE = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hasty(Bounded):
    """The same in a hurry, so that tests need not wait."""

    bounds = Bounds(head=0.4, body=0.8, answer=0.8, connections=20)


@pytest.fixture
async def port(keys: Keys) -> AsyncIterator[int]:
    """A gateway in a hurry, on fake stores."""
    async with serving_http(World(keys).app(cookie_secure=False), Hasty, keep_alive=2) as port:
        yield port


async def test_who_says_nothing_is_hung_up_on_and_told_nothing(port: int) -> None:
    async with Line.to(port) as line:
        with pytest.raises(asyncio.IncompleteReadError) as ended:
            await line.answer()

    assert ended.value.partial == b""


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for(port: int) -> None:
    async with Line.to(port) as line:
        dripping = asyncio.create_task(line.drip(itertools.chain([GET], itertools.cycle([b"X", b":", b"\r\n"])), 0.05))
        said = await line.answer(within=10)
        await line.end(within=10)
        await dripping

    assert (said.status, said.code) == (408, Code.TOO_SLOW)


async def test_a_body_that_comes_byte_by_byte_is_not_waited_for(port: int) -> None:
    with capture_logs() as logs:
        async with Line.to(port) as line:
            await line.say(HEAD + b"Content-Length: 1000\r\n\r\n")
            dripping = asyncio.create_task(line.drip(itertools.repeat(b" "), 0.05))
            said = await line.answer(within=10)
            await line.end(within=10)
            await dripping

    assert (said.status, said.code) == (408, Code.TOO_SLOW)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_what_is_left_of_a_request_that_was_answered_is_not_waited_for(port: int) -> None:
    async with Line.to(port) as line:
        await line.say(HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1))
        said = await line.answer()
        dripping = asyncio.create_task(line.drip(itertools.repeat(b" "), 0.05))
        await line.end(within=10)
        await dripping

    assert (said.status, said.code) == (413, Code.TOO_LARGE)


async def test_the_head_of_a_later_request_has_its_time_too(port: int) -> None:
    async with Line.to(port) as line:
        await line.say(GET + b"\r\n")
        first = await line.answer()
        await line.say(b"G")
        second = await line.answer(within=10)

    assert (first.status, second.code) == (401, Code.TOO_SLOW)


async def test_between_two_requests_a_connection_may_rest_for_a_while(port: int) -> None:
    async with Line.to(port) as line:
        for rest in (Hasty.bounds.head + 0.2, 0):  # longer than a head may take
            await line.say(GET + b"\r\n")
            assert (await line.answer()).status == 401
            await asyncio.sleep(rest)
        await line.end(within=10)


async def test_a_request_whose_body_came_after_its_answer_does_not_keep_the_connection_for_ever(port: int) -> None:
    async with Line.to(port) as line:
        body = b"x" * (LARGEST_BODY + 1)
        await line.say(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        await line.answer()
        await line.say(body)
        await line.end(within=10)


async def test_who_does_not_read_the_answers_is_hung_up_on(port: int) -> None:
    async with Line.to(port, window=4096) as line:
        await line.say(LARGE_PAGE * 400)
        async with asyncio.timeout(10):
            await line.drip(itertools.repeat(b" "), 0.05)  # until the connection is gone


async def test_who_sits_on_all_connections_does_not_keep_anybody_out(port: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3 * Hasty.bounds.connections):
            line = await stack.enter_async_context(Line.to(port))
            await line.say(GET)  # and no end of the head

        async with Line.to(port) as honest:
            await honest.say(GET + b"\r\n")
            said = await honest.answer(within=10)

    assert (said.status, said.code) == (401, Code.NO_SESSION)


async def test_whoever_is_being_answered_is_not_hung_up_on_to_make_room(keys: Keys) -> None:
    gateway = World(keys).app(cookie_secure=False)
    answering = asyncio.Event()
    asked = asyncio.Semaphore(0)

    async def dawdle(scope: Scope, receive: Receive, send: Send) -> None:
        asked.release()
        await answering.wait()
        await gateway(scope, receive, send)

    async with serving_http(dawdle, Hasty) as port, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(Line.to(port)) for _ in range(Hasty.bounds.connections)]
        for line in lines:
            await line.say(GET + b"\r\n")
            await asked.acquire()
        async with Line.to(port) as one_more:
            said = await one_more.answer()
        answering.set()
        answers = [await line.answer() for line in lines]

    assert (said.status, said.code, said.headers["retry-after"]) == (503, Code.UNAVAILABLE, "2")
    assert {answer.status for answer in answers} == {401}


@pytest.mark.parametrize("code", [Code.TOO_SLOW, Code.HEAD_TOO_LARGE, Code.MALFORMED_HTTP])
async def test_what_the_server_refuses_by_itself_is_documented_like_all_problems(code: Code) -> None:
    assert MEANINGS[code].status in {400, 408, 431}


async def test_services_are_started_with_these_bounds(target: System) -> None:
    ports = [int(instance.url.rpartition(":")[2]) for instance in target.instances]

    async def hangs_up(port: int) -> None:
        async with Line.to(port) as line:
            await line.end(within=2 * Bounds.head)

    async def refuses(port: int) -> int:
        async with Line.to(port) as line:
            dripping = asyncio.create_task(line.drip(itertools.chain([GET], itertools.cycle([b"X: y\r\n"])), 0.5))
            said = await line.answer(within=2 * Bounds.head)
            await dripping
            return said.status

    silent = [hangs_up(port) for port in ports]
    dripping = [refuses(port) for port in ports]
    _, refused = await asyncio.gather(asyncio.gather(*silent), asyncio.gather(*dripping))

    assert set(refused) == {408}
