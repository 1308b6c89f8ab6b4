"""Hostile mail: what can be wrong with a message, done to one example of each kind that there is."""

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from shared.contracts.message import Message

CANARY = "canary-3fe1c9"
DEEP = 10_000
OPERATORS: tuple[Any, ...] = ({"$gt": CANARY}, {"$where": f"sleep(1e9) /* {CANARY} */"}, {"$ne": None})


@dataclass(frozen=True)
class Mail:
    """A message as it is put on the wire."""

    what: str
    """What is wrong with it."""
    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


def hostile(message: Message) -> Iterator[Mail]:
    """Everything that is done to this kind of message."""
    form: dict[str, Any] = message.model_dump(mode="json")
    for name in form:
        if name != "id":
            yield from _of_field(name, form)
    yield from _of_body(form)
    yield from _of_headers(form)


def enormous(message: Message) -> Mail:
    """The same message, but for 10 MB of what no reader asks for."""
    within = message.model_dump_json().encode()[:-1]
    return _raw("10 MB", within + b', "x": "' + b"x" * 10_000_000 + b'"}')


def undecodable(message: Message) -> Mail:
    """A message with a date that no Python knows: the client does not get as far as handing it on."""
    never = time.struct_time((9999, 12, 31, 10**12, 0, 0, 0, 0, 0))
    return Mail("a date that none is", message.model_dump_json().encode(), {"x-message-id": str(uuid4()), "x": never})


def _of_field(name: str, form: dict[str, Any]) -> Iterator[Mail]:
    form = _another(form)
    yield _mail("a field is missing", {key: value for key, value in form.items() if key != name})
    wrong = [CANARY] if isinstance(form[name], str) else CANARY
    yield _mail("a field is of another type", form | {name: wrong})
    for operator in OPERATORS:
        yield _mail("a field is an operator", form | {name: operator})
    yield _mail("a field is null bytes", form | {name: "\x00" * 8})
    yield _mail("a field is a huge number", form | {name: 10**300})


def _of_body(form: dict[str, Any]) -> Iterator[Mail]:
    text = json.dumps(form)
    within = text[:-1].encode()  # open, for one more field
    yield _raw("nothing", b"")
    yield _raw("no JSON", CANARY.encode())
    yield _raw("null", b"null")
    yield _raw("a list", b"[" + text.encode() + b"]")
    yield _raw("cut off", text.encode()[: len(text) // 2])
    yield _raw("twice", text.encode() * 2)
    yield _raw("UTF-16", text.encode("utf-16"))
    yield _raw("compressed", gzip.compress(text.encode()))
    yield _raw("no text", within + b', "x": "\xff\xfe"}')
    yield _raw("half a character", within + b', "x": "\\ud800"}')
    yield _raw("a number of many digits", within + b', "x": ' + b"9" * 100_000 + b"}")
    yield _raw("not a number", within + b', "x": NaN}')
    yield _raw("deep", within + b', "x": ' + b"[" * DEEP + b"]" * DEEP + b"}")
    yield _raw("deep, of objects", within + b', "x": ' + b'{"x":' * DEEP + b"1" + b"}" * DEEP + b"}")
    yield _raw("a field twice", b'{"id": {"$gt": ""}, ' + text.encode()[1:])
    yield _raw("a prototype", within + b', "__proto__": {"admin": true}, "__class__": "x"}')


def _of_headers(form: dict[str, Any]) -> Iterator[Mail]:
    """The body is as it should be, what stands around it is not."""
    own = {"x-message-id": str(uuid4())}
    body = json.dumps(_another(form)).encode()
    for wrong in (
        CANARY,
        True,
        1.5,
        2**63 - 1,
        -(2**63),
        [CANARY],
        {"$gt": CANARY},
        datetime(2026, 1, 1, tzinfo=UTC),
        Decimal("1.5"),
    ):
        yield Mail("a deadline that is none", body, own | {"x-deadline": wrong})
    for wrong in (7, [CANARY], {"$gt": CANARY}, bytearray(b"\xff\xfe")):
        yield Mail("an attempt that is none", body, own | {"x-attempt": wrong})
    for wrong in (None, 7, CANARY, [CANARY], {"$gt": CANARY}):
        yield Mail("an id that is none", body, {"x-message-id": wrong})
    for wrong in (2**63 - 1, -(2**63), CANARY, [CANARY], True):
        yield Mail("retries that are none", body, own | {"x-retries": wrong})
    for wrong in (7, CANARY, [CANARY], "00-" + "f" * 100_000):
        yield Mail("a trace that is none", body, own | {"traceparent": wrong})
    for wrong in (CANARY, [CANARY], [{"routing-keys": 7}], [{"routing-keys": [CANARY]}], [{"count": -1}]):
        yield Mail("a death that is none", body, own | {"x-death": wrong})
    for wrong in ("policy", 7, [CANARY]):
        yield Mail("a publisher that is none", body, own | {"x-published-by": wrong})
    yield Mail("many headers", body, own | {f"x-{number}": CANARY for number in range(2_000)})
    yield Mail("deep headers", body, own | {"x-deep": _nested(50)})
    yield Mail("another topic", body, own | {"x-topic": "access.granted.v1"})
    yield Mail("another media type", body, own, {"content_type": f"application/x-{CANARY}", "content_encoding": "gzip"})
    yield Mail("an answer to a work queue", body, own, {"reply_to": "login.succeeded.v1"})
    yield Mail("an answer to everybody", body, own, {"reply_to": "#"})
    yield Mail("odd properties", body, own, {"message_id": CANARY, "type": CANARY, "priority": 255, "app_id": CANARY})


def _nested(depth: int) -> Any:
    value: Any = CANARY
    for _ in range(depth):
        value = {"x": value}
    return value


def _another(form: dict[str, Any]) -> dict[str, Any]:
    """The same of another user, where it is of one: what becomes of him is of no consequence to the next message."""
    return form | ({"user_id": str(uuid4())} if isinstance(form.get("user_id"), str) else {})


def _mail(what: str, form: dict[str, Any]) -> Mail:
    return _raw(what, json.dumps(form).encode())


def _raw(what: str, body: bytes) -> Mail:
    return Mail(what, body, {"x-message-id": str(uuid4())})
