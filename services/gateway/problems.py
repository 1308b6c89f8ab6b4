"""Problems: everything that can go wrong, as browsers are told it (RFC 9457). No other room says which status one has.

But for what a connection refuses before any application is asked: `shared.runtime.connections`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from shared.runtime.messaging import Unreachable
from shared.runtime.mongo import PyMongoError

_log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPES = "/api/v1/docs#"
"""Where the documentation tells of each code."""


class Code(StrEnum):
    """The stable name of a problem: what a program may decide by."""

    INVALID_CREDENTIALS = "invalid_credentials"
    INVALID_CODE = "invalid_code"
    NO_SESSION = "no_session"
    STEP_UP_REQUIRED = "step_up_required"
    ACCESS_DENIED = "access_denied"
    CROSS_SITE = "cross_site"
    NOT_LOCALHOST = "not_localhost"
    FRESH_CODE_REQUIRED = "fresh_code_required"
    NO_LOGIN = "no_login"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    WRONG_STATE = "wrong_state"
    ENROLLMENT_REQUIRED = "enrollment_required"
    LAST_AUTHENTICATOR = "last_authenticator"
    TOO_MANY_AUTHENTICATORS = "too_many_authenticators"
    NAME_TAKEN = "name_taken"
    MALFORMED_HTTP = "malformed_http"
    HEAD_TOO_LARGE = "head_too_large"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_REQUEST = "invalid_request"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    INTERNAL_ERROR = "internal_error"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Meaning:
    """What a code means: its status, its name for people, and what a person can do about it."""

    status: HTTPStatus
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


MEANINGS: Mapping[Code, Meaning] = {
    Code.INVALID_CREDENTIALS: Meaning(
        HTTPStatus.UNAUTHORIZED,
        "Wrong username or password",
        "The username or the password is wrong, or this user may not sign in.",
    ),
    Code.INVALID_CODE: Meaning(
        HTTPStatus.UNAUTHORIZED,
        "Wrong code",
        "The code is wrong, has expired or was used already. Wait for the next one and try again.",
    ),
    Code.NO_SESSION: Meaning(HTTPStatus.UNAUTHORIZED, "Not signed in", "Nobody is signed in here, or no longer."),
    Code.STEP_UP_REQUIRED: Meaning(
        HTTPStatus.UNAUTHORIZED,
        "A second factor is required",
        "Your organisation requires a second factor now. Sign in again.",
    ),
    Code.ACCESS_DENIED: Meaning(HTTPStatus.FORBIDDEN, "Access denied", "No policy lets this user in."),
    Code.CROSS_SITE: Meaning(
        HTTPStatus.FORBIDDEN, "Another site asked", "This request was made by a page of another site."
    ),
    Code.NOT_LOCALHOST: Meaning(
        HTTPStatus.FORBIDDEN,
        "For this machine only",
        "Cookies are not secured (COOKIE_SECURE=false), so this gateway answers at localhost alone.",
    ),
    Code.FRESH_CODE_REQUIRED: Meaning(
        HTTPStatus.FORBIDDEN,
        "A fresh code is required",
        "This needs a code that is no older than five minutes. Step up with one, then ask again.",
    ),
    Code.NO_LOGIN: Meaning(HTTPStatus.NOT_FOUND, "No login", "No login is in progress here, or it is over."),
    Code.NOT_FOUND: Meaning(HTTPStatus.NOT_FOUND, "Not found", "There is nothing at this address."),
    Code.METHOD_NOT_ALLOWED: Meaning(
        HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed", "This address does not answer this method."
    ),
    Code.WRONG_STATE: Meaning(
        HTTPStatus.CONFLICT,
        "Not at this point of the login",
        "The login waits for another step. Load it again to see which.",
    ),
    Code.ENROLLMENT_REQUIRED: Meaning(
        HTTPStatus.CONFLICT, "Enrollment is required", "An authenticator app must be set up to go on."
    ),
    Code.LAST_AUTHENTICATOR: Meaning(
        HTTPStatus.CONFLICT,
        "The last authenticator",
        "An authenticator app is required here, so the last one can only be replaced: add the new one first.",
    ),
    Code.TOO_MANY_AUTHENTICATORS: Meaning(
        HTTPStatus.CONFLICT, "Too many authenticators", "There can be five authenticator apps at most."
    ),
    Code.NAME_TAKEN: Meaning(HTTPStatus.CONFLICT, "The name is taken", "Another authenticator app has this name."),
    Code.MALFORMED_HTTP: Meaning(
        HTTPStatus.BAD_REQUEST, "Not HTTP", "This is not HTTP as a server can read it.", {"Connection": "close"}
    ),
    Code.HEAD_TOO_LARGE: Meaning(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Head too large",
        "The address and the headers are larger than anything that is asked for here.",
    ),
    Code.TOO_SLOW: Meaning(HTTPStatus.REQUEST_TIMEOUT, "Too slow", "The request did not come to its end in time."),
    Code.TOO_LARGE: Meaning(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too large", "The body is larger than anything that is asked for here."
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: Meaning(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON only", "The body must be JSON, with Content-Type: application/json."
    ),
    Code.INVALID_REQUEST: Meaning(
        HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid request", "The body is not of the form that is asked for."
    ),
    Code.TOO_MANY_ATTEMPTS: Meaning(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many attempts",
        "Too many attempts have failed. Wait, then try again.",
        {"Retry-After": "86400"},
    ),
    Code.INTERNAL_ERROR: Meaning(
        HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error", "Something is wrong on our side. It has been logged."
    ),
    Code.UNAVAILABLE: Meaning(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Unavailable",
        "Something behind this gateway did not answer in time. Nothing was lost: try again.",
        {"Retry-After": "2"},
    ),
}

_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: Code.INVALID_REQUEST,
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Code.METHOD_NOT_ALLOWED,
}
"""What the framework says by itself."""


class Problem(HTTPException):
    """Ends a request with a problem. The framework lets its own kind pass, even out of the reading of a body."""

    def __init__(
        self, code: Code, detail: str | None = None, *, retry_after: int | None = None, **members: Any
    ) -> None:
        """Say more than the code does in `detail`, for people, and in `members`, for programs. Never a value sent."""
        meaning = MEANINGS[code]
        told = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(meaning.status, detail or meaning.detail, {**meaning.headers, **told})
        self.code = code
        self.members = members


def response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as HTTP answers it."""
    meaning = MEANINGS[problem.code]
    return JSONResponse(
        {
            "type": TYPES + problem.code,
            "title": meaning.title,
            "status": meaning.status,
            "detail": problem.detail,
            "code": problem.code,
            **problem.members,
        },
        meaning.status,
        {**(problem.headers or {}), **(headers or {})},
        MEDIA_TYPE,
    )


