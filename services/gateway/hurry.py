"""Hurry: how long a browser is kept waiting, whatever is slow, and however many things are for one request.

Each call has a bound of its own, but a request makes several, one after the other. So what is left for the next one
is worked out from when the request came.
"""

import time
from contextvars import ContextVar
from datetime import timedelta

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.contracts.message import Command, Event
from shared.runtime import mongo
from shared.runtime.caller import Asks
from shared.runtime.messaging import Unreachable

LONGEST = 9.0
"""Seconds from a request to its answer, of which the last are for what is done about what the services said."""
_FOR_THE_REST = 1.0

_ends: ContextVar[float | None] = ContextVar("ends", default=None)


class Hurry:
    """Bounds everything that is done for a request (ASGI middleware)."""

    def __init__(self, app: ASGIApp, longest: float = LONGEST) -> None:
        """Bound it to so many seconds."""
        self._app = app
        self._longest = longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through. What lives as long as the application, readers of queues say, is not hurried."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = _ends.set(time.monotonic() + self._longest)
        try:
            with mongo.within(self._longest):
                await self._app(scope, receive, send)
        finally:
            _ends.reset(token)


class Hurried:
    """Asks on behalf of a request, and waits no longer than that has time."""

    def __init__(self, caller: Asks, patience: timedelta) -> None:
        """Ask through this caller, and wait no longer than `patience` however much time there is."""
        self._caller = caller
        self._patience = patience

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """The answer to this command. Raises `Unreachable` where none comes in time, or none can."""
        patience, ends = patience or self._patience, _ends.get()
        if ends is not None:
            patience = min(patience, timedelta(seconds=ends - time.monotonic() - _FOR_THE_REST))
        if patience <= timedelta():
            raise Unreachable(f"no time is left to ask {command.topic}")
        return await self._caller.ask(command, correlation_id, patience)
