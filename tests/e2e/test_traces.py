"""One request is one trace, through every service that has to do with it, and nothing secret is in it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ops.ports import LOOPBACK
from ops.stack import Stack
from tests.app import App
from tests.examples import CUSTOMER, Person
from tests.keys import Keys
from tests.system import System, Systems

SOMEBODY = Person("traced@customer-1.example", CUSTOMER, password="canary-of-a-password")
OURS = "0af7651916cd43dd8448eb211c80319c"
PORTALS_SPAN = "b7ad6b7169203331"
PORTAL = f"00-{OURS}-{PORTALS_SPAN}-01"
EXPECTED = {
    ("wardgate-gateway", "POST /api/v1/login"),
    ("wardgate-gateway", "ask verify-password.v1"),
    ("wardgate-auth", "read auth.verify-password.v1"),
    ("wardgate-policy", "read policy.login.succeeded.v1"),
    ("wardgate-enrollment", "read enrollment.enrollment.required.v1"),
    ("wardgate-gateway", "POST /api/v1/login/enrollment"),
    ("wardgate-enrollment", "read enrollment.confirm-enrollment.v1"),
    ("wardgate-policy", "read policy.enrollment.confirmed.v1"),
    ("wardgate-audit", "read audit.events"),
}
WITHIN = 20.0

pytestmark = pytest.mark.processes("services that are told to send their traces here")


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


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
async def traced(
    servers: Stack, systems: Systems, keys: Keys, tmp_path: Path, collector: Collector
) -> AsyncIterator[System]:
    """A system that sends traces, of all requests, every tenth of a second."""
    await systems.stop()
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    async with System.running(servers, keys, tmp_path, instances=1, **settings) as system:
        yield system


async def test_a_login_is_one_trace_through_all_services(traced: System, collector: Collector) -> None:
    await traced.hire(SOMEBODY)
    typed = {"username": SOMEBODY.username, "password": SOMEBODY.password}

    async with httpx.AsyncClient(base_url=f"{traced.gateways[0]}/api/v1", headers={"traceparent": PORTAL}) as portal:
        shown = (await portal.post("/login", json=typed)).json()
        app = App(shown["enrollment"]["otpauth_uri"])
        code = app.next_code()
        confirmed = (await portal.post("/login/enrollment", json={"code": code})).json()
        assert confirmed["state"] == "authenticated"
    spans = await collector.until(EXPECTED)

    begun = sorted(span.name for span in spans if span.parent == PORTALS_SPAN)
    assert begun == ["POST /api/v1/login", "POST /api/v1/login/enrollment"]
    exported = b"".join(collector.received)
    for secret in (
        SOMEBODY.password,
        SOMEBODY.username,
        code,
        shown["enrollment"]["secret"],
        *confirmed["recovery_codes"],
    ):
        assert secret.encode() not in exported


async def test_probes_are_not_traced(traced: System, collector: Collector) -> None:
    async with httpx.AsyncClient(base_url=traced.gateways[0], headers={"traceparent": PORTAL}) as portal:
        for probe in ("/healthz", "/readyz", "/metrics"):
            await portal.get(probe)
        await portal.get("/api/v1/session")
    spans = await collector.until({("wardgate-gateway", "GET /api/v1/session")})

    assert {span.name for span in spans} == {"GET /api/v1/session"}
