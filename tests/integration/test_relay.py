"""What a process has committed before it died is told by the instances that live."""

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.contracts.auth import UserCreated
from shared.contracts.enrollment import RecoveryCodeUsed
from shared.contracts.message import Event
from shared.contracts.policy import EnforcementChanged
from shared.contracts.vocabulary import Service
from shared.runtime.clock import now
from shared.runtime.mongo import Mongo
from shared.runtime.outbox import Outbox
from tests.broker import Broker
from tests.examples import messages, somebody
from tests.fakes import FakeMessenger, ToldClock
from tests.system import System


@pytest.mark.parametrize(
    ("service", "collection", "kind"),
    [
        (Service.AUTH, "users", UserCreated),
        (Service.POLICY, "tenants", EnforcementChanged),
        (Service.ENROLLMENT, "users", RecoveryCodeUsed),
    ],
)
async def test_what_a_dead_instance_has_committed_is_told_by_a_living_one(
    system: System, service: Service, collection: str, kind: type[Event]
) -> None:
    mongo = Mongo(system.servers.mongodb_url)
    kept = mongo.database(f"{system.prefix}{service}")[collection]
    a_minute_ago = ToldClock(now() - timedelta(minutes=1))
    dead = Outbox(kept, FakeMessenger(), a_minute_ago)
    nobody = somebody()
    told = messages()[kind.topic].model_copy(update={"id": uuid4(), "tenant_id": nobody.tenant_id})
    assert isinstance(told, Event)

    async with Broker.at(system.servers.rabbitmq_url) as broker, broker.hearing(kind.topic) as heard:
        await kept.update_one({"_id": nobody.user_id}, dead.entries(told), upsert=True)
        found = await heard.next()
    await system.settled()
    left = await kept.find_one({"_id": nobody.user_id})
    await kept.delete_one({"_id": nobody.user_id})
    await mongo.close()

    assert kind.model_validate_json(found.body) == told
    assert left == {"_id": nobody.user_id}
