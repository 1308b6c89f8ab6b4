from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.examination import Chain, Kind, examined
from services.audit.domain.record import BEGINNING, Head, Record, chained, fact_of, hash_of
from shared.contracts.auth import LoginSucceeded
from shared.contracts.message import MessageId
from shared.contracts.vocabulary import TenantId
from tests.examples import ADA, CUSTOMER, FLOW, NOON, VENDOR

Records = list[dict[str, Any]]
Tampering = Callable[[Records], None]


def written(number: int = 6, root: TenantId = VENDOR) -> Records:
    """A chain of so many records."""
    facts = [
        fact_of(
            LoginSucceeded(
                id=MessageId(uuid4()),
                occurred_at=NOON,
                flow_id=FLOW,
                **dict(ADA.named),
                username=ADA.username,
                display_name=ADA.display_name,
            )
        )
        for _ in range(number)
    ]
    records, _ = chained(facts, {CUSTOMER: root}, {}, NOON)
    return [dict(record) for record in records]


def head_of(records: Records) -> Head:
    last = records[-1]
    return Head(last["root"], last["sequence"], last["hash"])


async def examination(
    records: Records, *heads: Head, kept: tuple[Head, ...] = (), now: dict[TenantId, Head] | None = None
) -> list[Chain]:
    before = {head.root: head for head in heads}
    by_now = before if now is None else now

    async def stream() -> AsyncIterator[Record]:
        for record in sorted(
            records, key=lambda each: (str(each["root"]), str(type(each["sequence"])), each["sequence"])
        ):
            yield record

    async def head_now(root: TenantId) -> Head | None:
        return by_now.get(root)

    return [chain async for chain in examined(stream(), before, head_now, kept)]


def remade(records: Records, first: int) -> None:
    """Make all records from this place on anew, as who knows how they are chained would."""
    previous = records[first - 2]["hash"] if first > 1 else BEGINNING
    for record in records[first - 1 :]:
        record["previous"] = previous
        record["hash"] = previous = hash_of(record)


def change(records: Records) -> None:
    records[2]["content"]["display_name"] = "Mallory"


def change_the_account(records: Records) -> None:
    records[2]["tenant_id"] = "another"


def add_a_field(records: Records) -> None:
    records[2]["more"] = True


def drop_a_field(records: Records) -> None:
    del records[2]["user_id"]


def change_the_hash(records: Records) -> None:
    records[2]["hash"] = "0" * 64


def break_the_place(records: Records) -> None:
    records[2]["sequence"] = "3"


def remove(records: Records) -> None:
    del records[2]


def remove_the_first(records: Records) -> None:
    del records[0]


def remove_the_end(records: Records) -> None:
    del records[4:]


def swap(records: Records) -> None:
    records[1]["sequence"], records[3]["sequence"] = 4, 2


def move_to_the_end(records: Records) -> None:
    records[2]["sequence"] = 7


def make_one_anew(records: Records) -> None:
    records[2]["content"]["display_name"] = "Mallory"
    records[2]["hash"] = hash_of(records[2])


def put_in(records: Records) -> None:
    records.insert(3, {**records[2], "id": uuid4()})


