"""What is measured on real servers: how messages fare, and how long an event waits to be told."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from shared.contracts.auth import VerifyPassword
from shared.contracts.policy import EnforcementChanged, OtpRequired
from shared.contracts.vocabulary import Service
from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import Database
from shared.runtime.outbox import Outbox
from shared.runtime.router import Router
from shared.runtime.settings import Keyholder
from tests.broker import Broker
from tests.examples import ADA, FLOW, NOON, messages
from tests.fakes import FakeMessenger, ToldClock
from tests.serving import serving

ASKED = {"topic": VerifyPassword.topic}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_each_message_is_counted_and_timed_and_so_is_who_waits_for_the_answer(
    broker: Broker, settings: Keyholder
) -> None:
    router = Router(Service.AUTH)

    @router.does(VerifyPassword)
    async def answer(command: VerifyPassword) -> OtpRequired:
        return OtpRequired(occurred_at=NOON, flow_id=command.flow_id, **dict(ADA.named))

    names = ("wardgate_message_seconds_count", "wardgate_answer_seconds_count")
    before = [counted(name, **ASKED) for name in names]
    done = counted("wardgate_messages_total", **ASKED, outcome="done")
    async with serving(router, settings=settings) as wire:
        await wire.ask(VerifyPassword(flow_id=FLOW, username="ada", password="sealed"), FLOW)
        await wire.messenger.close()  # the service has acknowledged before it is gone

    assert [counted(name, **ASKED) for name in names] == [count + 1 for count in before]
    assert counted("wardgate_messages_total", **ASKED, outcome="done") == done + 1
    assert await broker.count(f"auth.{VerifyPassword.topic}") == 0


async def test_the_age_of_an_outbox_is_that_of_the_oldest_event_that_waits(mongo_database: Database) -> None:
    clock, messenger = ToldClock(NOON), FakeMessenger()
    tenants = mongo_database["tenants"]
    outbox = Outbox(tenants, messenger, clock)
    await outbox.prepare()
    event = messages()[EnforcementChanged.topic]
    assert isinstance(event, EnforcementChanged)
    for name in ("one", "other"):
        await tenants.update_one({"_id": name}, outbox.entries(event), upsert=True)
        clock.pass_by(timedelta(seconds=30))

    messenger.is_away = True
    with pytest.raises(Unreachable):
        await outbox.sweep()
    assert outbox.age() == 60

    messenger.is_away = False
    while await outbox.sweep():
        pass
    assert outbox.age() == 0
