"""What every message promises: its topic, its one reader, its tellers, and that readers are tolerant."""

import re

import pytest

from ops.traffic import readers_of, services, traffic
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Command, Event, Message
from shared.contracts.readiness import (
    InstanceReported,
    ReadinessReported,
    ReportAuthReadiness,
    ReportEnrollmentReadiness,
    ReportPolicyReadiness,
)
from shared.contracts.refusals import RequestRefused
from shared.contracts.vocabulary import OPERATOR, Service
from tests.examples import messages

EXAMPLES = messages()
TOLD_BY_THE_RUNTIME = {RequestRefused, ReadinessReported, InstanceReported}
ASKED_OF_WHOEVER_READS = {ReportAuthReadiness, ReportPolicyReadiness, ReportEnrollmentReadiness}

every_message = pytest.mark.parametrize("message", EXAMPLES.values(), ids=EXAMPLES.keys())
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
every_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())


def words_of(kind: type[Message]) -> list[str]:
    return [word.lower() for word in re.findall("[A-Z][a-z]*", kind.__name__)]


def test_there_is_an_example_of_every_message() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys() | EVENTS.keys()


@every_command
def test_the_topic_of_a_command_is_what_it_asks(command: type[Command]) -> None:
    asked = "-".join(words_of(command))

    assert re.fullmatch(rf"{asked}\.v[1-9]", command.topic)


@every_event
def test_the_topic_of_an_event_is_a_thing_and_what_happened_to_it(event: type[Event]) -> None:
    *thing, happened = words_of(event)

    assert re.fullmatch(rf"{'-'.join(thing)}\.{happened}\.v[1-9]", event.topic)


@every_command
def test_a_command_has_exactly_one_reader_and_it_is_the_one_that_it_is_addressed_to(command: type[Command]) -> None:
    assert readers_of(command) == [command.to]


@every_event
def test_an_event_is_told_by_those_who_may_tell_it_and_by_nobody_else(event: type[Event]) -> None:
    tellers = {service for service in services() if event in traffic(service).made}

    assert tellers == (set() if event in TOLD_BY_THE_RUNTIME else event.by - {OPERATOR})


@every_command
def test_a_command_is_asked_by_those_who_may_ask_it_and_by_no_other_service(command: type[Command]) -> None:
    askers = {service for service in services() if command in traffic(service).asks}

    assert askers == (set() if command in ASKED_OF_WHOEVER_READS else command.by - {OPERATOR})


@every_event
def test_an_event_that_is_no_answer_and_not_kept_is_heard_by_somebody(event: type[Event]) -> None:
    assert event.answer or event.kept or readers_of(event)


@pytest.mark.parametrize("event", [e for e in EVENTS.values() if e.answer])
def test_an_answer_is_understood_by_somebody_who_asks(event: type[Event]) -> None:
    asked_by_the_command_line = event.__name__.endswith(
        ("Imported", "Noted", "Checked", "Unlocked", "InstanceReported")
    )

    assert asked_by_the_command_line or event in traffic(Service.GATEWAY).answers


@every_message
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    written = message.model_dump_json()

    assert type(message).model_validate_json(written) == message


@every_message
def test_a_reader_passes_over_a_field_that_it_does_not_know(message: Message) -> None:
    written = message.model_dump_json()[:-1] + ', "a_field_of_tomorrow": {"any": ["thing"]}}'

    assert type(message).model_validate_json(written) == message


@every_message
def test_what_is_malformed_is_not_shown_in_the_error(message: Message) -> None:
    broken = '{"id": "canary-7b1f", "flow_id": ["canary-7b1f"], "occurred_at": "canary-7b1f"}'

    with pytest.raises(ValueError, match="validation error") as caught:
        type(message).model_validate_json(broken)

    assert "canary" not in str(caught.value)


@every_event
def test_an_event_told_again_for_the_same_cause_has_the_same_id(event: type[Event]) -> None:
    cause, other_cause = EXAMPLES["verify-otp.v1"].id, EXAMPLES["verify-password.v1"].id
    told, told_again = EXAMPLES[event.topic], messages()[event.topic]
    assert isinstance(told, Event)
    assert isinstance(told_again, Event)

    same, other = told_again.caused_by(cause), told_again.caused_by(other_cause)

    assert told.caused_by(cause).id == same.id
    assert same.id != other.id