@pytest.mark.parametrize(
    ("tampering", "damages"),
    [
        (change, [(Kind.CHANGED, 3)]),
        (change_the_account, [(Kind.CHANGED, 3)]),
        (add_a_field, [(Kind.CHANGED, 3)]),
        (drop_a_field, [(Kind.CHANGED, 3)]),
        (change_the_hash, [(Kind.CHANGED, 3)]),
        (break_the_place, [(Kind.MOVED, None)]),
        (remove, [(Kind.MISSING, 3)]),
        (remove_the_first, [(Kind.MISSING, 1)]),
        (remove_the_end, [(Kind.MISSING, 5)]),
        (swap, [(Kind.MOVED, 2), (Kind.MOVED, 4)]),
        (move_to_the_end, [(Kind.MOVED, 7)]),
        (make_one_anew, [(Kind.REPLACED, 4)]),
        (put_in, [(Kind.REPEATED, 3)]),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_damage_is_found_and_named(tampering: Tampering, damages: list[tuple[Kind, int | None]]) -> None:
    records = written()
    head = head_of(records)

    tampering(records)
    [chain] = await examination(records, head)

    assert [(damage.kind, damage.sequence) for damage in chain.damages] == damages


async def test_the_damaged_record_is_named_by_the_id_of_its_event() -> None:
    records = written()
    change(records)

    [chain] = await examination(records, head_of(records))

    assert [UUID(damage.record or "") for damage in chain.damages] == [records[2]["id"]]


async def test_a_range_that_is_missing_is_told_as_one() -> None:
    records = written(9)
    head = head_of(records)

    del records[3:7]
    [chain] = await examination(records, head)

    assert [damage.text for damage in chain.damages] == ["records 4 to 7 are missing"]


async def test_a_whole_chain_is_whole() -> None:
    records = written()

    assert await examination(records, head_of(records)) == [Chain(head_of(records), 6, ())]


async def test_chains_are_examined_each_by_itself() -> None:
    one, other = written(3, TenantId("a")), written(4, TenantId("b"))
    one_head, other_head = head_of(one), head_of(other)

    change(other)
    whole, damaged = await examination([*one, *other], one_head, other_head)

    assert (whole.head, whole.damages) == (one_head, ())
    assert [(damage.root, damage.kind) for damage in damaged.damages] == [("b", Kind.CHANGED)]


async def test_a_chain_of_which_only_the_head_is_left_is_missing() -> None:
    [chain] = await examination([], head_of(written()))

    assert [damage.text for damage in chain.damages] == ["records 1 to 6 are missing"]


async def test_records_without_a_head_and_a_head_of_another_record_are_found() -> None:
    records = written()

    [without] = await examination(records)
    [other] = await examination(records, Head(VENDOR, 4, records[4]["hash"]))

    assert [damage.text for damage in without.damages] == ["the head is missing"]
    assert [damage.text for damage in other.damages] == ["record 4 is not the one that the head is of"]


async def test_records_that_were_written_meanwhile_are_no_damage_though_the_head_comes_after_them() -> None:
    records = written()
    before, now = head_of(records[:4]), head_of(records)

    [moved] = await examination(records, before, now={VENDOR: now})
    [not_yet_moved] = await examination(records, before)
    [begun] = await examination(records, now={VENDOR: now})

    assert moved == begun == Chain(now, 6, ())
    assert not_yet_moved == Chain(before, 6, ())


async def test_a_chain_that_was_made_anew_with_its_head_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    records = written()
    kept = head_of(records[:4])

    change(records)
    remade(records, 3)
    [unsuspecting] = await examination(records, head_of(records))
    [chain] = await examination(records, head_of(records), kept=(kept,))

    assert unsuspecting.damages == ()
    assert [(damage.kind, damage.sequence) for damage in chain.damages] == [(Kind.KEPT, 4)]


async def test_an_end_that_was_cut_off_with_its_head_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    records = written()
    kept = head_of(records)

    del records[4:]
    [unsuspecting] = await examination(records, head_of(records))
    [chain] = await examination(records, head_of(records), kept=(kept,))

    assert unsuspecting.damages == ()
    assert [damage.text for damage in chain.damages] == ["records 5 to 6 are missing"]


async def test_a_chain_that_was_taken_away_with_its_head_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    kept = head_of(written())

    assert await examination([]) == []
    [chain] = await examination([], kept=(kept,))

    assert [(damage.kind, damage.sequence) for damage in chain.damages] == [(Kind.HEAD, 0), (Kind.MISSING, 1)]


@given(st.data())
async def test_no_change_to_any_field_of_any_record_goes_unnoticed(data: st.DataObject) -> None:
    records = written(4)
    head = head_of(records)
    record = data.draw(st.sampled_from(records))
    field = data.draw(st.sampled_from(sorted(record)))

    record[field] = "of another sort" if field not in {"root", "sequence"} else {"root": VENDOR, "sequence": 9}[field]
    if field == "root":
        record["root"] = TenantId("elsewhere")
    chains = await examination(records, head)

    assert any(chain.damages for chain in chains)
