"""Which Wardgate runs in this checkout: one at a time, and how the other commands find it."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ops.places import check_urls
from ops.private_files import write_private
from ops.secret_files import told
from ops.stack import PREFIX
from shared.runtime.origin import BrokerUsers


class AlreadyRunning(Exception):  # noqa: N818 (it reads as a sentence)
    """Another launcher holds this checkout."""


class NotRunning(Exception):  # noqa: N818 (it reads as a sentence)
    """No system was found to talk to; the message says why, and no secret."""


@dataclass(frozen=True)
class Running:
    """How the operator reaches a running system; the URLs hold his passwords."""

    url: str
    rabbitmq_url: str
    mongodb_url: str
    public_keys: dict[str, str]
    broker_users: BrokerUsers = BrokerUsers.OWN
    mongodb_prefix: str = PREFIX
    """What the names of its databases begin with."""

    def __post_init__(self) -> None:
        """Take the word of a file or of the environment for what it means. Raises `ValueError`."""
        object.__setattr__(self, "broker_users", BrokerUsers(self.broker_users))


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold this checkout. The kernel lets go of it when the process ends, however it ends."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "run.lock").open("a+") as lock:
        if not _take(lock):
            known = _read(state)
            where = f" at {known.url}" if known else ""
            raise AlreadyRunning(
                f"Wardgate already runs in this checkout{where}. Stop it first with Ctrl-C where it runs."
            )
        yield


@contextmanager
def announced(state: Path, running: Running) -> Iterator[None]:
    """Tell the other commands, until the block ends."""
    file = state / "run.json"
    write_private(file, json.dumps(asdict(running)))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says, and what it does not say but files do. Raises NotRunning."""
    try:
        known = told(environ)
        check_urls(known)
    except ValueError as error:
        raise NotRunning(str(error)) from None
    return known


def find(state: Path, environ: Mapping[str, str] = os.environ) -> Running:
    """The system of the environment, else the one that runs in this checkout. Raises NotRunning."""
    environ = environment(environ)
    if environ.get("RABBITMQ_URL") and environ.get("SEALING_PUBLIC_KEYS"):
        return _elsewhere(environ)
    running = _read(state)
    if running is None or not _is_held(state):  # a launcher that was killed leaves its note behind
        raise NotRunning(
            "No Wardgate runs in this checkout. Start one with `make run`, or set RABBITMQ_URL and SEALING_PUBLIC_KEYS."
        )
    return running


def _elsewhere(environ: Mapping[str, str]) -> Running:
    try:
        keys = json.loads(environ["SEALING_PUBLIC_KEYS"])
    except ValueError:
        keys = None
    if not isinstance(keys, dict):
        raise NotRunning(
            "SEALING_PUBLIC_KEYS has to be a JSON object of a key for each service, as .env.example shows."
        )
    users = environ.get("BROKER_USERS", BrokerUsers.OWN)
    if users not in list(BrokerUsers):
        raise NotRunning(f"BROKER_USERS has to be {' or '.join(BrokerUsers)}.")
    return Running(
        url="",
        rabbitmq_url=environ["RABBITMQ_URL"],
        mongodb_url=environ.get("MONGODB_URL", ""),
        public_keys=keys,
        broker_users=BrokerUsers(users),
        mongodb_prefix=environ.get("MONGODB_PREFIX", PREFIX),
    )


def _read(state: Path) -> Running | None:
    file = state / "run.json"
    return Running(**json.loads(file.read_text())) if file.exists() else None


def _is_held(state: Path) -> bool:
    lock = state / "run.lock"
    if not lock.exists():
        return False
    with lock.open("a+") as handle:
        return not _take(handle)


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
