"""One hop of a bare chain, as a process: reads a quorum queue and hands each message on, with nothing around it.

python -m benchmarks.chain aio-pika READS WRITES
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aio_pika
import aiormq
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

PREFETCH = 64
QUORUM = {"x-queue-type": "quorum"}
Hop = Callable[[str, str, str], Coroutine[Any, Any, None]]


async def through_aio_pika(url: str, reads: str, writes: str) -> None:
    """Hand on as aio-pika's own documentation does it, with confirms."""
    connection = await aio_pika.connect_robust(url)
    publishing = await connection.channel(publisher_confirms=True)
    consuming = await connection.channel()
    await consuming.set_qos(prefetch_count=PREFETCH)
    queue = await consuming.declare_queue(reads, durable=True, arguments=QUORUM)

    async def hand_on(message: AbstractIncomingMessage) -> None:
        handed = aio_pika.Message(
            message.body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
        )
        await publishing.default_exchange.publish(handed, writes or message.reply_to or "")
        await message.ack()

    await queue.consume(hand_on)
    await asyncio.Event().wait()


async def through_aiormq(url: str, reads: str, writes: str) -> None:
    """The same, on the client beneath aio-pika."""
    connection = await aiormq.connect(url)
    publishing = await connection.channel(publisher_confirms=True)
    consuming = await connection.channel()
    await consuming.basic_qos(prefetch_count=PREFETCH)

    async def hand_on(message: DeliveredMessage) -> None:
        told = message.header.properties
        await publishing.basic_publish(
            message.body,
            routing_key=writes or told.reply_to or "",
            properties=Basic.Properties(
                content_type="application/json",
                delivery_mode=2,
                correlation_id=told.correlation_id,
                reply_to=told.reply_to,
            ),
        )
        await consuming.basic_ack(message.delivery_tag or 0)

    await consuming.basic_consume(reads, hand_on)
    await asyncio.Event().wait()


HOPS: Mapping[str, Hop] = {"aio-pika": through_aio_pika, "aiormq": through_aiormq}


def main() -> None:
    """Be the hop that the command line names, until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chain")
    parser.add_argument("library", choices=HOPS)
    parser.add_argument("reads")
    parser.add_argument("writes", nargs="?", default="", help="by default where the message says (reply_to)")
    told = parser.parse_args()
    uvloop.run(HOPS[told.library](os.environ["RABBITMQ_URL"], told.reads, told.writes))


if __name__ == "__main__":
    main()
