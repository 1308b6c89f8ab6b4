"""The door: one port that leads to every instance of a service, as many as there are just now.

    python -m ops.door gateway 8080

It passes bytes on and understands none of them: deadlines and bounds are those of the service. It is for one machine,
where nothing else stands before the gateways.
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


class Door:
    """Leads whoever comes to one of those that are found at that moment, each in turn."""

    def __init__(self, find: Finding) -> None:
        self._find = find
        self._turn = 0
        self._led: set[asyncio.Task[None]] = set()

    def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one client in until both sides have hung up; show him out again where nobody is there."""
        # In a task that is remembered here: asyncio's own knows of it no more once the client is gone, and the garbage
        # collector may take it half done; and where the door shuts it would complain of each that it still led.
        led = asyncio.create_task(self._lead(reader, writer))
        self._led.add(led)
        led.add_done_callback(self._led.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            opened = await self._opened()
            if opened is None:
                return
            answers, questions = opened
            with contextlib.closing(questions):
                await asyncio.gather(_pass_on(reader, questions), _pass_on(answers, writer))

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        addresses = sorted(await self._find())
        self._turn += 1
        for offset in range(len(addresses)):
            host, port = addresses[(self._turn + offset) % len(addresses)]
            with contextlib.suppress(OSError):  # it has just ended, or hangs: the next one
                async with asyncio.timeout(_OPENS_WITHIN):
                    return await asyncio.open_connection(host, port)
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()  # the other side may still have something to say
    except OSError:
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
    async with await asyncio.start_server(door.admit, "0.0.0.0", port):  # noqa: S104 (the container's own network)
        await told.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
