"""The guard: what is asked of every request before it is looked at, and what every answer carries."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.problems import Answer, Code, Problem

_log = structlog.get_logger(__name__)

LARGEST_BODY = 64 * 1024
"""Bytes; the largest form that anybody fills in is a fifth of that."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines, which call this one by whatever name they know, and carry no cookie."""
_HTTPS_ONLY = {"strict-transport-security": "max-age=31536000"}


class Guard:
    """Stands before the application (ASGI middleware)."""

    def __init__(self, app: ASGIApp, *, secure: bool, answer: Answer) -> None:
        """With `secure` off, let nobody in who does not come by the name of localhost."""
        self._app = app
        self._secure = secure
        self._answer = answer
        self._headers: Mapping[str, str] = {**_HEADERS, **_HTTPS_ONLY} if secure else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here. What nobody has caught ends here too."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _as_answered(scope)
        started, length = False, 0

        async def receive_bounded() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > LARGEST_BODY:
                raise Problem(Code.TOO_LARGE)
            return message

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refused = self._refused(scope)
            app = self._app if refused is None else self._answer(scope, Problem(refused), None)
            await app(scope, receive_bounded, send_guarded)
        except ClientDisconnect:
            _log.info("the client has gone before its request was there")
        except Exception:
            _log.exception("unexpected", path=scope["path"])
            if started:
                raise
            await self._answer(scope, Problem(Code.INTERNAL_ERROR), None)(scope, receive, send_guarded)

    def _refused(self, scope: Scope) -> Code | None:
        headers = Headers(scope=scope)
        if _is_malformed(scope["http_version"], headers):
            return Code.MALFORMED_HTTP
        if not self._secure and scope["path"] not in _PROBES and not _is_localhost(headers.get("host", "")):
            return Code.NOT_LOCALHOST
        return None if scope["method"] in _SAFE else _refused_change(scope, headers)


def _as_answered(scope: Scope) -> Scope:
    """Whoever asks for the head alone is told what a GET is told (RFC 9110, 9.3.2); the server leaves the body out."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _refused_change(scope: Scope, headers: Headers) -> Code | None:
    """What is wrong with a request that may change something."""
    if _is_cross_site(headers):
        return Code.CROSS_SITE
    if not _length(headers) <= LARGEST_BODY:
        return Code.TOO_LARGE
    if scope["path"].startswith("/api/") and _has_another_type(headers):
        return Code.UNSUPPORTED_MEDIA_TYPE
    return None


@lru_cache
def _is_localhost(host: str) -> bool:
    """Whether a browser means this machine. An attacker's name that resolves to 127.0.0.1 does not (DNS rebinding)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_cross_site(headers: Headers) -> bool:
    """Whether a page of another site makes this request in the name of whoever has our cookie (CSRF).

    Browsers tell by `Sec-Fetch-Site`, older ones by `Origin`. Programs that are not browsers tell neither, and have
    nobody else's cookie.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _is_malformed(version: str, headers: Headers) -> bool:
    """Whether this is another HTTP, or a proxy may see it end elsewhere than we do (smuggling; RFC 9112, 6.3)."""
    if "transfer-encoding" in headers and ("content-length" in headers or version == "1.0"):
        return True
    return version not in {"1.0", "1.1"}


def _length(headers: Headers) -> float:
    """What the request says of its length; one that is sent in chunks is counted where it is read."""
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() else float("inf")


def _has_another_type(headers: Headers) -> bool:
    """Whether the body is something else than JSON: what a form on a page of another site can send at most."""
    told = headers.get("content-type")
    if told is None:
        return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return told.partition(";")[0].strip().lower() != "application/json"
