"""A private mongod: a replica set of one on the loopback interface."""

from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ops.children import Child
from ops.ports import LOOPBACK, kept_port
from ops.servers import LocalServer

REPLICA_SET = "wardgate"

_NOT_YET_INITIALIZED = 94


def private_mongodb(state: Path, mongod: Path) -> LocalServer:
    """A mongod with its data under `state`, run by the program at `mongod`.

    It asks for no password: like every server of the launcher it listens on the loopback interface only.
    """
    data = state / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = kept_port(state / "ports.json", "mongodb")
    command = [
        str(mongod),
        *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
        *("--dbpath", str(data), "--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", "0.5", "--quiet"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
    return LocalServer(
        "MongoDB",
        f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}",
        Child("MongoDB", command, environment={"LANG": "C.UTF-8"}, log=state / "log" / "output.log"),
        is_ready=lambda: is_primary(f"{LOOPBACK}:{port}"),
    )


def is_primary(address: str, member: str | None = None) -> bool:
    """Whether the node takes writes; on the way there it is made a replica set of one.

    It knows itself as `member`, by default the address at which it is asked.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=300, socketTimeoutMS=10_000
    )
    with client:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            _form_replica_set(client, member or address)
        except PyMongoError:  # not up yet, or just electing itself: asked again soon
            return False
        return bool(client.admin.command("hello").get("isWritablePrimary"))


def _form_replica_set(client: MongoClient[dict[str, Any]], member: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": 0, "host": member}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    if (
        config["members"][0]["host"] != member
    ):  # another port than last time: the node no longer finds itself in its set
        config["members"][0]["host"] = member
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
