"""What an administrator finds in the audit trail after a person came by."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ops.audit import examine, following
from services.audit.domain.record import Record, canonical
from services.audit.store import Store
from shared.contracts.vocabulary import Service
from shared.runtime.clock import now
from shared.runtime.mongo import Mongo
from tests.e2e.conftest import Browsers, Enrolling
from tests.examples import CUSTOMER, RESELLER, VENDOR, Person, somebody
from tests.system import System


@pytest.fixture
async def trail(system: System) -> AsyncIterator[Store]:
    mongo = Mongo(system.servers.mongodb_url)
    yield Store(mongo.database(f"{system.prefix}{Service.AUDIT}"))
    await mongo.close()


async def recorded(trail: Store, person: Person, until: str) -> list[Record]:
    """What is recorded of somebody, up to the first record of this topic; an account that comes to be is apart."""
    records = []
    async with asyncio.timeout(20):
        async for record in following(trail, {}, now() - timedelta(minutes=10), user_id=person.user_id):
            if record["topic"] != "user.created.v1":
                records.append(record)
            if record["topic"] == until:
                break
    return records


async def test_the_trail_tells_every_step_of_a_person_once_in_one_chain_and_no_secret(
    browser: Browsers, trail: Store, enrolled: Enrolling
) -> None:
    ada = somebody(CUSTOMER, display_name="Ada Lovelace")

    hers = await enrolled(ada)
    later = browser()
    await later.login(ada)
    await later.otp(hers.app.wrong_code())
    code = hers.app.next_code()
    await later.otp(code)
    await later.logout()
    records = await recorded(trail, ada, "session.ended.v1")

    assert [record["topic"].removesuffix(".v1") for record in records] == [
        "login.succeeded",
        "enrollment.required",
        "enrollment.started",
        "enrollment.confirmed",
        "access.granted",
        "session.started",
        "login.succeeded",
        "otp.required",
        "otp.rejected",
        "otp.verified",
        "access.granted",
        "session.started",
        "session.ended",
    ]
    assert {record["root"] for record in records} == {VENDOR}
    granted = records[-3]["content"]
    assert (granted["amr"], granted["assurance"]) == (["pwd", "otp"], 2)
    assert [link["tenant_id"] for link in granted["chain"]] == [CUSTOMER, RESELLER]
    written = b"".join(canonical(record) for record in records).decode()
    secrets = (ada.password, *hers.recovery_codes, "otpauth", "<svg")
    assert [secret for secret in secrets if secret in written] == []
    assert [damage for chain in await examine(trail, []) for damage in chain.damages] == []


async def test_events_are_recorded_when_the_instance_that_reads_them_is_killed(
    system: System, browser: Browsers, trail: Store, enrolled: Enrolling
) -> None:
    bob = somebody(CUSTOMER)
    hers = await enrolled(bob)

    for instance in system.of(Service.AUDIT):
        instance.kill()
    late = browser()
    await late.login(bob)
    signed_in = await late.otp(hers.app.next_code())
    await late.logout()
    await system.start()
    records = await recorded(trail, bob, "session.ended.v1")

    assert signed_in.said == (200, "authenticated")
    assert [record["topic"] for record in records].count("access.granted.v1") == 2
    assert len({record["id"] for record in records}) == len(records)
    assert [damage for chain in await examine(trail, []) for damage in chain.damages] == []