Answer = Callable[[Scope, Problem, Mapping[str, str] | None], Response]
"""Says a problem to whoever asked: as a page to a person, in JSON to a program."""


def install(app: FastAPI, answer: Answer) -> None:
    """Answer with a problem whatever goes wrong."""

    @app.exception_handler(Problem)
    async def problem(request: Request, problem: Problem) -> Response:
        return answer(request.scope, problem, None)

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, raised: HTTPException) -> Response:
        match _OF_STATUS.get(HTTPStatus(raised.status_code), Code.INTERNAL_ERROR):
            case Code.INVALID_REQUEST as code:
                return answer(request.scope, Problem(code, errors=[_NOT_JSON]), None)
            case Code.METHOD_NOT_ALLOWED as code:
                return answer(request.scope, Problem(code), {"Allow": ", ".join(_allowed(request))})
            case code:
                return answer(request.scope, Problem(code), raised.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_invalid_field(found) for found in error.errors()]
        return answer(request.scope, Problem(Code.INVALID_REQUEST, errors=errors), None)

    @app.exception_handler(Unreachable)
    async def unreachable(request: Request, reason: Unreachable) -> Response:
        _log.warning("unavailable", reason=str(reason))
        return answer(request.scope, Problem(Code.UNAVAILABLE), None)

    @app.exception_handler(PyMongoError)
    async def without_database(request: Request, error: PyMongoError) -> Response:
        _log.warning("unavailable", reason=type(error).__name__)
        return answer(request.scope, Problem(Code.UNAVAILABLE), None)


def _allowed(request: Request) -> list[str]:
    """The methods that this address answers. The framework names those of the first route alone that it finds there."""
    routes = request.app.router.routes
    return [
        method
        for method, asked in _METHODS.items()
        if any(route.matches({**request.scope, "method": asked})[0] is Match.FULL for route in routes)
    ]


_METHODS = {"DELETE": "DELETE", "GET": "GET", "HEAD": "GET", "PATCH": "PATCH", "POST": "POST"}
"""What may be asked, and as what it comes to the routes."""


_NOT_JSON = {"field": "body", "detail": "This is not JSON"}


def _invalid_field(found: Mapping[str, Any]) -> dict[str, str]:
    """Name the field. Its value may be a password, and so may be the name of a field that nobody asked for."""
    match found:
        case {"type": "extra_forbidden"}:
            return {"field": "body", "detail": "There is a field that is not asked for"}
        case {"type": "json_invalid"}:
            return _NOT_JSON
        case {"loc": ("path", str(name))}:
            return {"field": name, "detail": "This is not an id"}
        case {"loc": ("body", str(name), *_), "msg": str(detail)}:
            return {"field": name, "detail": detail}
        case _:
            return {"field": "body", "detail": "An object is asked for"}
