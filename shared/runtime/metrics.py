"""What is counted, with labels that cannot grow without bound: topics, outcomes and reasons, never who or what.

Finding the child of a label costs more than counting on it, so that whoever counts often finds his children once.
"""

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

from shared.contracts.auth import LoginFailed
from shared.contracts.enrollment import EnrollmentRejected, OtpRejected
from shared.contracts.message import Event
from shared.contracts.policy import AccessGranted
from shared.contracts.refusals import RefusalCode, RequestRefused
from shared.contracts.vocabulary import CodeFailure, LoginFailure

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Seconds: what one step of a login may take, from a write to a hash that waits for a core."""

MESSAGES = Counter("wardgate_messages_total", "Messages consumed, by what became of them.", ["topic", "outcome"])
MESSAGE_SECONDS = Histogram(
    "wardgate_message_seconds",
    "From a message's arrival in this process to its acknowledgement; of `everything`, a whole batch.",
    ["topic"],
    buckets=_FAST,
)
ANSWER_SECONDS = Histogram(
    "wardgate_answer_seconds", "From a question to its answer, as whoever asked it waited.", ["topic"], buckets=_FAST
)
UNANSWERED = Counter(
    "wardgate_unanswered_total", "Questions that had no answer in time, or could have none.", ["topic"]
)
LATE_ANSWERS = Counter("wardgate_late_answers_total", "Answers that came when nobody waited for them any more.")
FORGED_ANSWERS = Counter("wardgate_forged_answers_total", "Answers by somebody who may not give them; passed over.")
WAITING = Gauge("wardgate_waiting_requests", "Requests of browsers that wait for an answer in this process.")
OUTBOX_AGE = Gauge(
    "wardgate_outbox_age_seconds",
    "How long the oldest event has waited to be told; 0 where none waits.",
    ["collection"],
)
BROKER_LACKS = Gauge(
    "wardgate_broker_lacks", "Exchanges and queues that this process needs and did not find when it looked last."
)
HASHING = Gauge("wardgate_hashing_waiting", "Passwords that are being hashed or wait for a core.")

LOGINS = Counter(
    "wardgate_logins_total", "Logins that ended: granted, denied by policy, or failed at the password.", ["outcome"]
)
CODES_REJECTED = Counter("wardgate_codes_rejected_total", "Codes that were not accepted.", ["step", "reason"])
REFUSALS = Counter("wardgate_refusals_total", "Requests that were refused.", ["code"])

_GRANTED, _DENIED = LOGINS.labels("granted"), LOGINS.labels("denied")
_FAILED = {reason: LOGINS.labels(reason) for reason in LoginFailure}
_REJECTED_AT_LOGIN = {reason: CODES_REJECTED.labels("login", reason) for reason in CodeFailure}
_REJECTED_AT_ENROLLMENT = {reason: CODES_REJECTED.labels("enrollment", reason) for reason in CodeFailure}
_REFUSED = {code: REFUSALS.labels(code) for code in RefusalCode}


def consumed() -> dict[str, int]:
    """How many messages of each topic this process has read, whatever became of them."""
    read = Tally[str]()
    for metric in MESSAGES.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                read[sample.labels["topic"]] += int(sample.value)
    return dict(read)


def count_told(event: Event) -> None:
    """Count what is being told, where an operator has to know how often it is."""
    match event:
        case AccessGranted():
            _GRANTED.inc()
        case LoginFailed():
            _FAILED[event.reason].inc()
        case OtpRejected():
            _REJECTED_AT_LOGIN[event.reason].inc()
        case EnrollmentRejected():
            _REJECTED_AT_ENROLLMENT[event.reason].inc()
        case RequestRefused():
            _REFUSED[event.code].inc()
            if event.code is RefusalCode.ACCESS_DENIED:
                _DENIED.inc()
        case _:
            pass
