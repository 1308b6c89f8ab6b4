"""`wardgate parked`: the messages that nobody could see to, for who finds out why and decides about them."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ops.checkout import STATE
from ops.echo import printable
from ops.exits import AMISS, NOT_ASKED
from ops.parked_message import ParkedMessage
from ops.parking_lot import Fate, Occupied, ParkingLot
from ops.running import NotRunning, Running, find
from ops.sample import queues
from shared.runtime.clock import now
from shared.runtime.messaging import Unreachable

app = typer.Typer(
    no_args_is_help=True,
    help="Messages that nobody could see to. Exit status 0: done; 1: no message fits, or one had to stay; "
    "3: they could not be looked at.",
)

_LONGEST_QUEUE = max(len(queue.name) for queue in queues())
_NEVER = datetime.max.replace(tzinfo=UTC)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Of the messages; `parked list` shows them.")]
Reason = Annotated[
    str | None, typer.Option(help="Only those parked for this: malformed, forged, fault, delivery_limit, undecodable.")
]
Queue = Annotated[str | None, typer.Option(help="Only those out of this queue.")]
All = Annotated[bool, typer.Option("--all", help="Every one, where nothing else chooses.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@dataclass(frozen=True)
class Choice:
    """Which messages are meant: those that fit everything that is said."""

    ids: frozenset[str] = frozenset()
    reason: str | None = None
    queue: str | None = None

    def fits(self, message: ParkedMessage) -> bool:
        """Whether this one is meant."""
        return (
            (not self.ids or message.id in self.ids)
            and self.reason in {None, message.reason}
            and self.queue in {None, message.queue}
        )


@app.command("list")
def list_(*, reason: Reason = None, queue: Queue = None, as_json: AsJson = False) -> None:
    """List them, the oldest first. Exit status 0, also where there are none."""
    found = _done(Choice(frozenset(), reason, queue), Fate.STAY)
    if as_json:
        typer.echo(json.dumps([told(message) for message, _ in found], indent=2))
        return
    # Two lines for each: id, queue and reason choose it, so they have to be legible at 80 columns, and in a pipe.
    first = Column("id, and the queue it came out of", width=_LONGEST_QUEUE, overflow="fold")
    table = Table(first, Column("parked, and why", overflow="fold"), caption=f"{len(found):,} parked", show_lines=True)
    for message, _ in found:
        when = ", ".join(filter(None, [_at(message.parked_at), "late" if message.is_late(now()) else ""]))
        why = ": ".join(filter(None, [message.reason, message.detail]))
        table.add_row(_stacked(message.id, message.queue), _stacked(when, why))
    Console().print(table)


@app.command()
def show(ids: Ids = None, *, reason: Reason = None, queue: Queue = None, as_json: AsJson = False) -> None:
    """Show what they say, but for what is sealed, of a wrong form, or not known."""
    found = _done(Choice(frozenset(ids or ()), reason, queue), Fate.STAY)
    if as_json:
        typer.echo(json.dumps([told(message, whole=True) for message, _ in found], indent=2))
    else:
        for message, _ in found:
            typer.echo("\n".join(_lines(told(message, whole=True))) + "\n")
    _end(found)


@app.command()
def replay(
    ids: Ids = None, *, reason: Reason = None, queue: Queue = None, everything: All = False, as_json: AsJson = False
) -> None:
    """Give them back to their readers, under the same id: done twice it does no harm."""
    _decide(_chosen(ids, reason, queue, everything=everything), Fate.REPLAY, as_json=as_json)


@app.command()
def discard(
    ids: Ids = None, *, reason: Reason = None, queue: Queue = None, everything: All = False, as_json: AsJson = False
) -> None:
    """Throw them away for good."""
    _decide(_chosen(ids, reason, queue, everything=everything), Fate.DISCARD, as_json=as_json)


def told(message: ParkedMessage, *, whole: bool = False) -> dict[str, Any]:
    """What is known of a message, for programs; nothing of it is secret."""
    known: dict[str, Any] = {
        "id": message.id,
        "queue": message.queue,
        "topic": message.topic,
        "reason": message.reason,
        "detail": message.detail,
        "published_by": message.publisher,
        "parked_at": _at(message.parked_at),
        "late": message.is_late(now()),
        "flow": message.correlation_id,
        "bytes": len(message.body),
    }
    if whole:
        content = message.content()
        known |= {"content": content.shown, "withheld": list(content.withheld), "unknown_fields": content.unknown}
    return known


async def decided(running: Running, choice: Choice, fate: Fate) -> list[tuple[ParkedMessage, Fate]]:
    """Do this with the messages that are meant, and tell what became of each, the one parked first at the head.

    Those that do not say when they were parked come last. Raises `Unreachable`, `Occupied`.
    """
    found = []
    async with ParkingLot.at(running.rabbitmq_url, running.broker_users) as lot:
        async for message, became in lot.each(lambda message: fate if choice.fits(message) else Fate.STAY):
            if choice.fits(message):
                found.append((message, became))
    return sorted(found, key=lambda each: each[0].parked_at or _NEVER)


def _chosen(ids: list[str] | None, reason: str | None, queue: str | None, *, everything: bool) -> Choice:
    if not (ids or reason or queue or everything):
        raise typer.BadParameter("Say which: by id, by --reason, by --queue, or --all.")
    return Choice(frozenset(ids or ()), reason, queue)


def _decide(choice: Choice, fate: Fate, *, as_json: bool) -> None:
    found = _done(choice, fate)
    if as_json:
        typer.echo(json.dumps([told(message) | {"became": became} for message, became in found], indent=2))
    else:
        done = sum(became is fate for _, became in found)
        typer.echo(f"{done:,} {'given back' if fate is Fate.REPLAY else 'thrown away'}")
        if fate is Fate.REPLAY and (late := sum(message.is_late(now()) for message, _ in found)):
            typer.echo(
                f"{late:,} of them late: nobody waits for their answer any more, and their readers pass them over"
            )
        for message, became in found:
            if became is not fate:
                typer.echo(printable(f"{message.id} stays: there is no queue {message.queue or 'known'}"), err=True)
    _end(found, fate)


def _done(choice: Choice, fate: Fate) -> list[tuple[ParkedMessage, Fate]]:
    try:
        return asyncio.run(decided(find(STATE), choice, fate))
    except Occupied:
        typer.echo("Somebody else is at the parked messages. Try again when he has done.", err=True)
    except (NotRunning, Unreachable) as reason:
        typer.echo(f"The parked messages cannot be looked at: {reason}", err=True)
    raise typer.Exit(NOT_ASKED)


def _end(found: Sequence[tuple[ParkedMessage, Fate]], fate: Fate = Fate.STAY) -> None:
    if not found:
        typer.echo("No parked message fits.", err=True)
    if not found or any(became is not fate for _, became in found):
        raise typer.Exit(AMISS)


def _stacked(*lines: str) -> Text:
    """Lines of a cell. Not as a string, in which Rich would follow what whoever published the message has marked up."""
    return Text("\n".join(map(printable, lines)))


def _at(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(sep=" ", timespec="seconds")


def _lines(known: dict[str, Any]) -> list[str]:
    shown, withheld = known.pop("content"), known.pop("withheld")
    lines = [f"{name:<15} {value}" for name, value in known.items()]
    lines += [f"  {name:<13} {json.dumps(value)}" for name, value in shown.items()]
    return [printable(line) for line in [*lines, *(f"  {name:<13} (withheld)" for name in withheld)]]
