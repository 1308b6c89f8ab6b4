"""A private mongod: a replica set of one on the loopback interface, which asks for passwords."""

import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ops.children import Child
from ops.passwords import kept_passwords
from ops.ports import LOOPBACK, kept_port
from ops.private_files import write_private
from ops.privileges import ADMINISTRATOR, USERS
from ops.servers import LocalServer

REPLICA_SET = "wardgate"

_AUTHENTICATION_FAILED = 18
_NOT_YET_INITIALIZED = 94


def private_mongodb(state: Path, mongod: Path) -> LocalServer:
    """A mongod with its data under `state`, run by the program at `mongod`; passwords are kept there too."""
    data = state / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = kept_port(state / "ports.json", "mongodb")
    passwords = kept_passwords(state / "passwords.json", (ADMINISTRATOR, *USERS))
    key = state / "key"  # with which members of a replica set know each other: there is no asking for passwords without
    if not key.exists():
        write_private(key, new_key())
    command = [
        str(mongod),
        *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket", "--auth", "--keyFile", str(key)),
        *("--dbpath", str(data), "--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", "0.5", "--quiet"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    address = f"{LOOPBACK}:{port}"
    return LocalServer(
        "MongoDB",
        f"mongodb://{ADMINISTRATOR}:{passwords[ADMINISTRATOR]}@{address}/?replicaSet={REPLICA_SET}&authSource=admin",
        Child("MongoDB", command, environment={"LANG": "C.UTF-8"}, log=state / "log" / "output.log"),
        is_ready=lambda: is_primary(address, password=passwords[ADMINISTRATOR]),
        passwords=passwords,
    )


def new_key() -> str:
    """What members of a replica set know each other by: mongod takes nothing but letters of base64."""
    return b64encode(secrets.token_bytes(96)).decode()


def is_primary(address: str, member: str | None = None, password: str | None = None) -> bool:
    """Whether the node takes writes; on the way there it is made a replica set of one, with an administrator.

    It knows itself as `member`, by default the address at which it is asked. Without a `password` it asks for none.
    """
    known = None if password is None else ADMINISTRATOR
    try:
        with _client(address) as stranger, _client(address, known, password) as client:
            if stranger.admin.command("hello").get("isWritablePrimary"):
                return password is None or _knows_administrator(stranger, client, password)
            _form_replica_set(stranger, client, member or address)
            return False  # just electing itself
    except PyMongoError:  # not up yet: asked again soon
        return False


def _client(address: str, user: str | None = None, password: str | None = None) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        f"mongodb://{address}/?directConnection=true",
        serverSelectionTimeoutMS=300,
        socketTimeoutMS=10_000,
        username=user,
        password=password,
    )


def _knows_administrator(stranger: MongoClient[Any], client: MongoClient[Any], password: str) -> bool:
    """See that the administrator can sign in; the first user may be made by whoever comes from the same machine."""
    try:
        client.admin.command("ping")
    except OperationFailure as error:
        if error.code != _AUTHENTICATION_FAILED:
            raise
        stranger.admin.command("createUser", ADMINISTRATOR, pwd=password, roles=["root"], mechanisms=["SCRAM-SHA-256"])
    return True


def _form_replica_set(stranger: MongoClient[Any], client: MongoClient[Any], member: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code not in {_NOT_YET_INITIALIZED, _AUTHENTICATION_FAILED}:  # where nothing is yet, nobody is known
            raise
        members = [{"_id": 0, "host": member}]
        stranger.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if (
        config["members"][0]["host"] != member
    ):  # another port than last time: the node no longer finds itself in its set
        config["members"][0]["host"] = member
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
