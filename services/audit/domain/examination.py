"""Examining a chain: what is changed, missing, moved, put in or cut off, and which record it is.

Without heads that were kept elsewhere, whoever may write everything in the database can make a chain anew from any
record on, with its head, or take away a chain with its head, and nothing here can tell. With them he cannot.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
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
    """It does not follow the one before it: one of the two was made anew."""
    HEAD = "head"
    """It is missing, or says otherwise than the record that it is of."""
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


@dataclass(frozen=True, slots=True)
class Chain:
    """What an examination found: the head to be kept elsewhere, the number of records, and what is wrong with them."""

    head: Head
    records: int
    damages: tuple[Damage, ...]


class Examination:
    """One chain, looked at record by record in the order of their places."""

    def __init__(self, root: TenantId, head: Head | None, kept: Iterable[Head] = ()) -> None:
        """Hold the chain of this root against its head as it was before, and against heads that were kept elsewhere."""
        self.root = root
        self.count = 0
        self._marks = [(each, Kind.KEPT) for each in kept if each.count]
        self._marks += [(head, Kind.HEAD)] if head is not None and head.count else []
        self._next = 1
        self._links: set[Any] = {BEGINNING}
        """What the record that comes next may hold for the hash of the one before it."""
        self._found: list[Damage] = []
        self._gaps: list[tuple[int, int]] = []
        self._suspects: list[Record] = []
        """Those that are not what their hash was made of."""
        self._astray: list[Record] = []
        """Those that are, and do not follow the one before them."""

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
        computed, claimed = hash_of(record), record.get("hash")
        if sequence > self._next:
            self._gaps.append((self._next, sequence - 1))
        elif computed == claimed and record.get("previous") not in self._links:
            self._astray.append(record)
        if computed != claimed:
            self._suspects.append(record)
        for mark, kind in self._marks:
            if mark.count == sequence and mark.hash != claimed:
                which = "head" if kind is Kind.HEAD else "head that was kept"
                self._find(kind, record, f"record {sequence} is not the one that the {which} is of")
        self._next, self._links = sequence + 1, {computed, claimed}

    def close(self, head: Head | None) -> list[Damage]:
        """All that is wrong, in the order of the places, once every record was looked at; `head` is as it is by now."""
        last = self._next - 1
        longest = max([last, *(mark.count for mark, _ in self._marks)])
        if longest > last:
            self._gaps.append((last + 1, longest))
        if head is None:
            self._found.append(Damage(Kind.HEAD, self.root, last, None, "the head is missing"))
        moved = self._moved()
        for record in self._suspects:
            if (written_as := moved.get(id(record))) is None:
                self._find(Kind.CHANGED, record, f"record {_place(record)} is not as it was written")
            else:
                self._find(Kind.MOVED, record, f"record {_place(record)} was written as {written_as}")
        claimed = {record.get("hash") for record in self._suspects}
        for record in self._astray:
            if record.get("previous") not in claimed:  # else it followed one that has been moved, which is said already
                place = record["sequence"]
                self._find(Kind.REPLACED, record, f"record {place} does not follow record {place - 1}")
        for first, end in _without(self._gaps, set(moved.values())):
            text = f"record {first} is missing" if first == end else f"records {first} to {end} are missing"
            self._found.append(Damage(Kind.MISSING, self.root, first, None, text))
        return sorted(self._found, key=lambda damage: damage.sequence or 0)

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
    records: AsyncIterable[Record],
    heads: Mapping[TenantId, Head],
    head_now: Callable[[TenantId], Awaitable[Head | None]],
    kept: Iterable[Head] = (),
) -> AsyncIterator[Chain]:
    """Every chain in turn, while the trail is being written.

    The records come sorted by root and place, and were asked for after the `heads`: up to these there must be some.
    There may be more, for a head is moved after its records were written; but a chain that began meanwhile has one
    (`head_now`). A chain of which only a head is left, here or elsewhere, is one too.
    """
    elsewhere: dict[TenantId, list[Head]] = {}
    for each in kept:
        elsewhere.setdefault(each.root, []).append(each)
    left = dict.fromkeys([*heads, *elsewhere])
    current: Examination | None = None
    async for record in records:
        root = TenantId(str(record.get("root")))
        if current is None or root != current.root:
            if current is not None:
                yield await _closed(current, head_now)
            left.pop(root, None)
            current = Examination(root, heads.get(root), elsewhere.get(root, ()))
        current.look_at(record)
    if current is not None:
        yield await _closed(current, head_now)
    for root in left:
        yield await _closed(Examination(root, heads.get(root), elsewhere.get(root, ())), head_now)


async def _closed(examination: Examination, head_now: Callable[[TenantId], Awaitable[Head | None]]) -> Chain:
    head = await head_now(examination.root)
    return Chain(head or Head(examination.root), examination.count, tuple(examination.close(head)))


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
