"""A parked message: what is known of it, what of it may be shown, and the letter that gives it back to its reader."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError

from shared.contracts.auth import VerifyPassword
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Message
from shared.contracts.seals import sealed_fields
from shared.runtime.messaging import Letter
from shared.runtime.origin import PUBLISHED_BY, publisher
from shared.runtime.parking import BEGUN, TOPIC, vouched

_KINDS: Mapping[str, type[Message]] = {**COMMANDS, **EVENTS}

_UNSURE: Mapping[type[Message], frozenset[str]] = {VerifyPassword: frozenset({"username"})}
"""What is not sealed and yet may be a secret: some type their password as a username."""

_PLAIN = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Content:
    """What a parked message says, as far as anybody may see it."""

    shown: Mapping[str, Any]
    withheld: tuple[str, ...]
    """Fields that are there and not shown: sealed, or of a wrong form."""
    unknown: int
    """How many fields there are besides; not even their names are shown. The whole body counts as one."""


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """One message that was laid aside."""

    id: str
    queue: str
    """Out of which it came, and to which it is given back."""
    topic: str
    reason: str
    """`malformed`, `forged` or `fault`; `undecodable` where none can be read; else the broker's: `delivery_limit`."""
    detail: str
    publisher: str | None
    """Who published it first, as far as whoever parked it can be believed: the one whose queue it came out of can."""
    parked_at: datetime | None
    deadline: datetime | None
    correlation_id: str
    reply_to: str | None
    headers: Mapping[str, Any]
    body: bytes

    @classmethod
    def of(cls, incoming: AbstractIncomingMessage) -> "ParkedMessage":
        """Read what a reader, or the broker, wrote on it when it was parked. Trusts nothing to be of any form."""
        headers: Mapping[str, Any] = incoming.headers
        death = _death(headers)
        queue = _text(headers.get("x-parked-queue")) or _text(death.get("queue"))
        keys = death.get("routing-keys")
        told = _text(keys[0]) if isinstance(keys, list) and keys else ""
        named = [_text(headers.get(TOPIC)), queue.partition(".")[2], told]
        message_id = _text(headers.get("x-message-id"))
        return cls(
            id=message_id or f"body-{hashlib.sha256(incoming.body).hexdigest()[:16]}",
            queue=queue,
            topic=next((name for name in named if name in _KINDS), ""),
            reason=_text(headers.get("x-parked-reason")) or _text(death.get("reason")) or "unknown",
            detail=_text(headers.get("x-parked-detail")),
            publisher=_published_by(incoming.user_id, headers, queue.partition(".")[0]),
            parked_at=_moment(headers.get("x-parked-at")) or _moment(death.get("time")),
            deadline=_moment(headers.get("x-deadline")),
            correlation_id=incoming.correlation_id or "",
            reply_to=incoming.reply_to,
            headers=headers,
            body=incoming.body,
        )

    def is_late(self, now: datetime) -> bool:
        """Whether nobody waits for it any more: its reader would pass it over."""
        kind = _KINDS.get(self.topic, Message)
        is_seen_to = kind.outlasts_its_deadline(is_begun=BEGUN in self.headers)
        return self.deadline is not None and now >= self.deadline and not is_seen_to

    def again(self) -> Letter:
        """The letter that gives it back to its reader, with the same id: what was done already is not done twice."""
        headers = vouched(self.headers, self.publisher)
        if EVENTS.get(self.topic) is not None and self.queue.endswith(".events"):
            headers[TOPIC] = self.topic
        return Letter(
            exchange="",
            routing_key=self.queue,
            body=self.body,
            correlation_id=self.correlation_id,
            reply_to=self.reply_to,
            headers=headers,
            must_arrive=True,
        )

    def content(self) -> Content:
        """What may be shown of the body: fields that are known, of the right form, and not sealed."""
        kind, said = _KINDS.get(self.topic), _object(self.body)
        if kind is None or said is None:
            return Content({}, (), 1)
        secret = sealed_fields(kind) | _UNSURE.get(kind, frozenset())
        try:
            known = kind.model_validate_json(self.body).model_dump(mode="json")
            shown = {name: value for name, value in known.items() if name in said and name not in secret}
        except ValidationError as error:
            wrong = {str(each["loc"][0]) for each in error.errors(include_input=False) if each["loc"]}
            good = said.keys() & kind.model_fields.keys() - wrong - secret
            shown = {name: said[name] for name in kind.model_fields if name in good and isinstance(said[name], _PLAIN)}
        withheld = tuple(name for name in kind.model_fields if name in said and name not in shown)
        return Content(shown, withheld, len(said.keys() - kind.model_fields.keys()))


def _published_by(user: str | None, headers: Mapping[str, Any], reader: str) -> str | None:
    """Who published it first. A reader that parks it says so, where it knows: what it does not say is not its own."""
    is_parked_by_reader = user == reader and "x-parked-queue" in headers
    return None if is_parked_by_reader and PUBLISHED_BY not in headers else publisher(user, headers, reader)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the broker says of a message that it parked itself."""
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int) else None
    except (ValueError, OverflowError, OSError):
        return None
