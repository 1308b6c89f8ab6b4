"""The command line: `./wardgate COMMAND`."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from ops import audit, checks, locking, own_servers, parked, status
from ops.checkout import ROOT, STATE
from ops.directory import DirectoryError
from ops.echo import printable
from ops.importing import import_directory
from ops.launcher import CannotRun
from ops.launcher import run as run_everything
from ops.programs import ProgramMissing
from ops.running import AlreadyRunning, NotRunning, find
from ops.servers import ServerFailed
from ops.unlocking import CannotUnlock
from ops.unlocking import unlock as unlock_user

# What a person can do something about: told in a sentence, without a traceback.
TOLD = (AlreadyRunning, CannotRun, CannotUnlock, DirectoryError, NotRunning, ProgramMissing, ServerFailed)

# Tracebacks as Python writes them: Typer's own would show the values of local variables, passwords among them.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Multi-factor authentication for multi-tenant portals.",
)
app.add_typer(audit.app, name="audit")
app.add_typer(parked.app, name="parked")
app.command()(status.status)
app.command()(status.queues)
app.command()(own_servers.provision)


@app.command()
def run(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="Where the gateway listens.")] = 8080,
    directory: Annotated[Path, typer.Option(envvar="DIRECTORY", help="Accounts and users to load.")] = ROOT
    / "examples"
    / "directory.yaml",
) -> None:
    """Run everything on this machine until Ctrl-C."""
    run_everything(STATE, port, directory)


@app.command("import")
def import_(file: Annotated[Path, typer.Argument(help="A directory file.")]) -> None:
    """Load accounts and users into the running system; the same file twice changes nothing."""
    summary = asyncio.run(import_directory(file, find(STATE), typer.echo))
    typer.echo(
        f"accounts: {summary.tenants_created:,} new, {summary.tenants_changed:,} changed; "
        f"users: {summary.users_created:,} new, {summary.users_changed:,} changed; "
        f"authenticators: {summary.authenticators_added:,} new"
    )


@app.command()
def unlock(username: Annotated[str, typer.Argument(help="Who failed too often.")]) -> None:
    """Take passwords and codes from a user again, whatever has failed before."""
    unlocked = asyncio.run(unlock_user(username, find(STATE)))
    typer.echo(
        f"{printable(username)} ({unlocked.tenant_id}) is unlocked: no failure at passwords or codes is remembered"
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Lint, then run all tests against real servers; with arguments, run pytest with them."""
    if not context.args:
        _lint()
    checks.bring_tools(typer.echo)
    checks.become("pytest", context.args)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def chaos(context: typer.Context) -> None:
    """Kill, cut off and starve everything in turn, in the middle of 200 logins, and print what came of it."""
    checks.become("tests.chaos", context.args)


@app.command()
def screens() -> None:
    """Take the pictures of docs/screens anew, of every page in a real browser."""
    checks.bring_tools(typer.echo)
    checks.become("tests.screens")


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option(help="A minute or two, and not to be relied on.")] = False,
    readme: Annotated[bool, typer.Option(help="Write the table into README.md as well.")] = False,
) -> None:
    """Measure how fast it is, on a system that is started for it: seven minutes, and nothing else should run."""
    checks.become("benchmarks", [*(["--quick"] if quick else []), *(["--readme"] if readme else [])])


@app.command()
def lint() -> None:
    """Run the linters and check that generated documents are fresh."""
    _lint()


@app.command()
def lock() -> None:
    """Write requirements.lock anew from pyproject.toml."""
    locking.lock(typer.echo)


def _lint() -> None:
    if failed := checks.lint(typer.echo):
        typer.echo(f"not clean: {', '.join(failed)}", err=True)
        raise typer.Exit(1)


def main() -> None:
    """Run the command; what went wrong is a sentence on standard error and exit status 1."""
    for noisy in ("aio_pika", "aiormq"):  # they quote what they cannot connect to, with its password
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        app(prog_name="wardgate")
    except TOLD as told:
        sys.exit(str(told))


if __name__ == "__main__":
    main()
