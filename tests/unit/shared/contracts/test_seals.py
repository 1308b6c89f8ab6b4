from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from shared.contracts.auth import ImportUsers, LoginSucceeded, VerifyPassword
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.enrollment import EnrollmentConfirmed, EnrollmentStarted
from shared.contracts.message import Message
from shared.contracts.policy import AccessGranted
from shared.contracts.seals import sealed_fields
from shared.contracts.vocabulary import Sealed


class Deep(BaseModel):
    inner: dict[str, tuple[Sealed, ...]]


class Deeper(BaseModel):
    plain: Annotated[str, Field(max_length=3)]
    parts: list[Deep] | None = None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (VerifyPassword, {"password"}),
        (LoginSucceeded, set[str]()),
        (EnrollmentStarted, {"provisioning"}),
        (EnrollmentConfirmed, {"recovery_codes"}),
        (AccessGranted, {"recovery_codes"}),
        (ImportUsers, {"users"}),
        (Deeper, {"parts"}),
    ],
)
def test_sealed_fields_are_found_at_any_depth(kind: type[BaseModel], fields: set[str]) -> None:
    assert sealed_fields(kind) == fields


@pytest.mark.parametrize("kind", [*COMMANDS.values(), *EVENTS.values()], ids=lambda kind: kind.topic)
def test_a_field_whose_name_speaks_of_a_secret_is_sealed(kind: type[Message]) -> None:
    names = {"password", "code", "secret", "provisioning", "recovery_codes"}
    open_by_intent = {"request.refused.v1"}  # its code is the name of a reason

    named = names & kind.model_fields.keys()

    assert kind.topic in open_by_intent or named <= sealed_fields(kind)
