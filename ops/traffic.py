"""Which service reads, asks and tells which messages, as its own source says."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ops.checkout import ROOT
from shared.contracts import readiness
from shared.contracts.catalogue import ANSWERS, COMMANDS, EVENTS
from shared.contracts.message import Command, Event, Message
from shared.contracts.vocabulary import Service

SERVICES = ROOT / "services"

_MESSAGES: dict[str, type[Message]] = {kind.__name__: kind for kind in (*COMMANDS.values(), *EVENTS.values())}
_REGISTERS = {"does", "hears"}
_REGISTERS_ALL = "hears_everything"


@dataclass(frozen=True)
class Traffic:
    """What one service has to do with the broker; all in the order of the catalogue."""

    reads: tuple[type[Message], ...]
    """What comes out of its own queues."""
    asks: tuple[type[Command], ...]
    """The commands that it sends."""
    answers: tuple[type[Event], ...]
    """What it understands of what comes to its reply queue; nothing for a service that asks nothing."""
    made: tuple[type[Event], ...]
    """The events that its source makes. What it may tell stands in the contract, as `by`."""
    hears_everything: bool
    """Whether all events come out of one queue of it, besides what it `reads`."""


def services() -> list[Service]:
    """The services that are built."""
    return [service for service in Service if (SERVICES / service / "app.py").exists()]


@cache
def traffic(service: Service) -> Traffic:
    """Read the source of a service for the messages that it handles, makes and understands."""
    reads, made, named = set[type[Message]](), set[type[Message]](), set[type[Message]]()
    hears_everything = False
    for module in sorted((SERVICES / service).rglob("*.py")):
        tree = ast.parse(module.read_text())
        known = dict(_imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _REGISTERS:
                reads |= {known[argument.id] for argument in node.args if isinstance(argument, ast.Name)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
                made.add(known[node.func.id])
            elif isinstance(node, ast.Attribute) and node.attr == _REGISTERS_ALL:
                hears_everything = True
        named |= set(known.values())
    reads |= {kind for kind in COMMANDS.values() if kind.__module__ == readiness.__name__ and kind.to is service}
    asks = tuple(kind for kind in COMMANDS.values() if kind in made)
    return Traffic(
        reads=tuple(kind for kind in _MESSAGES.values() if kind in reads),
        asks=asks,
        answers=tuple(kind for kind in ANSWERS.values() if kind in named) if asks else (),
        made=tuple(kind for kind in EVENTS.values() if kind in made),
        hears_everything=hears_everything,
    )


def told_by(service: Service) -> tuple[type[Event], ...]:
    """The events that a service may tell, as the contracts say."""
    return tuple(event for event in EVENTS.values() if service in event.by)


def readers_of(message: type[Message]) -> list[Service]:
    """The services that find this kind of message in a queue."""
    return [service for service in services() if message in received(service)]


def received(service: Service) -> tuple[type[Message], ...]:
    """All that comes out of the queues of a service."""
    found = traffic(service)
    events = tuple(EVENTS.values()) if found.hears_everything else ()
    return tuple(dict.fromkeys((*found.reads, *events)))


def _imported(tree: ast.Module) -> Iterator[tuple[str, type[Message]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared.contracts"):
            for alias in node.names:
                if alias.name in _MESSAGES:
                    yield alias.asname or alias.name, _MESSAGES[alias.name]
