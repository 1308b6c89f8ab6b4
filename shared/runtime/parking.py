"""Parking: a message that cannot be seen to is laid aside with the reason, for a person to look at."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.runtime import topology
from shared.runtime.messaging import BEGIN_BY, TRACEPARENT, Letter
from shared.runtime.origin import PUBLISHED_BY

TOPIC = "x-topic"
"""The header that says what an event is, where it went through a queue of all events and its routing key is lost."""

BEGUN = "x-begun"
"""The header that says that a message was begun before it was retried or parked: it is finished however late."""

_OWN_HEADERS = ("x-message-id", "x-deadline", BEGIN_BY, "x-attempt", TRACEPARENT, TOPIC, PUBLISHED_BY, BEGUN)
"""What goes on with a message that is retried or parked. `CC` does not, or the broker would copy it again."""
_LONGEST = 255
"""Characters of any of them: none of ours has more. Headers have to fit into one frame, and the broker ends the
connection of whoever sends a longer one: a message that all but fills it could be neither retried nor parked."""


def parked(letter: Letter, queue: str, reason: str, detail: str, at: datetime) -> Letter:
    """The letter that lays `letter`, which came out of `queue`, aside."""
    headers: dict[str, Any] = {
        "x-parked-reason": reason,
        "x-parked-detail": detail,
        "x-parked-queue": queue,
        "x-parked-at": int(at.timestamp() * 1000),
    }
    return Letter(
        exchange=topology.PARKED,
        routing_key=queue,
        body=letter.body,
        correlation_id=letter.correlation_id,
        reply_to=letter.reply_to,
        headers=own(letter.headers) | headers,
        must_arrive=True,
    )


def own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the headers that are a message's own, and of the form that ours have."""
    return {name: headers[name] for name in _OWN_HEADERS if name in headers and _is_short(headers[name])}


def _is_short(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST)


def vouched(headers: Mapping[str, Any], publisher: str | None) -> dict[str, Any]:
    """The headers with which a message goes on that somebody else publishes now: they say who did so first."""
    kept = own(headers)
    kept.pop(PUBLISHED_BY, None)
    return kept if publisher is None else kept | {PUBLISHED_BY: publisher}


def wrong_fields(error: Exception) -> str:
    """The names of the fields that are wrong. The values may be secrets and are not looked at."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    where = [".".join(map(str, e["loc"])) or "body" for e in error.errors(include_input=False, include_url=False)]
    return ", ".join(where[:10])
