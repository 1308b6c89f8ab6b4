"""`wardgate status` and `wardgate queues`: how the running system is, now or from moment to moment."""

import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Column, Table

from ops import condition
from ops.checkout import STATE
from ops.echo import printable
from ops.exits import AMISS, NOT_ASKED
from ops.running import NotRunning, find
from ops.sample import Depth, Observer, Queue, Sample
from ops.traffic import services
from shared.runtime import topology
from shared.runtime.messaging import Unreachable

_BETWEEN = 1.0
"""Seconds between the two looks that a rate is made of."""

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def status(*, as_json: AsJson = False) -> None:
    """How everything is. Exit status 0: well; 1: something needs a person; 3: it could not be asked."""
    earlier, sample = _done(_two_looks())
    if as_json:
        typer.echo(json.dumps(condition.told(sample, earlier), indent=2))
    else:
        Console().print(_services(sample), _queues(sample, earlier))
        for problem in condition.problems(sample):
            typer.echo(printable(problem))
    if condition.problems(sample):
        raise typer.Exit(AMISS)


def queues(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """What waits in every queue, how much of it is read, and by how many. Exit status 0; 3: it could not be asked."""
    if watch:
        try:
            _done(_watch(every, as_json=as_json))
        except KeyboardInterrupt:
            sys.exit(130)
        return
    earlier, sample = _done(_two_looks())
    if as_json:
        typer.echo(json.dumps(condition.queues_told(sample, earlier), indent=2))
    else:
        Console().print(_queues(sample, earlier))


def _done(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (NotRunning, Unreachable) as reason:
        typer.echo(f"The system cannot be asked: {reason}", err=True)
        raise typer.Exit(NOT_ASKED) from None


async def _two_looks() -> tuple[Sample, Sample]:
    async with _observer() as observer:
        earlier = await observer.look()
        await asyncio.sleep(_BETWEEN)
        return earlier, await observer.look()


async def _watch(every: float, *, as_json: bool) -> None:
    async with _observer() as observer:
        earlier = await observer.look()
        with Live(console=Console(quiet=as_json), auto_refresh=False, screen=sys.stdout.isatty()) as live:
            while True:
                await asyncio.sleep(every)
                sample = await observer.look()
                if as_json:
                    said = {"at": sample.at.isoformat(), "queues": condition.queues_told(sample, earlier)}
                    print(json.dumps(said), flush=True)  # noqa: T201 - a command's output
                live.update(_queues(sample, earlier), refresh=True)
                earlier = sample


def _observer() -> AbstractAsyncContextManager[Observer]:
    running = find(STATE)
    return Observer.at(running.rabbitmq_url, running.broker_users)


def _services(sample: Sample) -> Table:
    table = Table("service", "instance", "version", "up", Column("outbox", justify="right"), "")
    for service in services():
        for each in sample.of(service):
            up = str(sample.at.replace(microsecond=0) - each.started_at.replace(microsecond=0))
            ready = (
                f"[yellow]waits for {escape(printable(', '.join(each.missing)))}" if each.missing else "[green]ready"
            )
            named = (service, escape(printable(condition.name_of(each))), escape(printable(each.version)))
            table.add_row(*named, up, f"{each.untold_seconds:.0f} s", ready)
        if silent := sample.silent(service):
            table.add_row(service, f"{silent:,} more", "", "", "", "[red]does not answer")
        elif not sample.of(service):
            table.add_row(service, "", "", "", "", "[red]does not run")
    return table


def _queues(sample: Sample, earlier: Sample) -> Table:
    right = ("waiting", "read/s", "readers")
    table = Table("queue", *(Column(name, justify="right") for name in right), caption=f"{sample.at:%H:%M:%S} UTC")
    for queue, depth in sample.depths.items():
        rate = sample.read_since(earlier, queue)
        readers = f"{depth.consumers:,}" if queue.reader is not None else ""
        table.add_row(
            queue.name,
            f"{depth.waiting:,}",
            "" if rate is None else f"{rate:,.1f}",
            readers,
            style=_style(queue, depth),
        )
    return table


def _style(queue: Queue, depth: Depth) -> str:
    """Red where nobody reads, yellow where something waits for a person."""
    if queue.reader is not None and not depth.consumers:
        return "red"
    return "yellow" if queue.name == topology.PARKED and depth.waiting else ""
