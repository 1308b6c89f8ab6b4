"""Traces: how one request goes through all services, for OpenTelemetry. Off unless an endpoint is set.

A request over HTTP begins a trace, or goes on with its caller's (W3C Trace Context); messages carry it on in their
envelope. What the gateway does not sample carries nothing, and costs the services behind it nothing. No span holds
anything that a message or a request says, nor the words of an error: either may be secret.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.vocabulary import Service
from shared.runtime.messaging import TRACEPARENT, Envelope
from shared.runtime.settings import Settings
from shared.runtime.version import VERSION

_propagator = TraceContextTextMapPropagator()
_UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
_FAULTS = 500

App = TypeVar("App", bound=Starlette)


class _Tracing:
    """What this process traces with; nothing where tracing is off."""

    tracer: Tracer | None = None
    end: Callable[[], None] | None = None


def start(service: Service, settings: Settings) -> None:
    """Trace from now on, where the settings name an endpoint; that and all else of the exporter are OTEL_ variables.

    The gateway alone decides what is sampled, by the id of the trace: what a stranger sends in `traceparent` cannot
    make it sample more. Everybody behind it follows.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return
    # Imported here: it takes a while, and who does not trace does not wait for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased  # noqa: PLC0415

    some = TraceIdRatioBased(settings.otel_traces_sampler_arg)
    provider = TracerProvider(
        sampler=ParentBased(some, remote_parent_sampled=some if service is Service.GATEWAY else ALWAYS_ON),
        resource=Resource.create({"service.name": f"wardgate-{service}", "service.version": VERSION}),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Tracing.tracer = provider.get_tracer("wardgate", VERSION)
    _Tracing.end = provider.shutdown


def stop() -> None:
    """Send what has not been sent yet, within bounds, and trace no more. It blocks."""
    end, _Tracing.tracer, _Tracing.end = _Tracing.end, None, None
    if end is not None:
        end()


def traceparent() -> str | None:
    """The place in a trace where we are, for whoever goes on from here; nothing where nothing is traced."""
    if _Tracing.tracer is None or not trace.get_current_span().is_recording():
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def asking(topic: str) -> AbstractContextManager[object]:
    """A question and the wait for its answer, as a part of what is traced here."""
    if _Tracing.tracer is None or not trace.get_current_span().is_recording():
        return nullcontext()
    return _span(_Tracing.tracer, f"ask {topic}", SpanKind.CLIENT, None, {"messaging.system": "rabbitmq"})


def reading(queue: str, envelope: Envelope) -> AbstractContextManager[Envelope]:
    """What is done about a message; what is told meanwhile goes on from here, in the envelope that this gives."""
    if _Tracing.tracer is None or envelope.traceparent is None:
        return nullcontext(envelope)
    return _reading(_Tracing.tracer, queue, envelope)


def was_read(queue: str, headers: Mapping[str, object], began: datetime, ended: datetime) -> None:
    """The same of a message that was seen to in a batch, afterwards: a batch has no one place in a trace."""
    told = headers.get(TRACEPARENT)
    if _Tracing.tracer is None or not isinstance(told, str):
        return
    span = _Tracing.tracer.start_span(
        f"read {queue}",
        context=_propagator.extract({TRACEPARENT: told}),
        kind=SpanKind.CONSUMER,
        attributes=_of_queue(queue),
        start_time=_nanoseconds(began),
    )
    span.end(_nanoseconds(ended))


def traced(app: App) -> App:
    """The application, with its requests traced; as it is where tracing is off."""
    if _Tracing.tracer is not None:
        app.add_middleware(_Traced, tracer=_Tracing.tracer)
    return app


class _Traced:
    """A span for each request, named by its route and not by its path (ASGI middleware)."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get(TRACEPARENT)
        method = scope["method"] if scope["method"] in {"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"} else "_OTHER"
        with _span(self._tracer, method, SpanKind.SERVER, told, {"http.request.method": method}) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= _FAULTS:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, send_noted)
            if (route := _route(scope)) is not None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)


def _route(scope: Scope) -> str | None:
    """The path with the names of its parameters instead of what was said for them, and what it is mounted under."""
    own: str | None = getattr(scope.get("route"), "path", None)
    if own is None:
        return None
    said, parts = scope["path"].split("/"), own.split("/")
    return "/".join([*said[: len(said) - len(parts) + 1], *parts[1:]])


@contextmanager
def _reading(tracer: Tracer, queue: str, envelope: Envelope) -> Iterator[Envelope]:
    about = _of_queue(queue) | {"messaging.message.conversation_id": envelope.correlation_id}
    with _span(tracer, f"read {queue}", SpanKind.CONSUMER, envelope.traceparent, about):
        yield replace(envelope, traceparent=traceparent())


@contextmanager
def _span(tracer: Tracer, name: str, kind: SpanKind, parent: str | None, about: Mapping[str, str]) -> Iterator[Span]:
    """A span under `parent`, else under the current one. Of an error it keeps the name and not the words."""
    context = None if parent is None else _propagator.extract({TRACEPARENT: parent})
    with tracer.start_as_current_span(
        name, context=context, kind=kind, attributes=about, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _of_queue(queue: str) -> dict[str, str]:
    return {"messaging.system": "rabbitmq", "messaging.destination.name": queue, "messaging.operation.type": "process"}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
