"""One request is one trace, through every service that has to do with it, and nothing secret is in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ops.stack import Stack
from tests.app import App
from tests.collector import PORTAL, PORTALS_SPAN, Collector, collecting
from tests.examples import CUSTOMER, Person
from tests.keys import Keys
from tests.system import System, Systems

SOMEBODY = Person("traced@customer-1.example", CUSTOMER, password="canary-of-a-password")
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

pytestmark = pytest.mark.processes("services that are told to send their traces here")


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
