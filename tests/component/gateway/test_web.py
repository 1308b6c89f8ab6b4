"""What holds for every address: forms, methods, media types, sizes, other sites, headers, documentation, readiness."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.gateway.guard import LARGEST_BODY
from services.gateway.problems import MEANINGS, Code
from shared.contracts.auth import VerifyPassword
from shared.contracts.enrollment import VerifyOtp
from shared.contracts.message import Command
from shared.contracts.readiness import (
    ReadinessReported,
    ReportAuthReadiness,
    ReportEnrollmentReadiness,
    ReportPolicyReadiness,
)
from shared.contracts.vocabulary import Service
from tests.component.gateway.conftest import Login, World, client
from tests.component.gateway.test_login import problem

CANARY = "hunter2-the-canary"
LOGIN = "/api/v1/login"
REPORTS: tuple[type[Command], ...] = (ReportAuthReadiness, ReportPolicyReadiness, ReportEnrollmentReadiness)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (LOGIN, {"username": "ada"}, "password"),
        (LOGIN, {"password": CANARY}, "username"),
        (LOGIN, {"username": "ada", "password": 5}, "password"),
        (LOGIN, {"username": "ada", "password": ""}, "password"),
        (LOGIN, {"username": "ada", "password": CANARY * 100}, "password"),
        (LOGIN, {"username": CANARY * 100, "password": "x"}, "username"),
        (LOGIN, {"username": [CANARY], "password": "x"}, "username"),
        (LOGIN, {"username": "ada", "password": "x", CANARY: "x"}, "body"),
        (LOGIN, [CANARY], "body"),
        (LOGIN, CANARY, "body"),
        (f"{LOGIN}/otp", {"code": 123456}, "code"),
        (f"{LOGIN}/otp", {"code": CANARY * 100}, "code"),
        (f"{LOGIN}/otp", {"code": "123456", "method": CANARY}, "method"),
        (f"{LOGIN}/enrollment", {}, "code"),
    ],
)
async def test_an_invalid_form_names_the_field_and_never_the_value(
    browser: httpx.AsyncClient, logs: list[Any], path: str, body: Any, field: str
) -> None:
    response = await browser.post(path, json=body)

    assert problem(response) == (422, "invalid_request")
    assert field in {error["field"] for error in response.json()["errors"]}
    assert CANARY not in response.text
    assert CANARY not in repr(logs)


@pytest.mark.parametrize("body", [b"{" + CANARY.encode(), b"\xff" + CANARY.encode(), b"[" * 60_000, b""])
async def test_what_is_not_json_is_invalid_and_not_echoed(
    browser: httpx.AsyncClient, logs: list[Any], body: bytes
) -> None:
    response = await browser.post(LOGIN, content=body, headers={"content-type": "application/json"})

    assert problem(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == ["body"]
    assert CANARY not in response.text
    assert CANARY not in repr(logs)


async def test_what_is_no_id_is_named_and_not_echoed(browser: httpx.AsyncClient) -> None:
    response = await browser.delete(f"/api/v1/authenticators/{CANARY}")

    assert problem(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == ["authenticator_id"]
    assert CANARY not in response.text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
async def test_only_json_is_taken(browser: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"content-type": media_type}

    response = await browser.post(LOGIN, content=b'{"username": "ada", "password": "x"}', headers=headers)

    assert problem(response) == (415, "unsupported_media_type")


async def test_a_form_of_another_page_cannot_even_skip(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    await log_in(world.enrollment_started)

    response = await browser.post(
        f"{LOGIN}/enrollment/skip", headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert problem(response) == (415, "unsupported_media_type")


async def test_a_body_that_is_told_to_be_too_large_is_not_read(browser: httpx.AsyncClient) -> None:
    response = await browser.post(
        LOGIN, content=b"x" * (LARGEST_BODY + 1), headers={"content-type": "application/json"}
    )

    assert problem(response) == (413, "too_large")


async def test_a_body_that_does_not_tell_its_length_is_counted(browser: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 1024 + 1):
            yield b"x" * 1024

    response = await browser.post(LOGIN, content=chunks(), headers={"content-type": "application/json"})

    assert problem(response) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/nowhere", 404, "not_found"), (LOGIN, 405, "method_not_allowed")]
)
async def test_what_is_not_there_is_a_problem_too(
    browser: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await browser.put(path, json={})

    assert problem(response) == (status, code)
    assert response.headers.get("allow") == ("DELETE, GET, HEAD, POST" if status == 405 else None)


@pytest.mark.parametrize("path", ["/healthz", "/login", "/", "/api/v1/docs", LOGIN, "/api/v1/session", "/nowhere"])
async def test_whoever_asks_for_the_head_alone_is_told_what_he_would_be_told_anyway(
    browser: httpx.AsyncClient, path: str
) -> None:
    whole = await browser.get(path)

    head = await browser.head(path)

    assert head.status_code == whole.status_code
    assert head.headers == whole.headers


async def test_a_head_is_no_way_to_what_is_only_posted(browser: httpx.AsyncClient) -> None:
    response = await browser.head(f"{LOGIN}/otp")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", [f"{LOGIN}/", "/api/v1/session/", "/login/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_is_led_from_https_to_http_by_a_slash_too_many_with_the_password_he_sends(
    browser: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await browser.request(method, path, json={"username": "ada", "password": CANARY})

    assert problem(response) == (404, "not_found")
    assert "location" not in response.headers


async def test_a_mistake_of_ours_is_logged_and_not_shown(world: World, log_in: Login, logs: list[Any]) -> None:
    def mistake(_: Command) -> Any:
        raise RuntimeError("the inside of the house")

    response = await log_in(mistake)

    assert problem(response) == (500, "internal_error")
    assert "house" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["unexpected"]
    assert world.sessions.kept == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", LOGIN), ("DELETE", LOGIN), ("DELETE", "/api/v1/session")])
async def test_another_site_can_do_nothing_in_the_name_of_a_user(
    browser: httpx.AsyncClient, headers: dict[str, str], method: str, path: str
) -> None:
    response = await browser.request(method, path, headers=headers)

    assert problem(response) == (403, "cross_site")


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": "https://portal.example"}],
)
async def test_the_portal_itself_and_programs_are_heard(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await browser.delete(LOGIN, headers=headers)).status_code == 204


async def test_pages_of_other_origins_may_read_nothing(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/api/v1/session", headers={"origin": "https://evil.example"})

    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["portal.example", "evil.example:8080", "127.0.0.1.evil.example", "evil.localhost", "", "[::"]
)
async def test_without_secure_cookies_the_api_answers_at_localhost_only(world: World, host: str) -> None:
    async with client(world.app(cookie_secure=False), "http://127.0.0.1:8080") as browser:
        response = await browser.get("/api/v1/session", headers={"host": host})

    assert problem(response) == (403, "not_localhost")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
async def test_localhost_has_several_names(world: World, host: str) -> None:
    async with client(world.app(cookie_secure=False), "http://127.0.0.1:8080") as browser:
        response = await browser.get("/api/v1/session", headers={"host": host})

    assert problem(response) == (401, "no_session")
    assert "strict-transport-security" not in response.headers


async def test_nothing_is_cached_framed_or_guessed(world: World, log_in: Login, browser: httpx.AsyncClient) -> None:
    for response in (await log_in(world.enrollment_started), await browser.get("/api/v1/session")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "max-age" in response.headers["strict-transport-security"]


async def test_codes_passwords_and_tokens_are_in_no_log(
    world: World, log_in: Login, browser: httpx.AsyncClient, logs: list[Any]
) -> None:
    await log_in(world.otp_required)
    await browser.post(f"{LOGIN}/otp", json={"code": CANARY})
    world.caller.answers(VerifyOtp, lambda asked: world.granted(asked, flow_id="another"))
    await browser.post(f"{LOGIN}/otp", json={"code": CANARY})

    assert len(logs) >= 2
    assert CANARY not in repr(logs)
    assert not [token for token in browser.cookies.values() if token in repr(logs)]


async def test_the_api_is_described_for_programs(browser: httpx.AsyncClient) -> None:
    described = (await browser.get("/api/v1/openapi.json")).json()

    assert {(method.upper(), path) for path, methods in described["paths"].items() for method in methods} >= {
        ("POST", LOGIN),
        ("GET", LOGIN),
        ("DELETE", LOGIN),
        ("POST", f"{LOGIN}/enrollment"),
        ("POST", f"{LOGIN}/enrollment/skip"),
        ("POST", f"{LOGIN}/otp"),
        ("GET", "/api/v1/session"),
        ("DELETE", "/api/v1/session"),
    }
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400" and "model" not in answer and "Readiness" not in str(answer):
                    assert list(answer["content"]) == ["application/problem+json"]


async def test_the_description_says_where_a_cookie_is_needed(world: World) -> None:
    described = world.app(cookie_secure=False).openapi()

    def needed(method: str, path: str) -> list[dict[str, list[str]]]:
        found: list[dict[str, list[str]]] = described["paths"][path][method]["security"]
        return found

    assert described["components"]["securitySchemes"]["session"]["name"] == "wardgate_session"
    assert needed("get", "/api/v1/session") == needed("post", "/api/v1/authenticators") == [{"session": []}]
    assert needed("post", f"{LOGIN}/otp") == [{"login": []}]
    assert needed("post", LOGIN) == needed("delete", "/api/v1/session") == []


async def test_the_documentation_is_one_page_that_needs_nothing_from_elsewhere(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/api/v1/docs")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script" not in response.text
    assert "//" not in response.text.replace("<!doctype", "")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    for code in Code:
        assert f'id="{code}"' in response.text


def test_every_problem_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)


async def test_a_gateway_is_alive_without_asking_anybody(world: World, browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/healthz")).status_code == 200
    assert world.caller.asked == []


async def test_it_is_ready_when_all_services_answer(world: World, browser: httpx.AsyncClient) -> None:
    for report in REPORTS:
        world.caller.answers(report, lambda asked: ready(asked, world))

    response = await browser.get("/readyz")

    assert (response.status_code, response.json()) == (200, {"missing": []})


async def test_it_says_what_is_missing(world: World, browser: httpx.AsyncClient) -> None:
    world.missing = ("mongodb",)
    world.caller.answers(ReportAuthReadiness, lambda asked: ready(asked, world))
    world.caller.answers(ReportPolicyReadiness, lambda asked: ready(asked, world, "mongodb"))

    response = await browser.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"missing": ["mongodb", "policy: mongodb", "enrollment"]}


async def test_a_password_of_the_greatest_length_fits_through_the_seal(
    world: World, browser: httpx.AsyncClient
) -> None:
    world.caller.answers(VerifyPassword, world.otp_required)
    password = "\N{SNOWMAN WITHOUT SNOW}" * 1024

    response = await browser.post(LOGIN, json={"username": "ada", "password": password})

    assert response.status_code == 200
    assert world.opened(world.caller.asked[0], "password") == password


def ready(asked: Any, world: World, *missing: str) -> ReadinessReported:
    service = Service(asked.to)
    return ReadinessReported(occurred_at=world.clock(), flow_id=asked.flow_id, service=service, missing=missing)
