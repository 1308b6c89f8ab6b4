"""How the system is, from what its processes and its broker say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.condition import OVERDUE, parked, problems, told
from ops.sample import Depth, Queue, Sample, queues
from ops.traffic import services
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.readiness import InstanceReported, StatusAsked
from shared.contracts.vocabulary import Service
from shared.runtime import topology
from tests.examples import FLOW, NOON

LOGINS = Queue(f"auth.{VerifyPassword.topic}", Service.AUTH, VerifyPassword)
PARKED = Queue(topology.PARKED)


def instance(service: Service, name: str = "one", **differs: Any) -> InstanceReported:
    known = {"host": "host", "pid": 7, "version": "1", "started_at": NOON} | differs
    return InstanceReported(occurred_at=NOON, flow_id=FLOW, service=service, instance=name, **known)


def well() -> Sample:
    depths = {queue: Depth(0, 1 if queue.reader else 0) for queue in queues()}
    return Sample(NOON, tuple(instance(service) for service in services()), depths)


def with_one(changed: InstanceReported) -> Sample:
    others = tuple(each for each in well().instances if each.service is not changed.service)
    return replace(well(), instances=(*others, changed))


def test_nothing_is_wrong_where_every_service_answers_and_every_queue_is_read() -> None:
    assert problems(well()) == []
    assert told(well())["well"] is True


def test_every_work_queue_is_looked_at() -> None:
    named = {queue.name for queue in queues()}

    assert {LOGINS.name, "audit.events", topology.PARKED, topology.RETRY} <= named


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (replace(well(), instances=well().instances[1:], depths={}), "no instance runs"),
        (replace(well(), depths=well().depths | {LOGINS: Depth(0, 3)}), "auth: 2 of 3 instances do not answer"),
        (replace(well(), depths=well().depths | {LOGINS: Depth(9, 0)}), "9 messages and no reader"),
        (replace(well(), depths=well().depths | {PARKED: Depth(2, 0)}), "2 messages are parked"),
        (with_one(instance(Service.AUTH, missing=("mongodb",))), "auth host:7 waits for mongodb"),
        (with_one(instance(Service.AUTH, untold_seconds=OVERDUE + 1)), "has waited 61 s to tell its events"),
        (with_one(instance(Service.AUTH, version="2")), "versions differ: 1, 2"),
    ],
)
def test_whatever_needs_a_person_is_said(sample: Sample, said: str) -> None:
    found = problems(sample)

    assert len(found) == 1
    assert said in found[0]
    assert told(sample)["well"] is False


def test_the_rate_of_a_queue_is_what_the_instances_of_its_reader_have_read() -> None:
    topic = VerifyPassword.topic
    then = replace(well(), instances=(instance(Service.AUTH, "one", consumed={topic: 10}),))
    others = (instance(Service.AUTH, "new", consumed={topic: 5_000}), instance(Service.POLICY, consumed={topic: 9_000}))
    later = replace(
        then, at=NOON + timedelta(seconds=2), instances=(instance(Service.AUTH, "one", consumed={topic: 30}), *others)
    )

    assert later.read_since(then, LOGINS) == 10
    assert later.read_since(then, PARKED) is None


def test_looking_is_not_what_audit_is_busy_with() -> None:
    everything = Queue("audit.events", Service.AUDIT)
    then = replace(well(), instances=(instance(Service.AUDIT),))
    read = {LoginFailed.topic: 4, InstanceReported.topic: 90, StatusAsked.topic: 9, "list-security-events.v1": 7}
    later = replace(then, at=NOON + timedelta(seconds=2), instances=(instance(Service.AUDIT, consumed=read),))

    assert later.read_since(then, everything) == 2


def test_a_broker_without_parked_messages_has_none() -> None:
    assert parked(replace(well(), depths={})) == 0
