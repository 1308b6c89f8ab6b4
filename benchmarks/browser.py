"""A browser that costs next to nothing: HTTP/1.1 over one connection that stays open, cookies, and no more."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_OK = 200
_LENGTH = re.compile(rb"^content-length: (\d+)\r$", re.IGNORECASE | re.MULTILINE)
_COOKIE = re.compile(rb"^set-cookie: ([^=;]+=[^;\r]+)", re.IGNORECASE | re.MULTILINE)


class NotServed(Exception):  # noqa: N818 (it reads as a sentence)
    """The system answered otherwise than with a success: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with a status of 200."""

    body: bytes
    cookie: str


class Browser:
    """One connection; who is signed in on it is told with each request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._host = f"127.0.0.1:{port}"

    async def post(self, path: str, form: dict[str, str], cookie: str = "") -> Answer:
        """Send a form. Raises NotServed, with what was said instead."""
        body = json.dumps(form).encode()
        head = [
            f"POST /api/v1/{path} HTTP/1.1",
            f"host: {self._host}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *([f"cookie: {cookie}"] if cookie else []),
        ]
        self._writer.write("\r\n".join([*head, "", ""]).encode() + body)
        told = await self._reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(told)
        content = await self._reader.readexactly(int(length[1])) if length else b""
        if int(told.split(b" ", 2)[1]) != _OK:
            raise NotServed(f"POST {path}: {told.splitlines()[0].decode()}: {content.decode()[:300]}")
        given = _COOKIE.search(told)
        return Answer(content, given[1].decode() if given else "")


@asynccontextmanager
async def browser(port: int) -> AsyncIterator[Browser]:
    """A browser at the gateway's port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024 * 1024)
    try:
        yield Browser(reader, writer, port)
    finally:
        writer.close()
        await writer.wait_closed()
