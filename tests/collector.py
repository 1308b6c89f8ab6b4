"""Takes what services export of their traces, as a collector of OpenTelemetry does: by OTLP over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ops.ports import LOOPBACK

OURS = "0af7651916cd43dd8448eb211c80319c"
PORTALS_SPAN = "b7ad6b7169203331"
PORTAL = f"00-{OURS}-{PORTALS_SPAN}-01"
"""What a portal says that traces its requests."""
WITHIN = 20.0


class Span(NamedTuple):
    service: str
    name: str
    trace: str
    id: str
    parent: str


class Collector:
    """Takes what is exported by OTLP over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.received: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()

    def spans(self) -> Iterator[Span]:
        for body in self.received:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {each.key: each.value.string_value for each in resource.resource.attributes}
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    yield Span(names["service.name"], span.name, *ids)

    async def until(self, names: set[tuple[str, str]]) -> list[Span]:
        """The spans of the portal's trace, when all of these are there and none lacks the one that it is a part of."""
        async with asyncio.timeout(WITHIN):
            while True:
                self._arrived.clear()
                spans = [span for span in self.spans() if span.trace == OURS]
                ids = {span.id for span in spans} | {PORTALS_SPAN}
                if names <= {(span.service, span.name) for span in spans} and all(span.parent in ids for span in spans):
                    return spans
                await self._arrived.wait()

    def take(self, body: bytes) -> None:
        """Keep what came, from whatever thread."""
        self.received.append(body)
        self._loop.call_soon_threadsafe(self._arrived.set)


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        collector = Collector(f"http://{LOOPBACK}:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
