"""Readiness: whether everything behind the gateway answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

from fastapi import APIRouter, Response, status
from pydantic import BaseModel

from shared.contracts.message import Command
from shared.contracts.readiness import (
    ReadinessReported,
    ReportAuthReadiness,
    ReportEnrollmentReadiness,
    ReportPolicyReadiness,
)
from shared.contracts.vocabulary import FlowId
from shared.runtime.caller import Asks
from shared.runtime.messaging import Unreachable

_PATIENCE = timedelta(seconds=2)
_REPORTS = (ReportAuthReadiness, ReportPolicyReadiness, ReportEnrollmentReadiness)


class Readiness(BaseModel):
    """What does not answer; nothing when all do."""

    missing: list[str]


def routes(caller: Asks, missing_here: Callable[[], Awaitable[tuple[str, ...]]]) -> APIRouter:
    """`/readyz`."""
    router = APIRouter(tags=["health"])

    @router.get("/readyz", responses={503: {"model": Readiness, "description": "Something is missing"}})
    async def readyz(response: Response) -> Readiness:
        """Whether logins can be served: the gateway's own servers, and each service through the broker."""
        here, *elsewhere = await asyncio.gather(missing_here(), *(_missing_at(caller, report) for report in _REPORTS))
        missing = [*here, *(name for names in elsewhere for name in names)]
        if missing:
            response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Readiness(missing=missing)

    return router


async def _missing_at(caller: Asks, report: type[Command]) -> tuple[str, ...]:
    flow_id = FlowId(str(uuid4()))
    try:
        answer = await caller.ask(report.model_validate({"flow_id": flow_id}), flow_id, _PATIENCE)
    except Unreachable:
        return (report.to,)
    if not isinstance(answer, ReadinessReported):
        return (report.to,)
    return tuple(f"{report.to}: {name}" for name in answer.missing)
