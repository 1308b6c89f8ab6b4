"""Off, tracing does nothing; and whatever comes as a trace, a message is read."""

import pytest

from shared.runtime import tracing
from shared.runtime.messaging import TRACEPARENT, Envelope, Letter
from tests.examples import FLOW, messages

ID = "0b8f6f2e-7a0e-4f43-9a0b-0d1a2b3c4d5e"
TOLD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Properties:
    correlation_id = FLOW
    reply_to = None


def test_without_an_endpoint_nothing_is_traced() -> None:
    envelope = Envelope(FLOW, traceparent=TOLD)

    with tracing.asking("verify-otp.v1"), tracing.reading("auth.verify-password.v1", envelope) as read:
        assert read is envelope
        assert tracing.traceparent() is None


def test_a_message_carries_the_trace_that_it_belongs_to_and_no_other() -> None:
    message = messages()["verify-otp.v1"]

    assert Letter.of(message, Envelope(FLOW, traceparent=TOLD)).headers[TRACEPARENT] == TOLD
    assert TRACEPARENT not in Letter.of(message, Envelope(FLOW)).headers


@pytest.mark.parametrize(("sent", "read"), [(TOLD, TOLD), (7, None), (None, None), ([TOLD], None)])
def test_an_envelope_takes_a_trace_that_is_text_and_passes_over_any_other(sent: object, read: str | None) -> None:
    envelope = Envelope.of(Properties, {"x-message-id": ID, TRACEPARENT: sent})

    assert envelope.traceparent == read
