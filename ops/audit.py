"""`wardgate audit`: the audit trail, for who has to know what happened and whether it is all still there."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ops.checkout import STATE
from ops.echo import printable
from ops.exits import AMISS, NOT_ASKED
from ops.running import NotRunning, environment, find
from ops.stack import PREFIX
from services.audit.domain.examination import Chain, examined
from services.audit.domain.record import Head, Record
from services.audit.store import Store
from shared.contracts.auth import user_id_of
from shared.contracts.vocabulary import Service, TenantId, UserId
from shared.runtime.clock import now
from shared.runtime.mongo import Mongo, PyMongoError

_OVERLAP = timedelta(seconds=10)
"""A batch is seen when it is committed, which may be later than another that was begun after it."""

_POLL = 1.0  # seconds

app = typer.Typer(no_args_is_help=True, help="The audit trail.")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def verify(
    *,
    heads: Annotated[Path | None, typer.Option(help="What `verify --json` said before and was kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what was changed, removed or moved. Exit status 0: nothing; 1: something; 3: it could not be examined."""
    try:
        kept = [] if heads is None else read_heads(heads)
        chains = asyncio.run(_examined(kept))
    except (NotRunning, PyMongoError, OSError, ValueError) as reason:
        typer.echo(f"The audit trail could not be examined: {reason}", err=True)
        raise typer.Exit(NOT_ASKED) from None
    typer.echo(json.dumps(told(chains), indent=2)) if as_json else _show(chains)
    if any(chain.damages for chain in chains):
        raise typer.Exit(AMISS)


@app.command()
def tail(
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    tenant: Annotated[str | None, typer.Option(help="Of this account alone.")] = None,
    user: Annotated[str | None, typer.Option(help="Of this user alone: a username, or an id.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=10_000, help="How many records.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was recorded last, the oldest first."""
    tenant_id = None if tenant is None else TenantId(tenant)
    user_id = None if user is None else _user_id(user)
    line = json_line if as_json else readable
    with_store(lambda store: _tail(store, number, tenant_id, user_id, line, follow=follow))


def with_store(work: Callable[[Store], Awaitable[None]]) -> None:
    """Do something with the trail of the running system. Raises `NotRunning`."""

    async def run() -> None:
        async with trail() as store:
            await work(store)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        sys.exit(130)
    except PyMongoError as reason:
        sys.exit(f"MongoDB cannot be asked: {type(reason).__name__}")


@asynccontextmanager
async def trail(environ: Mapping[str, str] = os.environ) -> AsyncIterator[Store]:
    """The trail of the database that the environment names, or files do, else of the system that runs here."""
    environ = environment(environ)
    url, prefix = environ.get("MONGODB_URL", ""), environ.get("MONGODB_PREFIX", PREFIX)
    if not url:
        running = find(STATE, environ)
        url, prefix = running.mongodb_url, running.mongodb_prefix
    if not url:  # a driver that is told nothing asks this machine
        raise NotRunning("The environment does not say where MongoDB is: MONGODB_URL.")
    mongo = Mongo(url)
    try:
        yield Store(mongo.database(f"{prefix}{Service.AUDIT}"))
    finally:
        await mongo.close()


async def _examined(kept: list[Head]) -> list[Chain]:
    async with trail() as store:
        return await examine(store, kept)


async def examine(store: Store, kept: list[Head]) -> list[Chain]:
    """Examine all chains, while they are being written."""
    heads = await store.heads()
    return [chain async for chain in examined(store.chains(), heads, store.head, kept)]


def read_heads(file: Path) -> list[Head]:
    """The heads in what `verify --json` said. Raises `ValueError` and `OSError`."""
    try:
        said = json.loads(file.read_text())
        return [Head(TenantId(each["root"]), int(each["count"]), str(each["hash"])) for each in said["heads"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is not what `audit verify --json` says ({type(error).__name__})") from None


def told(chains: list[Chain]) -> dict[str, Any]:
    """What was found, for programs; the heads are there to be kept where nobody who may write to MongoDB may write."""
    return {
        "whole": not any(chain.damages for chain in chains),
        "records": sum(chain.records for chain in chains),
        "heads": [asdict(chain.head) for chain in chains],
        "damages": [asdict(damage) for chain in chains for damage in chain.damages],
    }


def _show(chains: list[Chain]) -> None:
    table = Table("account", "records", Column("hash of the last", overflow="fold"), "")
    for chain in chains:
        verdict = "[red]damaged" if chain.damages else "[green]whole"
        table.add_row(escape(printable(chain.head.root)), f"{chain.records:,}", chain.head.hash, verdict)
    console = Console()
    console.print(table)
    for damage in (damage for chain in chains for damage in chain.damages):
        which = f" (event {damage.record})" if damage.record else ""
        text = printable(f"{damage.root}: {damage.kind}: {damage.text}{which}")
        console.print(text, style="red", markup=False, soft_wrap=True)


async def _tail(  # noqa: PLR0913 - what is asked for
    store: Store,
    number: int,
    tenant_id: TenantId | None,
    user_id: UserId | None,
    line: Callable[[Record], str],
    *,
    follow: bool,
) -> None:
    begun = now() - _OVERLAP
    known = {r["id"]: r["recorded_at"] async for r in store.since(begun, tenant_id, user_id)} if follow else {}
    for record in await store.latest(number, tenant_id, user_id):
        known[record["id"]] = record["recorded_at"]
        typer.echo(line(record))
    if follow:
        async for record in following(store, known, begun, tenant_id, user_id):
            typer.echo(line(record))


async def following(
    store: Store,
    known: dict[UUID, datetime],
    begun: datetime,
    tenant_id: TenantId | None = None,
    user_id: UserId | None = None,
) -> AsyncIterator[Record]:
    """What is recorded from a moment on and is not known, each record once."""
    while True:
        latest = max(known.values(), default=begun)
        known = {each: at for each, at in known.items() if at >= latest - _OVERLAP}
        async for record in store.since(latest - _OVERLAP, tenant_id, user_id):
            if record["id"] not in known and record["recorded_at"] >= begun:
                known[record["id"]] = record["recorded_at"]
                yield record
        await asyncio.sleep(_POLL)


def readable(record: Record) -> str:
    """A record in a line, without anything that could steer a terminal."""
    content = " ".join(f"{name}={_plain(value)}" for name, value in record["content"].items() if value is not None)
    at = f"{record['recorded_at']:%Y-%m-%d %H:%M:%S}"
    return printable(f"{at}  {record['topic']:<26} {record['tenant_id'] or '-'}  {record['user_id'] or '-'}  {content}")


def json_line(record: Record) -> str:
    """A record in a line of JSON."""
    return json.dumps(dict(record), default=_text, ensure_ascii=True)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=_text)


def _text(value: Any) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def _user_id(user: str) -> UserId:
    try:
        return UserId(str(UUID(user)))
    except ValueError:
        return user_id_of(user)
