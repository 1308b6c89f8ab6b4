"""A router says what a service does when it is told something; each line of it becomes a reader of one queue."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.contracts.message import Command, Event, Message
from shared.contracts.vocabulary import Service

Told = Event | tuple[Event, ...] | None
"""What a handler tells: one event, several, or nothing that anybody waits for."""

M = TypeVar("M", bound=Message)
Handler = Callable[[M], Awaitable[Told]]
BatchHandler = Callable[[Sequence[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One kind of message and what is done about it."""

    message: type[Message]
    handler: Callable[[Any], Awaitable[Told]]


class Router:
    """What one service does (commands) and hears (events)."""

    def __init__(self, service: Service) -> None:
        """Start with nothing."""
        self.service = service
        self.readings: list[Reading] = []
        self.everything: BatchHandler | None = None

    def does(self, command: type[Command]) -> Callable[[Handler[M]], Handler[M]]:
        """Register the handler of a command that is addressed to this service."""
        if command.to is not self.service:
            msg = f"{command.__name__} is for {command.to}"
            raise TypeError(msg)
        return self._reads(command)

    def hears(self, event: type[Event]) -> Callable[[Handler[M]], Handler[M]]:
        """Register the handler of an event that concerns this service."""
        return self._reads(event)

    def hears_everything(self, handler: BatchHandler) -> BatchHandler:
        """Register the handler of all events there are; it is given many at once, and tells nothing."""
        self.everything = handler
        return handler

    def _reads(self, message: type[Message]) -> Callable[[Handler[M]], Handler[M]]:
        def register(handler: Handler[M]) -> Handler[M]:
            self.readings.append(Reading(message, handler))
            return handler

        return register
