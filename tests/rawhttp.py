"""HTTP spoken by hand, byte by byte: as no library would, and as whoever means harm does."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from ops.ports import LOOPBACK, free_port
from shared.runtime.connections import Bounded


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        told: dict[str, Any] = json.loads(self.body)
        assert told["status"] == self.status
        return str(told["code"])


class Line:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int, *, window: int | None = None) -> AsyncIterator[Self]:
        """Connect; with room for so many unread bytes, if need be."""
        with socket.socket() as end:
            if window is not None:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            end.setblocking(False)  # noqa: FBT003 - the name of the argument is not told
            await asyncio.get_running_loop().sock_connect(end, (LOOPBACK, port))
            reader, writer = await asyncio.open_connection(sock=end, limit=window or 2**16)
            try:
                yield cls(reader, writer)
            finally:
                writer.transport.abort()

    async def say(self, *said: bytes) -> None:
        """Send; it is no matter whether anybody still listens."""
        with suppress(ConnectionError):
            for each in said:
                self._writer.write(each)
                await self._writer.drain()

    async def drip(self, said: Iterable[bytes], every: float) -> None:
        """Send piece by piece, for ever if there is no end of it or until the server has had enough."""
        with suppress(ConnectionError):
            for each in said:
                self._writer.write(each)
                await self._writer.drain()
                await asyncio.sleep(every)

    async def answer(self, within: float = 10.0) -> Said:
        """The next answer."""
        async with asyncio.timeout(within):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            headers = {name.lower(): value for name, value in BytesHeaderParser().parsebytes(rest).items()}
            return Said(
                int(first.split()[1]), headers, await self._reader.readexactly(int(headers.get("content-length", "0")))
            )

    async def end(self, within: float = 10.0) -> None:
        """Return when the server has closed the connection, whatever it says before."""
        async with asyncio.timeout(within):
            with suppress(ConnectionError):
                while await self._reader.read(2**16):
                    pass


@asynccontextmanager
async def serving_http(app: ASGIApp, protocol: type[Bounded] = Bounded, keep_alive: int = 75) -> AsyncIterator[int]:
    """Serve an application in this process as a service is served; the port."""
    port = free_port()
    config = uvicorn.Config(
        app,
        host=LOOPBACK,
        port=port,
        http=protocol,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=1,
        proxy_headers=False,
        access_log=False,
        log_config=None,
        lifespan="off",
    )
    server = _Server(config)
    served = asyncio.create_task(server.serve())
    while not server.started:
        assert not served.done()
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await served


class _Server(uvicorn.Server):
    """Leaves the signals to pytest."""

    def capture_signals(self) -> Any:
        return nullcontext()
