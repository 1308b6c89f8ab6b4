"""The door: one port that leads to every instance of a service, as many as there are just now.

    python -m ops.door gateway 8080

It passes bytes on and understands none of them: what a client may take is for the service to say, which hangs up on
who takes too much; the door sees to it that he is then gone from here too. It is for one machine, where nothing else
stands before the gateways.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

Address = tuple[str, int]
Finding = Callable[[], Awaitable[Sequence[Address]]]

_PIECE = 64 * 1024
_OPENS_WITHIN = 2.0
_LEAVES_WITHIN = 30.0
"""Seconds in which a piece has to be taken, and one side to hang up after the other: as long as the service gives."""
_ENDS_WITHIN = 12.0
"""Seconds for the answers that are waited for when the door shuts: a gateway gives its requests ten."""
_QUIET = 0.5
"""Seconds without a byte after which what a service said last was all of it."""


class Door:
    """Leads whoever comes to one of those that are found at that moment, each in turn."""

    def __init__(self, find: Finding, leaves_within: float = _LEAVES_WITHIN) -> None:
        self._find = find
        self._leaves_within = leaves_within
        self._turn = 0
        self._led: dict[asyncio.Task[None], _Led] = {}

    def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one client in until both sides have hung up; show him out again where nobody is there."""
        # In a task that is remembered here: asyncio's own knows of it no more once the client is gone, and the garbage
        # collector may take it half done; and where the door shuts it would complain of each that it still led.
        client = _Led(reader, writer, self._leaves_within)
        led = asyncio.create_task(self._lead(client))
        self._led[led] = client
        led.add_done_callback(self._led.pop)

    async def shut(self, within: float = _ENDS_WITHIN) -> None:
        """Lead on who waits for an answer until he has it, or time is over, and show out everybody else.

        For whoever has closed the port: those who come are still admitted.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._led:
                    for led, client in self._led.items():
                        if client.has_what_he_asked_for:
                            led.cancel()
                    await asyncio.wait(self._led, timeout=_QUIET)
        for led in self._led:
            led.cancel()
        await asyncio.gather(*self._led, return_exceptions=True)

    async def _lead(self, client: "_Led") -> None:
        try:
            if opened := await self._opened():
                await client.lead(*opened)
        finally:
            client.show_out()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        addresses = sorted(await self._find())
        self._turn += 1
        for offset in range(len(addresses)):
            host, port = addresses[(self._turn + offset) % len(addresses)]
            with contextlib.suppress(OSError):  # it has just ended, or hangs: the next one
                async with asyncio.timeout(_OPENS_WITHIN):
                    return await asyncio.open_connection(host, port)
        return None


class _Led:
    """A client, and who of the two has spoken last."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leaves_within: float) -> None:
        self._reader = reader
        self._writer = writer
        self._leaves_within = leaves_within
        self._asks = False
        self._spoken = asyncio.get_running_loop().time()

    @property
    def has_what_he_asked_for(self) -> bool:
        """Whether nobody has anything more to say, as far as can be known without understanding it."""
        return not self._asks and asyncio.get_running_loop().time() - self._spoken >= _QUIET

    async def lead(self, answers: asyncio.StreamReader, questions: asyncio.StreamWriter) -> None:
        """Pass on what both say until both have hung up.

        Who has been hung up on is not waited for: a client who neither reads nor leaves would be here for good, long
        after the service has given him up, and so many of them that nobody else can be let in.
        """
        passing = [
            asyncio.create_task(self._pass_on(self._reader, questions, asks=True)),
            asyncio.create_task(self._pass_on(answers, self._writer, asks=False)),
        ]
        try:
            _, other = await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            if other:
                await asyncio.wait(other, timeout=self._leaves_within)
            with contextlib.suppress(OSError):  # the last of it has to be taken, too
                async with asyncio.timeout(self._leaves_within):
                    self._writer.close()
                    await self._writer.wait_closed()
        finally:
            for each in passing:
                each.cancel()
            questions.transport.abort()

    def show_out(self) -> None:
        """Hang up on him, whatever he has not taken yet."""
        self._writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool) -> None:
        try:
            while piece := await reader.read(_PIECE):
                self._asks, self._spoken = asks, asyncio.get_running_loop().time()
                writer.write(piece)
                async with asyncio.timeout(self._leaves_within):
                    await writer.drain()
            writer.write_eof()  # the other side may still have something to say
        except OSError:  # a `TimeoutError`, too
            writer.close()


async def named(name: str, port: int) -> list[Address]:
    """Where those are whom the network knows by this name; nobody is no error."""
    with contextlib.suppress(OSError):
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
        return [(str(address[0]), port) for *_, address in found]
    return []


async def serve(name: str, port: int) -> None:
    """Stand open until told to stop."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    door = Door(lambda: named(name, port))
    server = await asyncio.start_server(door.admit, "0.0.0.0", port)  # noqa: S104 (the container's own network)
    await told.wait()
    server.close()
    await door.shut()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
