"""Examining a chain: what is changed, missing, moved, put in or cut off, and which record it is.

Without heads that were kept elsewhere, whoever may write everything in the database can make a chain anew from any
record on, with its head, or take away a chain with its head, and nothing here can tell. With them he cannot.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.audit.domain.record import BEGINNING, Head, Record, hash_of
from shared.contracts.vocabulary import TenantId

_MOST = 1_000
"""Damaged records of a chain that are compared with each other; beyond, a moved one is only said to be changed."""


class Kind(StrEnum):
    """What can be wrong with a chain."""

    CHANGED = "changed"
    """Its content is not what its hash was made of."""
    MISSING = "missing"
    MOVED = "moved"
    """It is as it was written, but for its place."""
    REPEATED = "repeated"
    """There is another one at the same place."""
    REPLACED = "replaced"
    """It does not follow the one before it: one of the two, or those between, were made anew."""
    HEAD = "head"
    """The head says otherwise than the records."""
    KEPT = "kept"
    """A head that was kept elsewhere says otherwise."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong; `record` is the id of the event it is about, where there still is a record."""

    kind: Kind
    root: str
    sequence: int | None
    record: str | None
    text: str


class Examination:
    """One chain, looked at record by record in the order of their places."""

    def __init__(self, root: TenantId, head: Head | None, kept: Iterable[Head] = ()) -> None:
        """Hold the chain of this root against its head, and against heads that were kept elsewhere."""
        self.root = root
        self.count = 0
        self._head = head
        self._kept = {each.count: each.hash for each in kept if each.count}
        self._next = 1
        self._links: set[Any] = {BEGINNING}
        """What the record that comes next may hold for the hash of the one before it."""
        self._last: Any = BEGINNING
        self._found: list[Damage] = []
        self._gaps: list[tuple[int, int]] = []
        self._suspects: list[Record] = []

    def look_at(self, record: Record) -> None:
        """Look at the record that comes next."""
        self.count += 1
        sequence = record.get("sequence")
        if not isinstance(sequence, int):
            self._suspects.append(record)
            return
        if sequence < self._next:
            self._find(Kind.REPEATED, record, f"there is more than one record {sequence}")
            return
        follows = sequence == self._next
        if not follows:
            self._gaps.append((self._next, sequence - 1))
        computed = hash_of(record)
        if computed != record.get("hash"):
            self._suspects.append(record)
        elif follows and record.get("previous") not in self._links | {each.get("hash") for each in self._suspects}:
            self._find(Kind.REPLACED, record, f"record {sequence} does not follow record {sequence - 1}")
        if self._kept.get(sequence, record.get("hash")) != record.get("hash"):
            self._find(Kind.KEPT, record, f"record {sequence} is not the one that was kept")
        self._next, self._last = sequence + 1, record.get("hash")
        self._links = {computed, record.get("hash")}

    def close(self) -> list[Damage]:
        """All that is wrong, in the order of the places, once every record was looked at."""
        last = self._next - 1
        longest = max([last, *self._kept, self._head.count if self._head else 0])
        if longest > last:
            self._gaps.append((last + 1, longest))
        self._judge_head(last)
        moved = self._moved()
        for record in self._suspects:
            if (written_as := moved.get(id(record))) is None:
                self._find(Kind.CHANGED, record, f"record {_place(record)} is not as it was written")
            else:
                self._find(Kind.MOVED, record, f"record {_place(record)} was written as {written_as}")
        for first, end in _without(self._gaps, set(moved.values())):
            text = f"record {first} is missing" if first == end else f"records {first} to {end} are missing"
            self._found.append(Damage(Kind.MISSING, self.root, first, None, text))
        return sorted(self._found, key=lambda damage: damage.sequence or 0)

    def _judge_head(self, last: int) -> None:
        if self._head is None:
            text = "the head is missing"
        elif self._head.count < last:
            text = f"the head ends at record {self._head.count}, and there are {last}"
        elif self._head.count == last and self._head.hash != self._last:
            text = f"the head is not of record {last}"
        else:
            return
        self._found.append(Damage(Kind.HEAD, self.root, last, None, text))

    def _moved(self) -> dict[int, int]:
        """Of the records that are not as they were written, those that are so at another place, and at which."""
        places = [each["sequence"] for each in self._suspects if isinstance(each.get("sequence"), int)]
        places += [place for first, end in self._gaps for place in range(first, min(end + 1, first + _MOST))]
        return {
            id(record): place
            for record in self._suspects[:_MOST]
            for place in dict.fromkeys(places[:_MOST])
            if hash_of({**record, "sequence": place}) == record.get("hash")
        }

    def _find(self, kind: Kind, record: Record, text: str) -> None:
        place = record.get("sequence")
        sequence = place if isinstance(place, int) else None
        self._found.append(Damage(kind, self.root, sequence, str(record.get("id")), text))


async def examined(
    records: AsyncIterable[Record], heads: Mapping[TenantId, Head], kept: Iterable[Head] = ()
) -> AsyncIterator[tuple[Head, int, list[Damage]]]:
    """Every chain in turn: its head, how many records it has, and what is wrong with it.

    The records come sorted by root and place. A chain of which only a head is left, here or elsewhere, is one too.
    """
    elsewhere: dict[TenantId, list[Head]] = {}
    for each in kept:
        elsewhere.setdefault(each.root, []).append(each)
    left = dict.fromkeys([*heads, *elsewhere])
    current: Examination | None = None
    async for record in records:
        root = record.get("root")
        if current is None or root != current.root:
            if current is not None:
                yield _result(current, heads)
            known = TenantId(str(root))
            left.pop(known, None)
            current = Examination(known, heads.get(known), elsewhere.get(known, ()))
        current.look_at(record)
    if current is not None:
        yield _result(current, heads)
    for root in left:
        yield _result(Examination(root, heads.get(root), elsewhere.get(root, ())), heads)


def _result(examination: Examination, heads: Mapping[TenantId, Head]) -> tuple[Head, int, list[Damage]]:
    return heads.get(examination.root, Head(examination.root)), examination.count, examination.close()


def _place(record: Record) -> str:
    place = record.get("sequence")
    return str(place) if isinstance(place, int) else f"with the id {record.get('id')}"


def _without(gaps: Iterable[tuple[int, int]], explained: set[int]) -> Iterator[tuple[int, int]]:
    """The gaps, without the places of which it is known where their records went."""
    for first, end in gaps:
        start = first
        for place in sorted(place for place in explained if first <= place <= end):
            if place > start:
                yield start, place - 1
            start = place + 1
        if start <= end:
            yield start, end
