"""What is written of an exception: enough to find the fault, and nothing that a secret could stand in."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError

from shared.runtime.logs import traces

CANARY = "canary-71c0"


@dataclass(frozen=True)
class User:
    name: str
    password_hash: int


def raised(action: Callable[[], object]) -> str:
    try:
        action()
    except BaseException:  # noqa: BLE001 - whatever it is, it is what the test is about
        exception = sys.exc_info()
        assert exception[0] is not None
        return str(traces(exception))
    raise AssertionError("nothing was raised")


def test_a_document_that_cannot_be_read_is_named_by_its_fields_alone() -> None:
    written = raised(lambda: TypeAdapter(User).validate_python({"password_hash": CANARY, "name": [CANARY]}))

    assert CANARY not in written
    assert all(word in written for word in ("2 validation errors for User", "password_hash", "name"))


def unreadable() -> None:
    TypeAdapter(User).validate_python({"password_hash": CANARY, "name": ""})


def test_the_same_holds_for_a_cause() -> None:
    def caused() -> None:
        try:
            unreadable()
        except ValueError as error:
            raise RuntimeError("no user") from error

    written = raised(caused)

    assert CANARY not in written
    assert "1 validation error for User" in written


def test_the_same_holds_inside_a_group() -> None:
    def grouped() -> None:
        try:
            unreadable()
        except ValueError as error:
            raise ExceptionGroup("several", [error]) from None

    written = raised(grouped)

    assert CANARY not in written
    assert "1 validation error for User" in written


def test_no_local_variable_is_written() -> None:
    def divide(secret: str) -> float:
        return len(secret) / 0

    written = raised(lambda: divide(CANARY))

    assert CANARY not in written
    assert "ZeroDivisionError" in written
    assert "divide" in written


@pytest.mark.parametrize(
    "error",
    [
        DuplicateKeyError(f'E11000 duplicate key error collection: a.b index: _id_ dup key: {{ _id: "{CANARY}" }}'),
        BulkWriteError({"writeErrors": [{"code": 11000, "op": {"q": {"_id": CANARY}}}]}),
        WriteError("something is wrong", 2, {"op": CANARY}),
    ],
)
def test_what_mongodb_quotes_is_not_written(error: OperationFailure) -> None:
    def write() -> None:
        raise error

    written = raised(write)

    assert CANARY not in written
    assert type(error).__name__ in written
