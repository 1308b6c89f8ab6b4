"""What an operator sees of the whole system: every instance, every queue, every metric."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.exits import AMISS
from ops.services import services
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime.topology import PARKED
from tests.broker import Broker
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import somebody
from tests.system import System

Wardgate = Callable[..., Awaitable[tuple[int, Any]]]

METRICS = {
    Service.GATEWAY: ("wardgate_answer_seconds_bucket", "wardgate_waiting_requests", "wardgate_late_answers_total"),
    Service.AUTH: ('wardgate_logins_total{outcome="wrong_password"}', "wardgate_hashing_waiting"),
    Service.POLICY: ('wardgate_logins_total{outcome="granted"}', "wardgate_outbox_age_seconds"),
    Service.ENROLLMENT: ('wardgate_codes_rejected_total{reason="wrong",step="login"}',),
    Service.AUDIT: ('wardgate_message_seconds_count{topic="everything"}',),
}


@pytest.fixture
def wardgate(system: System) -> Wardgate:
    """Runs `wardgate` with these words and `--json`: the exit status, and what it said."""
    environment = {**system.servers.access(OPERATOR, system.prefix).environment, "SEALING_PUBLIC_KEYS": "{}"}

    async def run(*words: str) -> tuple[int, Any]:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--json"], env=environment)
        return result.exit_code, json.loads(result.stdout)

    return run


async def test_every_instance_of_every_service_answers(system: System, wardgate: Wardgate) -> None:
    async with Broker.at(system.servers.rabbitmq_url) as broker:
        await broker.take(PARKED)  # what other tests have parked is not amiss here

    status, said = await wardgate("status")

    assert (status, said["problems"]) == (0, [])
    found = {service["service"]: len(service["instances"]) for service in said["services"]}
    assert found == {name: len(system.of(Service(name))) for name in services()}
    pids = {each["name"].rpartition(":")[2] for service in said["services"] for each in service["instances"]}
    assert pids == {str(instance.child.pid) for instance in system.instances}


async def test_an_instance_that_hangs_is_missed(system: System, wardgate: Wardgate) -> None:
    async with system.of(Service.AUTH)[0].frozen():
        status, said = await wardgate("status")

    assert status == AMISS
    assert "auth: 1 of 2 instances do not answer" in said["problems"]


async def test_every_queue_has_a_reader_and_what_is_read_is_seen(wardgate: Wardgate, enrolled: Enrolling) -> None:
    async def visit() -> None:
        for _ in range(3):
            await enrolled(somebody())

    (status, queues), _ = await asyncio.gather(wardgate("queues"), visit())

    assert status == 0
    readers = {each["queue"]: each["consumers"] for each in queues if not each["queue"].startswith("wardgate.")}
    assert readers.pop("audit.events") >= 1, "one reads, the other stands by"
    assert set(readers.values()) == {2}
    assert sum(queue["read_per_second"] or 0 for queue in queues) > 0


async def test_every_service_has_its_metrics(system: System, enrolled: Enrolling, browser: Browsers) -> None:
    ada = await enrolled(somebody())
    await browser().login(replace(ada.person, password="wrong"))
    await ada.browser.login(ada.person)
    await ada.browser.otp(ada.app.wrong_code())

    async with httpx.AsyncClient() as client:
        for service, names in METRICS.items():
            said = "".join([(await client.get(f"{each.url}/metrics")).text for each in system.of(service)])
            assert [name for name in names if name not in said] == []
