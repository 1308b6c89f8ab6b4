"""The audit service on real servers: killed at its worst moments, examined and shown from the command line."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from ops.audit import app, examine, following
from ops.checkout import ROOT
from ops.exits import AMISS, NOT_ASKED
from ops.secret_files import tell
from ops.stack import Stack
from services.audit.handlers import handlers
from services.audit.store import Store
from shared.contracts.auth import LoginFailed, LoginSucceeded
from shared.contracts.message import MessageId
from shared.contracts.readiness import ReadinessReported
from shared.contracts.vocabulary import FlowId, LoginFailure, Service
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.mongo import Mongo
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.examples import ADA, BOB, FLOW, NOON, Person
from tests.serving import serving

DEATHS = 6
LAST = 1_500


def failed(flow: str) -> LoginFailed:
    return LoginFailed(occurred_at=NOON, flow_id=FlowId(flow), reason=LoginFailure.UNKNOWN_USER)


def login(person: Person = ADA) -> LoginSucceeded:
    return LoginSucceeded(
        id=MessageId(uuid4()),
        occurred_at=NOON,
        flow_id=FLOW,
        **dict(person.named),
        username=person.username,
        display_name=person.display_name,
    )


def audit_of(mongo: Mongo, prefix: str) -> Store:
    return Store(mongo.database(f"{prefix}{Service.AUDIT}"))


@pytest.fixture
async def trail(mongos: dict[str, Mongo], database_prefix: str) -> Store:
    store = audit_of(mongos["motor"], database_prefix)
    await store.prepare()
    return store


@asynccontextmanager
async def mortal_audit(servers: Stack, prefix: str) -> AsyncIterator[asyncio.StreamReader]:
    arguments = (servers.rabbitmq_url, servers.mongodb_url, prefix, str(DEATHS))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.services.audit_killed", *arguments),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "."},
        stdout=PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_service_that_is_killed_again_and_again_loses_no_event_and_writes_none_twice(
    broker: Broker, servers: Stack, trail: Store, database_prefix: str
) -> None:
    told = [failed(str(number)) for number in range(LAST)]

    async with asyncio.timeout(90), mortal_audit(servers, database_prefix) as said:
        await asyncio.gather(*(broker.send(event) for event in (*told, *told)))
        lines = [await said.readline()]
        while lines[-1] != f"written {LAST}\n".encode():
            lines.append(await said.readline())
        records = [record["id"] async for record in trail.chains()]
        [chain] = await examine(trail, [])

    assert lines.count(b"died of signal 9\n") == DEATHS
    assert sorted(records) == sorted(event.id for event in told)
    assert (chain.records, chain.damages) == (LAST, ())


async def test_two_instances_of_the_service_write_each_event_once(
    broker: Broker, settings: Keyholder, mongos: dict[str, Mongo], database_prefix: str, trail: Store
) -> None:
    told = [failed(str(number)) for number in range(300)]
    instances = [handlers(audit_of(mongos[driver], database_prefix), lambda: NOON) for driver in ("motor", "pymongo")]

    async with serving(*instances, settings=settings):
        await asyncio.gather(*(broker.send(event) for event in (*told, *told)))
        async with asyncio.timeout(20):
            while sum(head.count for head in (await trail.heads()).values()) < len(told):  # noqa: ASYNC110 - the database says so
                await asyncio.sleep(0)

    assert sorted([record["id"] async for record in trail.chains()]) == sorted(event.id for event in told)


async def test_what_was_told_before_the_service_was_ever_started_is_recorded(
    broker: Broker, settings: Keyholder, trail: Store
) -> None:
    event = failed("the first of all")
    async with serving(settings=settings) as wire:
        await wire.send(Letter.of(event, Envelope(FLOW)))

    async with serving(handlers(trail, lambda: NOON), settings=settings), asyncio.timeout(20):
        while not (records := await trail.latest(1)):  # noqa: ASYNC110 - the database says so
            await asyncio.sleep(0)

    assert [record["id"] for record in records] == [event.id]
    assert await broker.count("audit.events") == 0


async def test_what_says_nothing_of_anybody_is_not_written(trail: Store) -> None:
    record = handlers(trail, lambda: NOON).everything
    assert record is not None

    await record([ReadinessReported(occurred_at=NOON, flow_id=FLOW, service=Service.AUTH)])

    assert await trail.heads() == {}


async def test_who_follows_the_trail_sees_each_record_once(trail: Store) -> None:
    await trail.record([before := login()], NOON)
    seen = {record["id"]: record["recorded_at"] for record in await trail.latest(1)}
    watching = following(trail, seen, NOON)

    await trail.record([one := login(), other := login(BOB)], NOON)
    async with asyncio.timeout(10):
        shown = [(await anext(watching))["id"], (await anext(watching))["id"]]
    await watching.aclose()

    assert shown == [one.id, other.id]
    assert before.id not in shown


@pytest.fixture
def written(servers: Stack, database_prefix: str, monkeypatch: pytest.MonkeyPatch) -> list[LoginSucceeded]:
    """Two logins on record, in the system that the environment names."""
    told = [login(ADA), login(BOB)]

    async def write() -> None:
        mongo = Mongo(servers.mongodb_url)
        store = audit_of(mongo, database_prefix)
        await store.prepare()
        await store.record(told, NOON)
        await mongo.close()

    asyncio.run(write())
    monkeypatch.setenv("MONGODB_URL", servers.mongodb_url)
    monkeypatch.setenv("MONGODB_PREFIX", database_prefix)
    return told


def tamper(servers: Stack, prefix: str, **fields: str) -> None:
    async def write() -> None:
        mongo = Mongo(servers.mongodb_url)
        records = mongo.database(f"{prefix}{Service.AUDIT}")["records"]
        await records.update_one({"sequence": 2}, {"$set": fields or {"content.display_name": "Mallory"}})
        await mongo.close()

    asyncio.run(write())


@pytest.mark.usefixtures("written")
def test_verify_says_that_the_trail_is_whole() -> None:
    result = CliRunner().invoke(app, ["verify"])

    assert result.exit_code == 0
    assert "whole" in result.stdout


@pytest.mark.usefixtures("written")
def test_the_trail_is_found_by_what_the_operator_is_told_in_files(
    servers: Stack, database_prefix: str, tmp_path: Path
) -> None:
    tell(tmp_path, {"MONGODB_URL": servers.mongodb_url, "MONGODB_PREFIX": database_prefix})
    told = {"SECRETS_DIR": str(tmp_path), "MONGODB_URL": None, "MONGODB_PREFIX": None}

    result = CliRunner().invoke(app, ["verify", "--json"], env=told)

    assert json.loads(result.stdout)["records"] == 2


def test_verify_says_which_record_is_damaged(
    servers: Stack, database_prefix: str, written: list[LoginSucceeded]
) -> None:
    tamper(servers, database_prefix)

    result = CliRunner().invoke(app, ["verify"])
    for_programs = json.loads(CliRunner().invoke(app, ["verify", "--json"]).stdout)

    assert result.exit_code == AMISS
    assert f"-: changed: record 2 is not as it was written (event {written[1].id})" in result.stdout
    assert not for_programs["whole"]
    assert [damage["record"] for damage in for_programs["damages"]] == [str(written[1].id)]


@pytest.mark.usefixtures("written")
def test_an_account_whose_name_is_markup_is_shown_as_it_is_called(servers: Stack, database_prefix: str) -> None:
    tamper(servers, database_prefix, root="[/red]")

    result = CliRunner().invoke(app, ["verify"])

    assert result.exit_code == AMISS
    assert "│ [/red]" in result.stdout


@pytest.mark.usefixtures("written")
def test_what_verify_said_is_what_it_is_held_against_later(tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(CliRunner().invoke(app, ["verify", "--json"]).stdout)

    same = CliRunner().invoke(app, ["verify", "--heads", str(kept)])
    kept.write_text(kept.read_text().replace('"count": 2', '"count": 3'))
    shorter = CliRunner().invoke(app, ["verify", "--heads", str(kept)])

    assert same.exit_code == 0
    assert shorter.exit_code == AMISS
    assert "record 3 is missing" in shorter.stdout


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("text", ["no JSON", "[]", '{"heads": [{"root": 1}]}'])
def test_what_cannot_be_examined_is_not_called_damaged(tmp_path: Path, text: str) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(text)

    result = CliRunner().invoke(app, ["verify", "--heads", str(kept)])

    assert result.exit_code == NOT_ASKED
    assert "could not be examined" in result.stderr


def test_tail_shows_what_was_recorded_last_of_one_user_or_of_all(written: list[LoginSucceeded]) -> None:
    everything = CliRunner().invoke(app, ["tail", "--json"]).stdout
    of_bob = CliRunner().invoke(app, ["tail", "--json", "--user", BOB.username.upper()]).stdout
    of_adas_account = CliRunner().invoke(app, ["tail", "--tenant", ADA.tenant_id]).stdout

    assert [json.loads(line)["id"] for line in everything.splitlines()] == [str(event.id) for event in written]
    assert [json.loads(line)["id"] for line in of_bob.splitlines()] == [str(written[1].id)]
    assert "login.succeeded.v1" in of_adas_account
    assert ADA.username in of_adas_account
    assert BOB.username not in of_adas_account
