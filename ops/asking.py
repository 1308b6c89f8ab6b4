"""Asking the running system over its broker, from the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from ops.running import Running
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger, TransportError, Unreachable

_CONNECTS_WITHIN = 10.0  # seconds


@asynccontextmanager
async def asking(running: Running, patience: timedelta) -> AsyncIterator[Caller]:
    """Ask until the block ends, each question for so long at most. Raises `Unreachable` where nobody can be asked."""
    messenger = RabbitMessenger(running.broker_users)
    caller = Caller(messenger, now, patience=patience)
    try:
        try:
            async with asyncio.timeout(_CONNECTS_WITHIN):
                await messenger.open(running.rabbitmq_url)
                await caller.open()
        except TransportError as error:
            raise Unreachable(f"RabbitMQ cannot be reached ({type(error).__name__})") from None
        yield caller
    finally:
        await caller.close()
        await messenger.close()
