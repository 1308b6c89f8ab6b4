"""What is counted: what operators ask for, and nothing that grows with those who come."""

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.auth.cores import Cores
from shared.contracts.auth import LoginFailed, VerifyPassword
from shared.contracts.enrollment import EnrollmentRejected, OtpRejected
from shared.contracts.message import Event
from shared.contracts.policy import AccessGranted
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import AuthenticatorType, CodeFailure, LoginFailure
from shared.runtime.caller import Caller
from shared.runtime.clock import now
from shared.runtime.messaging import RabbitMessenger, Unreachable
from shared.runtime.metrics import count_told
from tests.examples import ADA, FLOW, NOON, messages

LOGINS, REJECTED = "wardgate_logins_total", "wardgate_codes_rejected_total"
AT = {"occurred_at": NOON, "flow_id": FLOW}
TOTP = AuthenticatorType.TOTP


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        (messages()[AccessGranted.topic], LOGINS, {"outcome": "granted"}),
        *((LoginFailed(**AT, reason=reason), LOGINS, {"outcome": reason}) for reason in LoginFailure),
        (RequestRefused(**AT, code=RefusalCode.ACCESS_DENIED, detail="No."), LOGINS, {"outcome": "denied"}),
        *(
            (
                OtpRejected(**AT, **dict(ADA.named), method=TOTP, reason=reason),
                REJECTED,
                {"step": "login", "reason": reason},
            )
            for reason in CodeFailure
        ),
        *(
            (
                EnrollmentRejected(**AT, **dict(ADA.named), reason=reason),
                REJECTED,
                {"step": "enrollment", "reason": reason},
            )
            for reason in CodeFailure
        ),
        *(
            (RequestRefused(**AT, code=code, detail="No."), "wardgate_refusals_total", {"code": code})
            for code in RefusalCode
        ),
    ],
)
def test_how_a_login_ended_and_why_a_code_failed_is_counted(event: Event, name: str, labels: dict[str, str]) -> None:
    before = counted(name, **labels)

    count_told(event)

    assert counted(name, **labels) == before + 1


def test_no_label_holds_what_a_stranger_can_choose() -> None:
    for event in messages().values():
        if isinstance(event, Event):
            count_told(event)

    ours = [metric for metric in REGISTRY.collect() if metric.name.startswith("wardgate_")]
    names = {label for metric in ours for sample in metric.samples for label in sample.labels}

    assert names <= {"topic", "outcome", "reason", "step", "code", "collection", "le"}


async def test_a_question_that_nobody_can_answer_is_counted() -> None:
    caller = Caller(RabbitMessenger(), now, patience=timedelta(seconds=1))
    labels = {"topic": VerifyPassword.topic}
    before = counted("wardgate_unanswered_total", **labels)

    with pytest.raises(Unreachable):
        await caller.ask(VerifyPassword(flow_id=FLOW, username="ada", password="sealed"), FLOW)

    assert counted("wardgate_unanswered_total", **labels) == before + 1


async def test_passwords_that_wait_for_a_core_are_counted() -> None:
    seen: list[float] = []
    cores = Cores(1)

    def look() -> None:
        seen.append(counted("wardgate_hashing_waiting"))

    await asyncio.gather(*(cores.run(look) for _ in range(3)))

    assert seen[0] >= 1
    assert counted("wardgate_hashing_waiting") == 0
