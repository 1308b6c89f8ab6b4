"""The line between a service and the broker, which can be cut: then nothing arrives, and neither end is told."""

import asyncio
import ctypes
import os
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

from ops.ports import LOOPBACK

_CHUNK = 65536
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of setns(2)


class Cable:
    """A relay before a server. Cut, it forwards nothing, whatever is sent or closed at either end."""

    def __init__(self, listener: socket.socket, port: int) -> None:
        self._listener = listener
        self._port = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._last: bytes | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        """A cable to the server of this URL, until the block ends."""
        listener = socket.create_server((LOOPBACK, 0))
        async with cls(listener, urlsplit(url).port or 0).forwarding() as cable:
            yield cable

    def through(self, url: str) -> str:
        """The URL of the same server at this end of the cable."""
        host, port = self._listener.getsockname()[:2]
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{credentials}{at}{host}:{port}").geturl()

    async def cut(self) -> None:
        """Let nothing through."""
        self._whole.clear()

    def hang_up(self) -> None:
        """End every connection for both of its ends, who notice it."""
        for end in self._ends:
            end.transport.abort()

    def cut_behind(self, last: bytes) -> None:
        """Let nothing through once this has passed."""
        self._last = last

    async def mend(self) -> None:
        """Let through what was sent meanwhile, and all that follows."""
        self._whole.set()

    @asynccontextmanager
    async def forwarding(self) -> AsyncIterator[Self]:
        """Forward until the block ends."""
        server = await asyncio.start_server(self._serve, sock=self._listener)
        try:
            yield self
        finally:
            server.close()
            self._whole.set()
            for end in self._ends:
                end.close()
            await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        ends = {writer}
        self._ends.add(writer)
        try:
            await self._whole.wait()
            there, back = await asyncio.open_connection(LOOPBACK, self._port)
            ends.add(back)
            self._ends.add(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except OSError:  # one of the two ends is gone, and so goes the other
            pass
        finally:
            for end in ends:
                end.close()
            self._ends -= ends
            self._serving.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._whole.wait()
            writer.write(data)
            if self._last is not None and self._last in data:
                self._last = None
                await self.cut()
            await writer.drain()
        await self._whole.wait()
        writer.close()


class Link(Cable):
    """A cable that ends in a network of its own (`ip-netns(8)`); cut, its link is down and packets are lost."""

    def __init__(self, listener: socket.socket, port: int, namespace: str) -> None:
        super().__init__(listener, port)
        self._namespace = namespace

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        """Make the network, with a link to it, until the block ends. Only root may."""
        name = f"wg{secrets.token_hex(3)}"
        # 198.18.0.0/15 is for tests of networks (RFC 2544): nobody is to be found there.
        near, far = (f"198.18.{int(name[2:4], 16)}.{int(name[4:6], 16) & 0xFC | host}" for host in (1, 2))
        async with AsyncExitStack() as stack:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name)
            _ip("address", "add", f"{near}/30", "dev", name)
            _ip("link", "set", name, "up")
            _ip("-n", name, "address", "add", f"{far}/30", "dev", "far")
            _ip("-n", name, "link", "set", "far", "up")
            with ThreadPoolExecutor(1) as pool:  # a thread goes over into the other network, and ends there
                listener = pool.submit(_listening, name, far).result()
            yield await stack.enter_async_context(cls(listener, urlsplit(url).port or 0, name).forwarding())

    async def cut(self) -> None:
        """Take the link down at its far end: at the near one the route stays, and what is sent goes nowhere."""
        _ip("-n", self._namespace, "link", "set", "far", "down")

    async def mend(self) -> None:
        """Bring the link up."""
        _ip("-n", self._namespace, "link", "set", "far", "up")


def may_make_networks() -> bool:
    """Whether this process may make a network of its own."""
    name = f"wg{secrets.token_hex(3)}"
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    _ip("netns", "del", name)
    return True


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S603, S607 - fixed words


def _listening(namespace: str, address: str) -> socket.socket:
    """A socket that listens in another network. It stays there, whoever uses it from where."""
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(there, _NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server((address, 0))
    finally:
        os.close(there)
