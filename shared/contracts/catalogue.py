"""Every message there is, found by its topic."""

from shared.contracts import attempts, audit, auth, enrollment, gateway, management, policy, readiness, refusals
from shared.contracts.message import Command, Event, Message

_CONCRETE = tuple(
    found
    for module in (attempts, auth, policy, enrollment, management, gateway, audit, refusals, readiness)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, Message) and found.__module__ == module.__name__
)

COMMANDS: dict[str, type[Command]] = {m.topic: m for m in _CONCRETE if issubclass(m, Command)}
EVENTS: dict[str, type[Event]] = {m.topic: m for m in _CONCRETE if issubclass(m, Event)}
ANSWERS: dict[str, type[Event]] = {topic: event for topic, event in EVENTS.items() if event.answer}
