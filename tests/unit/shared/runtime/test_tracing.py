"""Off, tracing does nothing; whatever comes as a trace, a message is read; and no span says what an error says."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.contracts.vocabulary import Service
from shared.runtime import tracing
from shared.runtime.messaging import TRACEPARENT, Envelope, Letter
from shared.runtime.settings import Settings
from tests.collector import PORTAL, collecting
from tests.examples import FLOW, messages

CANARY = "canary-5d20b7"

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


async def broken(_: Request) -> Response:
    raise ValueError(CANARY)


async def exported(monkeypatch: pytest.MonkeyPatch, *, sampled: float) -> list[bytes]:
    """What is exported of a request that a stranger says he traces, and that meets a fault."""
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        told = {"rabbitmq_url": "amqp://localhost", "mongodb_url": "mongodb://localhost"}
        tracing.start(Service.GATEWAY, Settings(**told, otel_traces_sampler_arg=sampled))
        try:
            app = tracing.traced(Starlette(routes=[Route("/", broken)]))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as browser:
                await browser.get("/", headers={TRACEPARENT: PORTAL})
        finally:
            await asyncio.to_thread(tracing.stop)
        return collector.received


async def test_a_span_names_the_kind_of_an_error_and_holds_none_of_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    received = b"".join(await exported(monkeypatch, sampled=1))

    assert b"ValueError" in received
    assert CANARY.encode() not in received


async def test_a_stranger_who_says_that_he_traces_makes_the_gateway_sample_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await exported(monkeypatch, sampled=0) == []
