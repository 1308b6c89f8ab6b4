"""Routers served in this process on a real broker, as `shared.runtime.service` serves them, without its HTTP side."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from faststream.rabbit import RabbitBroker

from shared.contracts.message import Command, Event
from shared.runtime.batches import BatchReader
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import Letter, RabbitMessenger, address
from shared.runtime.origin import BrokerUsers
from shared.runtime.router import Router
from shared.runtime.service import attach
from shared.runtime.settings import Settings


@dataclass(frozen=True)
class RealWire:
    """The two sides of a real broker: as the services see it, and as a caller sees it."""

    messenger: RabbitMessenger
    caller: Caller

    async def send(self, letter: Letter) -> None:
        """Publish, and wait for the broker's confirmation."""
        await self.messenger.send(letter)

    async def ask(self, command: Command, correlation_id: str) -> Event:
        """The answer to this command."""
        return await self.caller.ask(command, correlation_id)


@asynccontextmanager
async def serving(
    *routers: Router, settings: Settings, patience: timedelta = timedelta(seconds=8)
) -> AsyncIterator[RealWire]:
    """Serve each router as a process of its own would (name one twice for two instances), and call from beside them."""
    url, users = settings.rabbitmq_url.get_secret_value(), settings.broker_users
    async with AsyncExitStack() as stack:
        for router in routers:
            messenger = await _opened(stack, url, users)
            broker = RabbitBroker(address(url), reconnect_interval=1, apply_types=False, logger=None)
            attach(router, broker, messenger, settings)
            stack.push_async_callback(broker.stop)
            await broker.start()
            if router.everything is not None:
                batches = BatchReader(router.service, router.everything, messenger, now, users)
                stack.push_async_callback(batches.close)
                await batches.open(url)
        messenger = await _opened(stack, url, users)
        caller = Caller(messenger, now, patience=patience)
        stack.push_async_callback(caller.close)
        await caller.open()
        yield RealWire(messenger, caller)


async def _opened(stack: AsyncExitStack, url: str, users: BrokerUsers) -> RabbitMessenger:
    messenger = RabbitMessenger(users)
    stack.push_async_callback(messenger.close)
    await messenger.open(url)
    return messenger
