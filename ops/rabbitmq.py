"""A private RabbitMQ node: its own data, ports, password and Erlang port mapper, all on the loopback interface."""

import json
import os
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path

from ops.children import Child, is_in_use
from ops.passwords import kept_passwords
from ops.ports import LOOPBACK, kept_port
from ops.private_files import write_private
from ops.privileges import ADMINISTRATOR, USERS, broker_definitions
from ops.servers import STOPS_WITHIN, LocalServer, ServerFailed

# Protocol header of AMQP 0-9-1; a broker that is ready answers it with a method frame (type 1).
_HELLO, _METHOD_FRAME = b"AMQP\x00\x00\x09\x01", b"\x01"


def private_rabbitmq(state: Path, server: Path) -> LocalServer:
    """A node with its data under `state`, run by the `rabbitmq-server` script at `server`.

    No well-known password: those of its users are random and kept in `state`, which only the owner may read.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = state / "log" / "output.log"
    _wait_for_predecessor(log)
    kept = state / "ports.json"
    port, distribution, mapper = (kept_port(kept, name) for name in ("amqp", "distribution", "epmd"))
    passwords = kept_passwords(state / "passwords.json", (ADMINISTRATOR, *USERS))
    earlier = state / "password"  # of the one user that there was in earlier versions, who could do anything
    retired = ["wardgate"] if earlier.exists() else []
    definitions = state / "definitions.json"
    # Whoever puts a message there by hand, as tests do, says in whose name: the administrator may.
    told = broker_definitions(passwords, secrets.token_bytes(4), retired=retired, impersonator=ADMINISTRATOR)
    write_private(definitions, json.dumps(told, indent=2))
    write_private(state / "rabbitmq.conf", f"listeners.tcp.1 = {LOOPBACK}:{port}\nload_definitions = {definitions}\n")
    (state / "enabled_plugins").write_text("[].\n")

    # epmd, which maps Erlang's node names to ports, is started by the first node as a daemon and then outlives it. One
    # of our own, in the foreground on a port of its own, ends with us and meets no other node of this machine.
    mapping = {"ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": LOOPBACK}
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(state),  # the Erlang cookie lives there
        **mapping,
        "ERL_CRASH_DUMP_BYTES": "0",
        "RABBITMQ_ALLOW_INPUT": "1",  # makes the script become the node: one pid; see -noinput below
        "RABBITMQ_NODENAME": "wardgate@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(state / "mnesia"),
        "RABBITMQ_LOG_BASE": str(state / "log"),
        "RABBITMQ_CONFIG_FILE": str(state / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",  # what the machine's own broker is told must not reach this one
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(state / "enabled_plugins"),
        # Schedulers with nothing to do sleep rather than spin: on a small machine the services have use for that CPU.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
        ),
    }
    return LocalServer(
        "RabbitMQ",
        f"amqp://{ADMINISTRATOR}:{passwords[ADMINISTRATOR]}@{LOOPBACK}:{port}/",
        # SIGTERM, for a node that is killed within half a second of making a quorum queue cannot bring it back: two
        # quick Ctrl-C at the end of somebody's first start would leave him a broker that never works again.
        Child("RabbitMQ", [str(server), "-noinput"], environment=environment, log=log, farewell=signal.SIGTERM),
        is_ready=lambda: answers(LOOPBACK, port),
        passwords=passwords,
        companions=[
            Child(
                "epmd", [_epmd()], environment={"PATH": os.environ["PATH"], **mapping}, log=state / "log" / "epmd.log"
            )
        ],
    )


def answers(host: str, port: int) -> bool:
    """Whether a broker listens there and speaks AMQP."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(_HELLO)
            return connection.recv(1) == _METHOD_FRAME
    except OSError:
        return False


def _wait_for_predecessor(log: Path) -> None:
    """Two nodes on the same data would ruin it, and one whose launcher was killed takes a moment to end."""
    deadline = time.monotonic() + STOPS_WITHIN
    while is_in_use(log):
        if time.monotonic() > deadline:
            raise ServerFailed(f"RabbitMQ of an earlier start does not end; it writes to {log}")
        time.sleep(0.05)


def _epmd() -> str:
    found = shutil.which("epmd") or next((str(path) for path in Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)
    return found or "epmd"
