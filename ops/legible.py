"""A connection to the broker that outlives messages whose envelope the AMQP client cannot decode.

Dates past the year 9999, tables nested some 500 deep and names that are no UTF-8 are AMQP, and the broker passes them
on; the client gives up the whole connection over them. Here the envelope is taken off on the way, and the rest arrives.
"""

import asyncio
from typing import Any

import aio_pika
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp import constants, frame
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader
from yarl import URL

UNDECODABLE = "undecodable"
"""The reason why a message without its envelope is said to be parked: the true one is in what cannot be decoded."""

_GET_OK = Basic.GetOk.index.to_bytes(4, "big")
_DEEPER = 16
"""By how many calls this decodes deeper in the stack than the client: what is too deep for that one is so here too."""


class LegibleConnection(aio_pika.Connection):
    """Reads what it can of every message."""

    def __init__(self, url: URL, *arguments: Any, **settings: Any) -> None:
        """As any connection."""
        super().__init__(url, *arguments, **settings)
        over = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        self.kwargs["transport_factory"] = _Transport(over)


class _Transport(TransportFactory):
    def __init__(self, over: TransportFactory) -> None:
        self._over = over
        self._reading: asyncio.Task[None] | None = None

    async def create(self, url: URL, **settings: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._over.create(url, **settings)
        legible = asyncio.StreamReader()
        self._reading = asyncio.create_task(_pass_on(reader, legible))
        return legible, writer


async def _pass_on(reader: asyncio.StreamReader, legible: asyncio.StreamReader) -> None:
    try:
        while True:
            head = await reader.readexactly(constants.FRAME_HEADER_SIZE)
            rest = await reader.readexactly(int.from_bytes(head[3:], "big") + 1)
            legible.feed_data(_made_legible(head + rest))
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        legible.feed_eof()


def _made_legible(raw: bytes) -> bytes:
    """The same frame, or another in the place of one that the client would die of."""
    channel, within = int.from_bytes(raw[1:3], "big"), raw[constants.FRAME_HEADER_SIZE :]
    if raw[0] == constants.FRAME_HEADER and not _can_be_decoded(raw, _DEEPER):
        properties = Basic.Properties(headers={"x-parked-reason": UNDECODABLE})
        return frame.marshal(ContentHeader(0, int.from_bytes(within[4:12], "big"), properties), channel)
    if within.startswith(_GET_OK) and not _can_be_decoded(raw, _DEEPER):  # its routing key is no UTF-8
        delivery_tag, redelivered = int.from_bytes(within[4:12], "big"), bool(within[12])
        return frame.marshal(Basic.GetOk(delivery_tag, redelivered, routing_key="", message_count=0), channel)
    return raw


def _can_be_decoded(raw: bytes, deeper: int) -> bool:
    if deeper:
        return _can_be_decoded(raw, deeper - 1)
    try:
        frame.unmarshal(raw)
    except (PAMQPException, ArithmeticError, OSError, RecursionError):
        return False
    return True
