"""An operator makes ready servers of his own: a broker and a database that know nobody but their administrator."""

import asyncio
import json
import os
import secrets
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aio_pika
import httpx
import pymongo
import pytest
from aio_pika.connection import make_url
from aiormq.exceptions import AMQPError, ChannelAccessRefused
from pymongo.errors import OperationFailure
from typer.testing import CliRunner

from ops.children import Child
from ops.cli import app
from ops.exits import AMISS, NOT_ASKED, WELL
from ops.places import place
from ops.ports import LOOPBACK, free_port
from ops.privileges import ADMINISTRATOR, USERS, broker_definitions
from ops.programs import mongod, rabbitmq_server
from ops.rabbitmq import private_rabbitmq
from ops.readiness import missing_at
from ops.services import service
from ops.stack import TOOLS, Stack
from shared.contracts.auth import LoginSucceeded
from shared.contracts.gateway import SessionStarted
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime import topology

PREFIX = "provided_"
NOBODY = "nobody"
"""A user of the broker who may not make others."""


class Said(NamedTuple):
    """What a command came to."""

    status: int
    output: str


Provision = Callable[..., Awaitable[Said]]


@pytest.fixture(scope="module")
def addresses(guarded_servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers of the operator's own, as he says where they are; their services' virtual host is not there yet."""
    state = tmp_path_factory.mktemp("own")
    broker = private_rabbitmq(state, rabbitmq_server(lambda _: None))
    known = {name: secrets.token_urlsafe(8) for name in (ADMINISTRATOR, NOBODY)}
    known[ADMINISTRATOR] = urlsplit(broker.url).password or ""
    (state / "definitions.json").write_text(json.dumps(broker_definitions(known, secrets.token_bytes(4))))
    (state / "enabled_plugins").write_text("[rabbitmq_management].\n")
    port = free_port()
    with (state / "rabbitmq.conf").open("a") as configuration:
        configuration.write(f"management.tcp.ip = {LOOPBACK}\nmanagement.tcp.port = {port}\n")
    try:
        broker.start()
        yield {
            "RABBITMQ_ADMIN_URL": f"{broker.url}wardgate",
            "RABBITMQ_MANAGEMENT_URL": f"http://{LOOPBACK}:{port}",
            "MONGODB_ADMIN_URL": guarded_servers.mongodb_url,
            "NOBODYS_PASSWORD": known[NOBODY],
        }
    finally:
        broker.stop()


@pytest.fixture
def single(tmp_path: Path) -> Iterator[str]:
    """A mongod that is no replica set."""
    port = free_port()
    program = str(mongod(TOOLS, lambda _: None))
    command = [program, "--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket", "--dbpath", str(tmp_path)]
    alone = Child("MongoDB", command, environment={}, log=tmp_path / "mongod.log")
    alone.launch()
    try:
        yield f"mongodb://{LOOPBACK}:{port}/"
    finally:
        alone.kill()


@pytest.fixture
def provision(addresses: dict[str, str], tmp_path: Path) -> Provision:
    """Runs `wardgate provision`, with other addresses where the test says so."""

    async def run(*words: str, **others: str) -> Said:
        environment = {**addresses, "MONGODB_PREFIX": PREFIX, **others}
        command = ["provision", "--to", str(tmp_path / "provided"), *words]
        result = await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        for url in (environment["RABBITMQ_ADMIN_URL"], environment["MONGODB_ADMIN_URL"]):
            assert (urlsplit(url).password or "a password") not in result.output
        return Said(result.exit_code, result.stdout if "--json" in words else result.output)

    return run


@pytest.fixture
async def told(provision: Provision) -> dict[str, Path]:
    """What the servers were provided with, by user: the folder that is his `SECRETS_DIR`."""
    status, said = await provision("--json")
    assert status == WELL
    return {user: Path(folder) for user, folder in json.loads(said)["told"].items()}


async def can_publish(connection: aio_pika.abc.AbstractConnection, topic: str) -> bool:
    async with connection.channel() as channel:
        try:
            exchange = await channel.get_exchange(topology.EVENTS, ensure=False)
            await exchange.publish(aio_pika.Message(b"{}"), topic, mandatory=False)
        except ChannelAccessRefused:
            return False
        return True


async def test_a_service_that_is_told_nothing_but_its_folder_of_secrets_is_soon_ready(
    told: dict[str, Path], tmp_path: Path
) -> None:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "SECRETS_DIR": str(told[Service.AUDIT])}
    audit = service(Service.AUDIT, port, environment=environment, log=tmp_path / "audit.log")

    audit.launch()
    try:
        async with asyncio.timeout(20):
            while await asyncio.to_thread(missing_at, port):
                assert audit.is_running, (tmp_path / "audit.log").read_text()
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(audit.stop, 10)


async def test_a_user_of_the_broker_may_do_what_is_his_and_no_more(told: dict[str, Path]) -> None:
    url = (told[Service.AUTH] / "rabbitmq_url").read_text()

    async with await aio_pika.connect(url) as connection:
        assert await can_publish(connection, LoginSucceeded.topic)
        assert not await can_publish(connection, SessionStarted.topic)
        async with connection.channel() as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_exchange("auth.mine")
    elsewhere = aio_pika.Connection(make_url(url.removesuffix("wardgate")))
    with pytest.raises(AMQPError):
        await elsewhere.connect()
    await elsewhere.close()


async def test_a_user_of_the_database_may_do_what_is_his_and_no_more(told: dict[str, Path]) -> None:
    with pymongo.MongoClient[dict[str, Any]]((told[Service.AUTH] / "mongodb_url").read_text()) as client:
        client[f"{PREFIX}{Service.AUTH}"].things.insert_one({})
        with pytest.raises(OperationFailure, match="not authorized"):
            client[f"{PREFIX}{Service.POLICY}"].things.find_one()
    with pymongo.MongoClient[dict[str, Any]]((told[OPERATOR] / "mongodb_url").read_text()) as client:
        client[f"{PREFIX}{Service.AUDIT}"].things.find_one()
        with pytest.raises(OperationFailure, match="not authorized"):
            client[f"{PREFIX}{Service.AUDIT}"].things.insert_one({})


async def test_the_operator_reads_the_trail_with_nothing_but_his_folder_of_secrets(told: dict[str, Path]) -> None:
    environment = {"SECRETS_DIR": str(told[OPERATOR])}

    result = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "verify", "--json"], env=environment)

    assert result.exit_code == WELL, result.output
    assert json.loads(result.stdout)["whole"] is True


async def test_what_is_secret_is_for_its_owner_alone(told: dict[str, Path], tmp_path: Path) -> None:
    files = [file for file in (tmp_path / "provided").rglob("*") if file.is_file()]

    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "provided").stat().st_mode) == 0o700
    assert told.keys() == set(USERS)


async def test_the_second_time_nothing_is_changed(
    provision: Provision, told: dict[str, Path], addresses: dict[str, str], tmp_path: Path
) -> None:
    before = _everything(addresses, tmp_path)

    status, said = await provision()

    assert status == WELL
    assert all(str(folder) in said for folder in told.values())
    assert _everything(addresses, tmp_path) == before


async def test_what_was_changed_by_hand_is_put_right(
    provision: Provision, told: dict[str, Path], addresses: dict[str, str], tmp_path: Path
) -> None:
    before = _everything(addresses, tmp_path)
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    _managed(addresses, "PUT", "permissions/wardgate/auth", everything)
    _managed(addresses, "DELETE", "users/policy")
    with pymongo.MongoClient[dict[str, Any]](addresses["MONGODB_ADMIN_URL"]) as client:
        client[f"{PREFIX}auth"].command("grantRolesToUser", "auth", roles=["dbOwner"])

    status, _ = await provision()

    assert status == WELL
    assert _everything(addresses, tmp_path) == before
    assert told.keys() == set(USERS)


async def test_where_the_passwords_were_lost_new_ones_are_made_and_work(provision: Provision, tmp_path: Path) -> None:
    await provision()
    (tmp_path / "provided").rename(tmp_path / "lost")

    status, _ = await provision()

    lost, found = (
        (tmp_path / folder / "for" / "policy" / "rabbitmq_url").read_text() for folder in ("lost", "provided")
    )
    assert status == WELL
    assert lost != found
    async with await aio_pika.connect(found) as connection:
        assert not connection.is_closed


@pytest.mark.parametrize("server", ["RABBITMQ_ADMIN_URL", "RABBITMQ_MANAGEMENT_URL", "MONGODB_ADMIN_URL"])
async def test_a_server_that_does_not_answer_is_named(
    provision: Provision, addresses: dict[str, str], server: str
) -> None:
    at = f"{LOOPBACK}:{free_port()}"

    status, said = await provision(**{server: addresses[server].replace(place(addresses[server]), at)})

    assert status == NOT_ASKED
    assert f"at {at} does not answer" in said
    assert len(said.splitlines()) == 1


async def test_who_may_not_make_users_on_the_broker_is_told_what_he_lacks(
    provision: Provision, addresses: dict[str, str]
) -> None:
    at = place(addresses["RABBITMQ_ADMIN_URL"])

    for user, password in ((NOBODY, addresses["NOBODYS_PASSWORD"]), (ADMINISTRATOR, "wrong-password")):
        status, said = await provision(RABBITMQ_ADMIN_URL=f"amqp://{user}:{password}@{at}/wardgate")

        assert status == AMISS
        assert f"the password of {user} is wrong, or he has not the tag `administrator`" in said


async def test_who_may_not_make_users_in_the_database_is_told_what_he_lacks(
    provision: Provision, guarded_servers: Stack, told: dict[str, Path]
) -> None:
    status, said = await provision(MONGODB_ADMIN_URL=(told[Service.AUTH] / "mongodb_url").read_text())
    assert (status, "the role userAdminAnyDatabase lets him" in said) == (AMISS, True)

    password = urlsplit(guarded_servers.mongodb_url).password or ""
    status, said = await provision(MONGODB_ADMIN_URL=guarded_servers.mongodb_url.replace(password, "wrong-password"))
    assert (status, "user or password is wrong" in said) == (AMISS, True)


async def test_a_folder_that_cannot_be_written_is_named(provision: Provision) -> None:
    status, said = await provision("--to", "/proc/provided")

    assert status == 2
    assert "/proc/provided" in said


async def test_a_user_of_another_application_keeps_his_password(
    provision: Provision, addresses: dict[str, str], tmp_path: Path
) -> None:
    await provision()
    elsewhere = "permissions/%2F/auth"
    _managed(addresses, "PUT", "users/auth", {"password": "of another application", "tags": ""})
    _managed(addresses, "PUT", elsewhere, dict.fromkeys(("configure", "write", "read"), ".*"))
    before = _everything(addresses, tmp_path)

    status, said = await provision()

    assert status == AMISS
    assert "has a user auth already" in said
    assert _everything(addresses, tmp_path) == before
    _managed(addresses, "DELETE", elsewhere)
    assert (await provision()).status == WELL


async def test_a_database_without_transactions_is_refused_before_anything_is_made(
    provision: Provision, addresses: dict[str, str], single: str
) -> None:
    before = _definitions(addresses)

    status, said = await provision(MONGODB_ADMIN_URL=single)

    assert status == AMISS
    assert f"MongoDB at {place(single)} is no replica set" in said
    assert _definitions(addresses) == before
    with pymongo.MongoClient[dict[str, Any]](single) as client:
        assert client.admin.command({"usersInfo": {"forAllDBs": True}})["users"] == []


def _everything(addresses: dict[str, str], folder: Path) -> dict[str, Any]:
    """All that the administrators see, and all that is kept."""
    with pymongo.MongoClient[dict[str, Any]](addresses["MONGODB_ADMIN_URL"]) as client:
        users = client.admin.command({"usersInfo": {"forAllDBs": True}})["users"]
    return {
        "broker": _definitions(addresses),
        "database": [user for user in users if user["db"].startswith(PREFIX)],
        "files": {str(file): file.read_text() for file in folder.rglob("*") if file.is_file()},
    }


def _definitions(addresses: dict[str, str]) -> dict[str, Any]:
    found = _managed(addresses, "GET", "definitions").json()
    return {name: sorted(told, key=str) if isinstance(told, list) else told for name, told in found.items()}


def _managed(addresses: dict[str, str], method: str, path: str, told: dict[str, str] | None = None) -> httpx.Response:
    administrator = urlsplit(addresses["RABBITMQ_ADMIN_URL"])
    signed = httpx.BasicAuth(administrator.username or "", administrator.password or "")
    url = f"{addresses['RABBITMQ_MANAGEMENT_URL']}/api/{path}"
    return httpx.request(method, url, json=told, auth=signed).raise_for_status()
