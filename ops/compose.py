"""What compose.yaml runs once, before the services: secrets are made and handed out, then the servers are prepared.

`secrets` needs no network. It keeps what it makes, so that the next time it only writes anew what each is told.
`servers` makes the replica set, and exchanges, queues and users that no service may make.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ops.keys import kept, kept_keys
from ops.mongodb import REPLICA_SET, is_primary, new_key
from ops.passwords import kept_passwords
from ops.ports import LOOPBACK
from ops.privileges import ADMINISTRATOR, USERS, broker_definitions
from ops.secret_files import tell
from ops.services import secrets_of
from ops.stack import Stack

KEYS = Path("/keys")
FOR = Path("/for")

_RABBITMQ, _MONGODB = "rabbitmq:5672", "mongodb:27017"
_BROKER_PASSWORDS, _DATABASE_PASSWORDS = "rabbitmq.json", "mongodb.json"
_READY_WITHIN = 90.0  # seconds

_OURS, _ANYBODYS = 0o400, 0o444
"""Images of others have users of their own, whose numbers are not known here: it is who has a folder that keeps it."""


def hand_out(keys: Path, to: Path) -> None:
    """Write into the folder of each what that one is told; `keys` is where it comes from, and what is missing made."""
    sealing = kept_keys(keys)
    everybody = (ADMINISTRATOR, *USERS)
    broker = kept_passwords(keys / _BROKER_PASSWORDS, everybody)
    database = kept_passwords(keys / _DATABASE_PASSWORDS, everybody)
    stack = _stack(broker, database)
    for user in USERS:
        tell(to / user, secrets_of(user, stack.access(user), sealing), _OURS)
    passwords = {_BROKER_PASSWORDS: json.dumps(broker), _DATABASE_PASSWORDS: json.dumps(database)}
    tell(to / ADMINISTRATOR, passwords, _OURS)
    definitions = broker_definitions(broker, secrets.token_bytes(4))
    tell(to / "rabbitmq", {"definitions.json": json.dumps(definitions)}, _ANYBODYS)
    tell(to / "mongodb", {"keyfile": kept(keys / "replica-set", new_key)}, _ANYBODYS)
    tell(to / "grafana", {"admin_password": kept(keys / "grafana", lambda: secrets.token_urlsafe(24))}, _ANYBODYS)


def prepare_servers(told: Path) -> None:
    """See that all is there that the services need and may not make; with what the administrator is told."""
    broker, database = (json.loads((told / name).read_text()) for name in (_BROKER_PASSWORDS, _DATABASE_PASSWORDS))
    deadline = time.monotonic() + _READY_WITHIN
    while not is_primary(f"{LOOPBACK}:27017", _MONGODB, database[ADMINISTRATOR]):
        if time.monotonic() > deadline:
            sys.exit(f"MongoDB did not become a replica set within {_READY_WITHIN:.0f} seconds")
        time.sleep(0.1)
    _stack(broker, database).provide()


def _stack(broker: Mapping[str, str], database: Mapping[str, str]) -> Stack:
    return Stack(
        f"amqp://{ADMINISTRATOR}:{broker[ADMINISTRATOR]}@{_RABBITMQ}/",
        f"mongodb://{ADMINISTRATOR}:{database[ADMINISTRATOR]}@{_MONGODB}/?replicaSet={REPLICA_SET}&authSource=admin",
        broker_passwords=broker,
        database_passwords=database,
    )


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] == ["secrets"]:
        hand_out(KEYS, FOR)
    else:
        prepare_servers(Path(os.environ["SECRETS_DIR"]))


if __name__ == "__main__":
    main()
