import json
from datetime import timedelta, timezone
from uuid import UUID

import pytest

from services.audit.domain.record import BEGINNING, NO_TREE, Head, canonical, chained, fact_of, hash_of
from shared.contracts.catalogue import EVENTS
from shared.contracts.message import Event
from shared.contracts.seals import sealed_fields
from tests.examples import ADA, BOB, CUSTOMER, NOON, OPEN_CUSTOMER, VENDOR, messages

CANARY = "canary-2f6b0c"
LOGIN = messages()["login.succeeded.v1"]
BOBS = messages(BOB)["login.succeeded.v1"]
IN_THE_TREE = {CUSTOMER: VENDOR, OPEN_CUSTOMER: VENDOR}

every_event = pytest.mark.parametrize("topic", EVENTS)


def event(topic: str) -> Event:
    found = messages()[topic]
    assert isinstance(found, Event)
    return found


@every_event
def test_nothing_that_is_sealed_is_written(topic: str) -> None:
    told = event(topic).model_copy(update=dict.fromkeys(sealed_fields(EVENTS[topic]), CANARY))

    assert CANARY.encode() not in canonical(fact_of(told))


@every_event
def test_everything_else_is_written_as_json(topic: str) -> None:
    told = event(topic)

    fact = fact_of(told)

    said = json.loads(told.model_dump_json(exclude={"id", "occurred_at", *sealed_fields(type(told))}))
    own = {name: said.pop(name, None) for name in ("flow_id", "tenant_id", "user_id")}
    assert fact["content"] == said
    assert {name: fact[name] for name in own} == own
    assert (fact["id"], fact["topic"], fact["occurred_at"]) == (told.id, topic, NOON)


def test_a_time_is_written_to_the_millisecond_that_the_database_keeps() -> None:
    told = event("login.failed.v1").model_copy(update={"occurred_at": NOON + timedelta(microseconds=123_999)})

    assert fact_of(told)["occurred_at"] == NOON + timedelta(milliseconds=123)


def test_a_time_zone_does_not_change_what_is_hashed() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-3)))
    told = event("login.failed.v1")

    there = fact_of(told.model_copy(update={"occurred_at": elsewhere}))

    assert hash_of(there) == hash_of(fact_of(told))


def test_the_canonical_form_does_not_depend_on_the_order_of_the_fields() -> None:
    assert canonical({"b": [1, None], "a": {"d": "é", "c": True}}) == '{"a":{"c":true,"d":"é"},"b":[1,null]}'.encode()


def test_a_hash_is_over_everything_but_itself() -> None:
    record = {"id": UUID(int=7), "content": {"reason": "wrong"}, "sequence": 1}

    assert hash_of({**record, "hash": "whatever"}) == hash_of(record)
    assert all(hash_of({**record, name: "other"}) != hash_of(record) for name in record)
    assert hash_of({**record, "more": None}) != hash_of(record)


def test_the_hash_of_a_record_is_a_promise_to_those_who_kept_it() -> None:
    record = {
        "id": UUID(int=7),
        "topic": "login.failed.v1",
        "occurred_at": NOON,
        "recorded_at": NOON + timedelta(milliseconds=5),
        "flow_id": "a flow",
        "tenant_id": None,
        "user_id": None,
        "content": {"reason": "unknown_user"},
        "root": NO_TREE,
        "sequence": 1,
        "previous": BEGINNING,
    }

    assert hash_of(record) == "02b7e9f6f2964e318feb28039b06269b61a11b84acd104c6ac5305266c00f6c9"


def test_records_of_one_tree_are_one_chain() -> None:
    [first, second], ends = chained([fact_of(_of(LOGIN)), fact_of(_of(BOBS))], IN_THE_TREE, {}, NOON)

    assert (first["root"], first["sequence"], first["previous"]) == (VENDOR, 1, BEGINNING)
    assert (second["root"], second["sequence"], second["previous"]) == (VENDOR, 2, first["hash"])
    assert ends == {VENDOR: Head(VENDOR, 2, second["hash"])}
    assert hash_of(first) == first["hash"]


def test_a_chain_goes_on_where_it_ended() -> None:
    head = Head(VENDOR, 41, "a hash")

    [record], ends = chained([fact_of(_of(LOGIN))], IN_THE_TREE, {VENDOR: head}, NOON)

    assert (record["sequence"], record["previous"]) == (42, "a hash")
    assert ends[VENDOR].count == 42


@pytest.mark.parametrize("topic", ["authenticators.noted.v1", "login.succeeded.v1"])
def test_what_belongs_to_no_known_tree_has_a_chain_of_its_own(topic: str) -> None:
    [record], _ = chained([fact_of(event(topic))], {}, {}, NOON)

    assert record["root"] == NO_TREE


def test_a_record_names_the_account_and_the_user() -> None:
    fact = fact_of(_of(LOGIN))

    assert (fact["tenant_id"], fact["user_id"]) == (ADA.tenant_id, ADA.user_id)


def _of(message: object) -> Event:
    assert isinstance(message, Event)
    return message
