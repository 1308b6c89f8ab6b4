"""HTTP that is not as it should be: answered with a 4xx problem, and nothing of it is believed or logged."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from services.gateway.guard import LARGEST_BODY
from services.gateway.problems import Code
from shared.contracts.auth import VerifyPassword
from tests.component.gateway.conftest import World
from tests.keys import Keys
from tests.rawhttp import Line, serving_http

CANARY = "canary-77ab02"
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET /api/v1/session HTTP/1.1\r\n" + HOST
POST = b"POST /api/v1/login HTTP/1.1\r\n" + HOST
FORM = b'{"username": "ada", "password": "canary-77ab02"}'


def posted(body: bytes, media_type: bytes = b"application/json") -> bytes:
    return POST + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (media_type, len(body)) + body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.fixture(scope="module")
async def port(keys: Keys) -> AsyncIterator[int]:
    """A gateway on fake stores, to which a right password brings a challenge."""
    world = World(keys)
    world.caller.answers(VerifyPassword, world.otp_required)
    async with serving_http(world.app(cookie_secure=False)) as port:
        yield port


MALFORMED_HTTP = {
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a space too many": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: evil.example\r\n\r\n",
    "a header without a name": GET + b": x\r\n\r\n",
    "a space in a header's name": GET + b"X Y: x\r\n\r\n",
    "a null byte in a header": GET + b"Cookie: wardgate_session=\x00\r\n\r\n",
    "a null byte in the address": b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes in the address": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a length that is none": POST + JSON + b"Content-Length: ten\r\n\r\n",
    "a negative length": POST + JSON + b"Content-Length: -1\r\n\r\n",
    "a length beyond all bounds": POST + JSON + b"Content-Length: " + b"9" * 1_000 + b"\r\n\r\n",
    "two lengths": POST + JSON + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "an encoding that is not known": POST + JSON + b"Transfer-Encoding: gzip\r\n\r\n",
    "two encodings": POST + JSON + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "a length and an encoding": POST
    + JSON
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(FORM),
    "an encoding of old": (
        b"POST /api/v1/login HTTP/1.0\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(FORM)
    ),
    "chunks that are none": POST + JSON + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
}


@pytest.mark.parametrize("said", MALFORMED_HTTP.values(), ids=MALFORMED_HTTP)
async def test_what_is_not_http_is_refused_and_nothing_behind_it_is_read(port: int, said: bytes) -> None:
    smuggled = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

    async with Line.to(port) as line:
        await line.say(said + smuggled)
        answer = await line.answer()
        await line.end(within=10)

    assert (answer.status, answer.code) == (400, Code.MALFORMED_HTTP)
    assert answer.headers["connection"].lower() == "close"


TOO_LARGE_HEADS = {
    "an address of a megabyte": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "ten thousand headers": GET + b"X: y\r\n" * 10_000 + b"\r\n",
    "a cookie of a megabyte": GET + b"Cookie: wardgate_session=" + b"a" * 1_000_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("said", TOO_LARGE_HEADS.values(), ids=TOO_LARGE_HEADS)
async def test_a_head_that_is_too_large_is_not_read_to_its_end(port: int, said: bytes) -> None:
    async with Line.to(port) as line:
        await line.say(said[: 2**15])  # the rest would be cut off with the connection, and perhaps the answer with it
        answer = await line.answer()
        await line.end(within=10)

    assert (answer.status, answer.code) == (431, Code.HEAD_TOO_LARGE)


REFUSED = {
    "absolute form": (b"GET http://evil.example/api/v1/session HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a name that leads here": (b"GET /api/v1/session HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
    "no name at all": (b"GET /api/v1/session HTTP/1.1\r\nHost:\r\n\r\n", 403),
    "half an address": (b"GET /api/v1/session HTTP/1.1\r\nHost: [::\r\n\r\n", 403),
    "HTTP/1.0": (b"GET /api/v1/session HTTP/1.0\r\n" + HOST + b"\r\n", 401),
    "a method of one's own": (b"FROB /api/v1/session HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "TRACE": (b"TRACE /api/v1/session HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a way out": (b"GET /static/../../../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a way out, encoded": (b"GET /static/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a null byte, encoded": (b"GET /%00 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "no UTF-8, encoded": (b"GET /api/v1/%ff%fe HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a cookie of bytes": (GET + b'Cookie: wardgate_session="\\377\\000"; wardgate_flow=\xff\xfe\r\n\r\n', 401),
    "a switch to WebSocket": (GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", 401),
    "a body of 10 MB": (posted(b"x" * 10_000_000), 413),
    "a body without an end": (POST + JSON + b"Content-Length: 99999999999999\r\n\r\n{", 413),
    "chunks of 10 MB": (POST + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 10_000_000), 413),
    "a form": (posted(b"username=ada", b"application/x-www-form-urlencoded"), 415),
    "XML": (posted(b"<username/>", b"application/xml"), 415),
    "no type": (POST + b"Content-Length: 2\r\n\r\n{}", 415),
    "no body": (POST + JSON + b"\r\n", 422),
    "no JSON": (posted(b"{" + CANARY.encode()), 422),
    "no text": (posted(b"\xff\xfe" + CANARY.encode()), 422),
    "no text within": (posted(b'{"username": "\xc3\x28", "password": "x"}'), 422),
    "half a character": (posted(b'{"username": "\\ud800", "password": "x"}'), 422),
    "compressed": (POST + JSON + b"Content-Encoding: gzip\r\n" + posted(gzip.compress(FORM)).partition(HOST)[2], 422),
    "deep": (posted(b'{"username": ' + b"[" * (LARGEST_BODY - 100)), 422),
    "deep, and closed": (posted(b'{"username": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"), 422),
    "many members": (posted(b'{"username": "ada", "x": [' + b"0," * 30_000 + b"0]}"), 422),
    "a huge number": (posted(b'{"username": ' + b"9" * 60_000 + b', "password": "x"}'), 422),
    "a huge exponent": (posted(b'{"username": 1e999999999, "password": "x"}'), 422),
    "not a number": (posted(b'{"username": NaN, "password": "x"}'), 422),
    "an operator": (posted(b'{"username": {"$gt": ""}, "password": {"$ne": null}}'), 422),
    "an operator for code": (posted(b'{"username": {"$where": "sleep(10000)"}, "password": "x"}'), 422),
    "another charset": (posted(FORM.decode().encode("utf-16"), b"application/json; charset=utf-16"), 200),
    "a charset that nobody knows": (posted(FORM, b"application/json; charset=canary-77ab02"), 200),
    "the same member twice": (posted(b'{"username": "ada", "password": "y", ' + FORM[1:]), 200),
}
"""The last three are JSON that can be understood (RFC 8259, section 4), and are."""


@pytest.mark.parametrize(("said", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_meant_is_answered_with_a_problem(port: int, said: bytes, status: int) -> None:
    with capture_logs() as logs:
        async with Line.to(port) as line:
            await line.say(said)
            answer = await line.answer()

    assert answer.status == status, answer
    assert status == 200 or answer.code in set(Code)
    assert CANARY not in answer.body.decode()
    assert CANARY not in json.dumps(logs, default=repr)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_requests_that_come_all_at_once_are_answered_one_after_the_other(port: int) -> None:
    async with Line.to(port) as line:
        await line.say((GET + b"\r\n") * 50 + posted(FORM) + GET + b"\r\n")
        answers = [(await line.answer()).status for _ in range(52)]

    assert answers == [*[401] * 50, 200, 401]
