"""How the system is: what a sample of it says, in sentences, for people and for programs."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ops.sample import Queue, Sample
from ops.traffic import services
from shared.contracts.readiness import InstanceReported
from shared.contracts.vocabulary import Service
from shared.runtime import topology

OVERDUE = 60.0
"""Seconds after which an event that waits to be told is a problem: the relay sweeps every few."""


def problems(sample: Sample) -> list[str]:
    """What needs a person; nothing where all is well."""
    return [*_of_services(sample), *_of_queues(sample)]


def parked(sample: Sample) -> int:
    """How many messages are parked."""
    depth = sample.depths.get(Queue(topology.PARKED))
    return 0 if depth is None else depth.waiting


def told(sample: Sample, earlier: Sample | None = None) -> dict[str, Any]:
    """Everything, for programs."""
    found = problems(sample)
    return {
        "at": sample.at.isoformat(),
        "well": not found,
        "problems": found,
        "services": [_service(sample, service) for service in services()],
        "queues": queues_told(sample, earlier),
        "parked": parked(sample),
        "outbox_seconds": max((each.untold_seconds for each in sample.instances), default=0.0),
    }


def queues_told(sample: Sample, earlier: Sample | None = None) -> list[dict[str, Any]]:
    """The queues, for programs; `read_per_second` is what their readers have read since the sample before."""
    return [
        {
            "queue": queue.name,
            "waiting": depth.waiting,
            "consumers": depth.consumers,
            "read_per_second": None if earlier is None else _rounded(sample.read_since(earlier, queue)),
        }
        for queue, depth in sample.depths.items()
    ]


def name_of(instance: InstanceReported) -> str:
    """What an operator can find a process by."""
    return f"{instance.host}:{instance.pid}"


def _service(sample: Sample, service: Service) -> dict[str, Any]:
    return {
        "service": service,
        "silent_instances": sample.silent(service),
        "instances": [_instance(each, sample.at) for each in sample.of(service)],
    }


def _instance(instance: InstanceReported, at: datetime) -> dict[str, Any]:
    return {
        "name": name_of(instance),
        "version": instance.version,
        "ready": not instance.missing,
        "missing": list(instance.missing),
        "up_seconds": round((at - instance.started_at).total_seconds()),
        "outbox_seconds": round(instance.untold_seconds, 1),
    }


def _of_services(sample: Sample) -> Iterator[str]:
    for service in services():
        instances, silent = sample.of(service), sample.silent(service)
        if silent:
            yield f"{service}: {silent} of {silent + len(instances)} instances do not answer"
        elif not instances:
            yield f"{service}: no instance runs"
        for instance in instances:
            if instance.missing:
                yield f"{service} {name_of(instance)} waits for {', '.join(instance.missing)}"
            if instance.untold_seconds > OVERDUE:
                yield f"{service} {name_of(instance)} has waited {instance.untold_seconds:.0f} s to tell its events"
    versions = {instance.version for instance in sample.instances}
    if len(versions) > 1:
        yield f"versions differ: {', '.join(sorted(versions))}"


def _of_queues(sample: Sample) -> Iterator[str]:
    for queue, depth in sample.depths.items():
        if queue.reader is not None and depth.waiting and not depth.consumers:
            yield f"{queue.name}: {depth.waiting:,} messages and no reader"
    if waiting := parked(sample):
        yield f"{waiting:,} messages are parked: `wardgate parked list`"


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)
