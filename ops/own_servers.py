"""`wardgate provision`: all that services need on a RabbitMQ and a MongoDB that somebody else runs; their secrets."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.administrator import Administrator
from ops.checkout import STATE
from ops.echo import printable
from ops.exits import AMISS, NOT_ASKED
from ops.keys import kept, kept_keys
from ops.management import Management
from ops.objections import Refused, Unreachable, objections
from ops.passwords import kept_passwords
from ops.places import place
from ops.privileges import USERS, broker_definitions, database_users
from ops.provision import has_transactions
from ops.secret_files import tell, told
from ops.services import secrets_of
from ops.stack import PREFIX, Stack


def provision(
    *,
    to: Annotated[Path, typer.Option(file_okay=False, help="Where keys, passwords and secrets are kept.")] = STATE
    / "provided",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Make users, rights, exchanges and queues on servers of your own; done twice it changes nothing.

    How an administrator reaches them is said by RABBITMQ_ADMIN_URL, RABBITMQ_MANAGEMENT_URL and MONGODB_ADMIN_URL, or
    by files of these names in SECRETS_DIR. Exit status 0: all is there; 1: a server refuses or is
    not fit for it; 3: one does not answer.
    """
    try:
        environ = told(os.environ)
        administrator = Administrator.of(environ)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        said = provided(administrator, environ.get("MONGODB_PREFIX", PREFIX), to.absolute())
    except OSError as error:  # of a server, it would be one of the others
        raise typer.BadParameter(f"{error.filename or to}: {error.strerror}", param_hint="--to") from None
    except (Refused, Unreachable) as error:
        typer.echo(printable(str(error)), err=True)
        raise typer.Exit(AMISS if isinstance(error, Refused) else NOT_ASKED) from None
    for line in [json.dumps(said, indent=2)] if as_json else _lines(said):
        typer.echo(line)


def provided(administrator: Administrator, prefix: str, folder: Path) -> dict[str, Any]:
    """See that all is there on the servers, then tell everybody his own: what is where. Raises as `objections` does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sealing = kept_keys(folder / "keys")
    broker, database = (kept_passwords(folder / "keys" / name, USERS) for name in ("rabbitmq.json", "mongodb.json"))
    # Kept as well, so that the broker is told the same each time.
    salt = bytes.fromhex(kept(folder / "keys" / "salt", lambda: secrets.token_hex(4)))
    vhost, places = administrator.vhost, (place(administrator.broker_url), place(administrator.database_url))

    stack = Stack(
        administrator.broker_url, administrator.database_url, broker_passwords=broker, database_passwords=database
    )
    management = Management(administrator.management_url, administrator.user, administrator.password)
    definitions = broker_definitions(broker, salt, vhost=vhost)
    with objections(f"RabbitMQ's management at {place(administrator.management_url)}"):
        if strangers := management.strangers(definitions):  # before anything is made, anywhere
            raise Refused(
                f"RabbitMQ at {places[0]} has a user {' and one '.join(strangers)} already, with another password and "
                "other rights than Wardgate's: nothing was changed. Delete whom nobody needs; else take another broker."
            )
    with objections(f"MongoDB at {places[1]}"):
        if not has_transactions(administrator.database_url):
            raise Refused(
                f"MongoDB at {places[1]} is no replica set. Services write some things together or not at all, which "
                "takes one, of one member or more: start it with --replSet, and say rs.initiate() to it once."
            )
        stack.provide_database(prefix)
    with objections(f"RabbitMQ's management at {place(administrator.management_url)}"):
        management.make_virtual_host(vhost)
        management.import_users(definitions)
    with objections(f"RabbitMQ at {places[0]}"):
        stack.provide_broker()

    own = {user: folder / "for" / user for user in USERS}
    for user, his in own.items():
        his.mkdir(mode=0o700, parents=True, exist_ok=True)
        tell(his, {"MONGODB_PREFIX": prefix, **secrets_of(user, stack.access(user, prefix), sealing)})
    return {
        "rabbitmq": {"at": places[0], "virtual_host": vhost, "users": list(USERS)},
        "mongodb": {"at": places[1], "users": {user.name: user.database for user in database_users(prefix)}},
        "keys": str(folder / "keys"),
        "told": {user: str(his) for user, his in own.items()},
    }


def _lines(said: dict[str, Any]) -> Iterator[str]:
    rabbitmq, mongodb = said["rabbitmq"], said["mongodb"]
    lines = (
        f"RabbitMQ at {rabbitmq['at']}, virtual host {rabbitmq['virtual_host']}: users, exchanges and queues are there",
        f"MongoDB at {mongodb['at']}: users are there, of {', '.join(sorted(set(mongodb['users'].values())))}",
        f"keys and passwords, of which a copy belongs in a safe place: {said['keys']}",
        "what each is told, in files; to be named to it as SECRETS_DIR:",
        *(f"  {user:<10}  {folder}" for user, folder in said["told"].items()),
    )
    yield from map(printable, lines)
