"""Telling beside the work: events that nobody waits for, so that no browser waits until they are told.

For what a service tells without a state that it could be kept in (`outbox`). It is tried for a while where the broker
is away, and lost where the process ends meanwhile: nothing that opens a door may be told this way alone.
"""

import asyncio

import structlog

from shared.contracts.message import Event
from shared.runtime import tracing
from shared.runtime.messaging import Envelope, Letter, Messenger, Unreachable

_log = structlog.get_logger(__name__)

_ROOM = 1_000
"""Events that are being told at a time."""
_TRIES = 60


class Teller:
    """Tells events one by one, while whoever told them goes on."""

    def __init__(self, messenger: Messenger, *, pause: float = 1.0) -> None:
        """Tell through this messenger, with so many seconds between two tries."""
        self._messenger = messenger
        self._pause = pause
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, event: Event, correlation_id: str) -> None:
        """Have it told in this conversation. Never raises: what could not be told is a line in the log."""
        if len(self._under_way) >= _ROOM:
            _log.error("not told", topic=event.topic, id=str(event.id), reason="too many wait")
            return
        telling = asyncio.create_task(
            self._send(Letter.of(event, Envelope(correlation_id, traceparent=tracing.traceparent())))
        )
        self._under_way.add(telling)
        telling.add_done_callback(self._under_way.discard)

    async def close(self, within: float = 1.0) -> None:
        """Give what is under way so many more seconds."""
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=within)
            for telling in left:
                telling.cancel()
            if left:
                _log.error("not told", events=len(left), reason="the service ends")

    async def _send(self, letter: Letter) -> None:
        for tries in range(_TRIES):
            try:
                await self._messenger.send(letter)
            except Unreachable as reason:
                if tries == _TRIES - 1:
                    message_id = letter.headers["x-message-id"]
                    _log.error("not told", topic=letter.routing_key, id=message_id, reason=str(reason))
                    return
                await asyncio.sleep(self._pause)
            else:
                return
