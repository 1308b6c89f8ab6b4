"""The OpenAPI description: what the framework does not say of problems and cookies by itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.gateway.cookies import Cookies
from services.gateway.problems import MEANINGS, MEDIA_TYPE, Code

ANYWHERE = (
    f"Whatever is asked, the answer may also be `{Code.MALFORMED_HTTP}`, `{Code.HEAD_TOO_LARGE}`, "
    f"`{Code.TOO_SLOW}`, `{Code.METHOD_NOT_ALLOWED}` or `{Code.UNAVAILABLE}`."
)
"""What may happen at every address."""

_NEEDED = {Code.NO_SESSION: "session", Code.NO_LOGIN: "login"}
"""The cookie that an address needs is the one whose lack it may answer with."""


class ProblemView(BaseModel):
    """A problem (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    title: str
    status: int
    detail: str
    code: Code


class InvalidField(BaseModel):
    """One field of a body that is not as asked for."""

    field: str
    detail: str


class InvalidRequestView(ProblemView):
    """A body that is not of the form that is asked for: what is wrong with which field, and never its value."""

    errors: list[InvalidField]


class InvalidCodeView(ProblemView):
    """A code that was not accepted."""

    clock_skew_seconds: int | None = None
    """At enrollment only: how far the clock of the app is ahead of ours (behind: negative)."""
    enrollment_expired: bool | None = None
    """At enrollment only: the QR code is no longer good; loading the login gives a new one."""


_VIEWS: Mapping[Code, type[ProblemView]] = {
    Code.INVALID_REQUEST: InvalidRequestView,
    Code.INVALID_CODE: InvalidCodeView,
}


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The problems of an address, as its OpenAPI description names them."""
    documented: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status = int(MEANINGS[code].status)
        described = documented.setdefault(status, {"description": ""})
        described["description"] += f"{'; ' if described['description'] else ''}`{code}`: {MEANINGS[code].title}"
        described["model"] = _VIEWS.get(code, ProblemView)
    return documented


def completed(description: dict[str, Any], cookies: Cookies) -> None:
    """Complete a description that the framework made."""
    for operation in (o for methods in description["paths"].values() for o in methods.values()):
        answers = operation["responses"]
        _give_media_type(answers)
        told = " ".join(answer["description"] for answer in answers.values())
        operation["security"] = [{cookie: []} for code, cookie in _NEEDED.items() if f"`{code}`" in told]
    description["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": cookies.session.name},
        "login": {"type": "apiKey", "in": "cookie", "name": cookies.flow.name},
    }


def _give_media_type(answers: Mapping[str, dict[str, Any]]) -> None:
    """Give problems their own media type, where the framework knows one for all answers of an address."""
    views = {f"#/components/schemas/{view.__name__}" for view in {ProblemView} | set(_VIEWS.values())}
    for answer in answers.values():
        content = answer.get("content", {})
        if content.get("application/json", {}).get("schema", {}).get("$ref") in views:
            content[MEDIA_TYPE] = content.pop("application/json")
