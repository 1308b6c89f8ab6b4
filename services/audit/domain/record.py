"""What is written down: an event without what is sealed in it, and its place in the chain of its tree of accounts.

A record holds the hash of the one before it, and its own over everything else that is in it. So none can be changed,
taken out or moved without all that follow it being made anew; and then the head is another one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from shared.contracts.message import Event
from shared.contracts.seals import sealed_fields
from shared.contracts.vocabulary import TenantId

NO_TREE = TenantId("-")
"""The chain of what belongs to no account, or to one that is in no tree that was heard of."""
BEGINNING = "0" * 64
"""What the first record of a chain holds for the hash of the one before it."""

Record = Mapping[str, Any]
"""A record as it is stored. Not a class: whoever checks the trail looks at what is there, whatever became of it."""

_ENVELOPE = frozenset({"id", "occurred_at", "flow_id", "tenant_id", "user_id"})


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many records it has, and the hash of the last. Kept elsewhere, it holds the chain."""

    root: TenantId
    count: int = 0
    hash: str = BEGINNING


def fact_of(event: Event) -> Record:
    """What is written of an event. Sealed values are left out: who reads the trail has no business with them."""
    return {
        "id": event.id,
        "topic": event.topic,
        "occurred_at": to_the_millisecond(event.occurred_at),
        "flow_id": getattr(event, "flow_id", None) or None,
        "tenant_id": getattr(event, "tenant_id", None),
        "user_id": getattr(event, "user_id", None),
        "content": event.model_dump(mode="json", exclude={*_ENVELOPE, *sealed_fields(type(event))}),
    }


def chained(
    facts: Iterable[Record], roots: Mapping[TenantId, TenantId], heads: Mapping[TenantId, Head], now: datetime
) -> tuple[list[Record], dict[TenantId, Head]]:
    """Hang facts one after the other on the chains of their trees; the records, and the heads as they become."""
    ends = dict(heads)
    records: list[Record] = []
    for fact in facts:
        root = roots.get(fact["tenant_id"], NO_TREE)
        head = ends.get(root, Head(root))
        link = {"root": root, "sequence": head.count + 1, "recorded_at": now, "previous": head.hash}
        record = {**fact, **link}
        record["hash"] = hash_of(record)
        records.append(record)
        ends[root] = Head(root, head.count + 1, record["hash"])
    return records, ends


def hash_of(record: Record) -> str:
    """The SHA-256 of everything in a record but the hash that it holds."""
    return sha256(canonical({name: value for name, value in record.items() if name != "hash"})).hexdigest()


def canonical(record: Record) -> bytes:
    """The one way to write a record: JSON with sorted keys and no spaces, in UTF-8 (after RFC 8785)."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_text)
    return text.encode("utf-8", "surrogatepass")


def to_the_millisecond(moment: datetime) -> datetime:
    """A time as the database keeps it: what is hashed must be what is read again."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _text(value: Any) -> str:
    """What JSON has no form for: times in UTC, wherever whoever told them was, and ids."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
