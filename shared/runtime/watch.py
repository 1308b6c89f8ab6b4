"""Watching what a service needs on the broker: somebody may take it away while the service runs.

Where a queue goes, whoever reads it is told, and reads the new one. Where an exchange goes nobody is told, and all
bindings go with it. So both are looked for again and again. Who may declare puts back what is not there; of all
others readiness says what they lack, and an administrator puts it back (`ops.provision`).
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from aio_pika import Channel
from aiormq.exceptions import ChannelNotFoundEntity

from shared.contracts.message import Message
from shared.contracts.vocabulary import Service
from shared.runtime import topology
from shared.runtime.messaging import RabbitMessenger, lost_is_not_cancelled
from shared.runtime.metrics import BROKER_LACKS
from shared.runtime.origin import BrokerUsers

_log = structlog.get_logger(__name__)

_TIMEOUT = 5.0


class Watch:
    """What one service needs on the broker, as it was found when somebody looked last."""

    def __init__(self, service: Service, messenger: RabbitMessenger, every: timedelta) -> None:
        """Look `every` so often, through the connection of this messenger: a look costs some twenty questions."""
        self._service = service
        self._every = every.total_seconds()
        self._messenger = messenger
        self.missing: tuple[str, ...] = ()
        """What was not there."""

    async def keep(self, reads: Sequence[type[Message]]) -> None:
        """Look for ever for what all services share, and for the queues in which this one finds what it `reads`.

        Where the broker cannot be asked, that is what readiness says, and what was found last stands.
        """
        while True:
            await asyncio.sleep(self._every)
            try:
                with lost_is_not_cancelled():
                    async with asyncio.timeout(_TIMEOUT):
                        missing = await self._look([(self._service, kind) for kind in reads])
            except Exception as error:  # noqa: BLE001 - aiormq raises a bare one too, and nobody else would look again
                _log.debug("cannot look", reason=type(error).__name__)
                continue
            if missing != self.missing:
                _log.warning("looked for what is needed on RabbitMQ", missing=missing)
            self.missing = missing
            BROKER_LACKS.set(len(missing))

    async def _look(self, reads: Sequence[tuple[Service, type[Message]]]) -> tuple[str, ...]:
        if self._messenger.users is BrokerUsers.SHARED:
            async with Channel(self._messenger.connection) as channel:
                await topology.declare(channel)
                for service, kind in reads:
                    await topology.declare_work_queue(channel, service, kind)
        missing = []
        left = list(topology.needed(reads))
        while left:
            async with Channel(self._messenger.connection) as channel:  # it ends at the first that is not there
                try:
                    while left:
                        await topology.find(channel, left[0])
                        left.pop(0)
                except ChannelNotFoundEntity:
                    missing.append(" ".join(left.pop(0)))
        return tuple(missing)
