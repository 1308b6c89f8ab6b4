"""The door leads to whoever is there, passes on what both say, and shuts out nobody while one is left."""

import asyncio
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import pytest

from ops.door import Address, Door
from ops.ports import LOOPBACK, free_port

AT_ONCE = struct.pack("ii", 1, 0)
"""How a socket is closed that has no farewell to say."""
LARGE = b"0123456789abcdef" * 65_536


@asynccontextmanager
async def listening(name: bytes) -> AsyncIterator[Address]:
    """A server that waits until the client has said everything, then says its name and all of that."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.read()
        writer.write(name + said)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()


@asynccontextmanager
async def open_door(*addresses: Address) -> AsyncIterator[Address]:
    async def find() -> Sequence[Address]:
        return addresses

    server = await asyncio.start_server(Door(find).admit, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


async def ask(address: Address, question: bytes = b"?") -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_what_both_say_is_passed_on_whole() -> None:
    async with listening(b"one") as one, open_door(one) as door:
        answer = await ask(door, LARGE)

    assert answer == b"one" + LARGE


async def test_each_has_his_turn() -> None:
    async with listening(b"one") as one, listening(b"two") as two, open_door(one, two) as door:
        answers = [await ask(door) for _ in range(4)]

    assert sorted(answers) == [b"one?", b"one?", b"two?", b"two?"]


async def test_who_has_died_is_passed_over() -> None:
    dead = (LOOPBACK, free_port())
    async with listening(b"one") as one, open_door(dead, one) as door:
        answers = [await ask(door) for _ in range(2)]

    assert answers == [b"one?", b"one?"]


@pytest.mark.parametrize("addresses", [(), ((LOOPBACK, free_port()),)], ids=["nobody", "a dead one"])
async def test_where_nobody_is_the_client_is_shown_out(addresses: tuple[Address, ...]) -> None:
    async with open_door(*addresses) as door:
        reader, writer = await asyncio.open_connection(*door)
        said = await reader.read()
        writer.close()

    assert said == b""


async def test_a_client_who_hangs_up_leaves_nobody_waiting() -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    async with (
        await asyncio.start_server(wait, LOOPBACK, 0) as server,
        open_door(server.sockets[0].getsockname()) as door,
    ):
        _, writer = await asyncio.open_connection(*door)
        writer.transport.abort()

        await asyncio.wait_for(left.wait(), 5)


async def test_a_client_who_is_gone_before_anybody_was_found_is_not_forgotten_nor_what_went_wrong_with_him() -> None:
    loop, complaints = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()
    loop.set_exception_handler(lambda _, complaint: complaints.put_nowait(complaint))
    asked, gone = loop.create_future(), loop.create_future()

    async def find() -> Sequence[Address]:
        found: asyncio.Future[Sequence[Address]] = loop.create_future()
        asked.set_result(weakref.ref(found))  # nobody knows of who waits but he himself
        return await found

    door = Door(find)

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.set_result(asyncio.ensure_future(writer.wait_closed()))
        door.admit(reader, writer)

    async with await asyncio.start_server(admit, LOOPBACK, 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        found = await asked
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        writer.transport.abort()
        with suppress(ConnectionResetError):
            await (await gone)
        gc.collect()
        waiting = found()
        assert waiting is not None
        waiting.set_exception(RuntimeError("nobody can be found"))
        del waiting
        complaint = await complaints.get()

    assert str(complaint["exception"]) == "nobody can be found"


class Clerk:
    """A server that is asked one thing, answers when it is told what, and hangs up when it is told to."""

    def __init__(self) -> None:
        self.asked, self.hangs_up = asyncio.Event(), asyncio.Event()
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        self.asked.set()
        writer.write(await self.answer)
        await self.hangs_up.wait()
        writer.close()


class Client(NamedTuple):
    reader: asyncio.StreamReader
    gone: asyncio.Future[None]
    """Done when the door has let go of him."""


@asynccontextmanager
async def asking(clerk: Clerk, leaves_within: float = 30) -> AsyncIterator[tuple[Door, Client]]:
    """A client who has asked the clerk something, through a door."""
    admitted = asyncio.get_running_loop().create_future()

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        admitted.set_result(asyncio.ensure_future(writer.wait_closed()))
        door.admit(reader, writer)

    async with (
        await asyncio.start_server(clerk.serve, LOOPBACK, 0) as server,
        await asyncio.start_server(admit, LOOPBACK, 0) as port,
    ):
        addresses = [server.sockets[0].getsockname()]
        door = Door(lambda: asyncio.sleep(0, addresses), leaves_within)
        reader, writer = await asyncio.open_connection(*port.sockets[0].getsockname())
        writer.write(b"?")
        await clerk.asked.wait()
        yield door, Client(reader, await admitted)
        clerk.hangs_up.set()
        if not clerk.answer.done():
            clerk.answer.set_result(b"")
        writer.transport.abort()
        await door.shut(0)


async def test_a_door_that_shuts_leads_on_who_waits_for_an_answer() -> None:
    clerk = Clerk()
    async with asking(clerk) as (door, client):
        shutting = asyncio.create_task(door.shut())
        await asyncio.sleep(0)
        clerk.answer.set_result(LARGE)
        said = await client.reader.read()
        await shutting

    assert said == LARGE


async def test_a_door_that_shuts_does_not_wait_for_who_has_his_answer_and_stays() -> None:
    clerk = Clerk()
    async with asking(clerk) as (door, client):
        clerk.answer.set_result(b"!")
        await client.reader.readexactly(1)
        async with asyncio.timeout(5):
            await door.shut()
            said = await client.reader.read()

    assert said == b""


async def test_a_door_that_shuts_does_not_wait_for_ever() -> None:
    async with asking(Clerk()) as (door, client):
        await door.shut(0.05)
        said = await client.reader.read()

    assert said == b""


@pytest.mark.parametrize("answer", [b"!", LARGE * 32], ids=["does not leave", "does not read"])
async def test_a_client_on_whom_the_service_has_hung_up_is_not_kept(answer: bytes) -> None:
    clerk = Clerk()
    async with asking(clerk, leaves_within=0.05) as (_, client):
        clerk.answer.set_result(answer)
        clerk.hangs_up.set()

        done, _ = await asyncio.wait([client.gone], timeout=5)

    assert done


def test_a_door_that_shuts_while_it_leads_somebody_does_not_complain() -> None:
    complaints: list[dict[str, Any]] = []

    async def lead(client: socket.socket, silent: socket.socket) -> socket.socket:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
        async with open_door(silent.getsockname()) as door:
            await loop.sock_connect(client, door)
            led, _ = await loop.sock_accept(silent)
        return led

    with socket.create_server((LOOPBACK, 0)) as silent, socket.socket() as client:
        client.settimeout(0)
        silent.settimeout(0)
        asyncio.run(lead(client, silent)).close()

    assert complaints == []
