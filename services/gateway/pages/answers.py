"""How the pages answer a browser: with a page in its language, the way to the next one, or what went wrong."""

from collections.abc import Mapping
from dataclasses import replace

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.status import HTTP_303_SEE_OTHER
from starlette.types import Scope

from services.gateway import problems
from services.gateway.pages import flash
from services.gateway.pages.destinations import Destinations
from services.gateway.pages.headers import page_headers
from services.gateway.pages.languages import Language
from services.gateway.pages.notices import Notice, Told
from services.gateway.pages.rendering import Frame, Pages
from services.gateway.pages.views import NO_BRAND, Brand, Cause, Trouble, View
from services.gateway.problems import MEANINGS, Code, Problem

_YEAR = 365 * 24 * 3600
_CAUSES: Mapping[Code, Cause] = {
    Code.NOT_FOUND: Cause.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: Cause.NOT_FOUND,
    Code.ACCESS_DENIED: Cause.FORBIDDEN,
    Code.NOT_LOCALHOST: Cause.FORBIDDEN,
    Code.CROSS_SITE: Cause.CROSS_SITE,
    Code.TOO_LARGE: Cause.TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE: Cause.MALFORMED,
    Code.INVALID_REQUEST: Cause.MALFORMED,
    Code.UNAVAILABLE: Cause.UNAVAILABLE,
}
_ASK_TO_SIGN_IN: Mapping[Code, Notice] = {
    Code.NO_SESSION: Notice.SESSION_OVER,
    Code.STEP_UP_REQUIRED: Notice.FACTOR_NEEDED,
    Code.NO_LOGIN: Notice.FLOW_OVER,
}


class Answers:
    """Everything that the pages say to a browser."""

    def __init__(self, pages: Pages, destinations: Destinations, *, secure: bool) -> None:
        """Over https; or, with `secure` off, on a developer's own machine."""
        self.pages = pages
        self.destinations = destinations
        self._secure = secure
        self._headers = page_headers(leads_to=destinations.origins)
        prefix = "__Host-" if secure else ""
        self._flash = f"{prefix}wardgate_notice"
        self._goal = f"{prefix}wardgate_return_to"
        self._language = "wardgate_language"

    def left(self, request: Request) -> flash.Flash:
        """What the request before has left to be said."""
        return flash.read(request.cookies.get(self._flash))

    def page(
        self, request: Request, view: View, brand: Brand = NO_BRAND, *, signed_in: bool = False, status: int = 200
    ) -> Response:
        """A page, which says what was left to be said unless it has something to say itself."""
        if view.told is None:
            view = replace(view, told=self.left(request).told)
        query = tuple(request.query_params.multi_items())
        frame = Frame(self.language(request), request.url.path, query, brand, signed_in)
        response = HTMLResponse(self.pages.render(view, frame), status, self._headers)
        if request.cookies.get(self._flash) is not None:
            self._end(response, self._flash)
        asked = request.query_params.get("lang", "")
        if asked in self.pages.languages:
            self._give(response, self._language, asked, _YEAR)
        return response

    def go(self, to: str, told: Told | None = None, username: str = "") -> RedirectResponse:
        """The way to another page, which says `told`. By GET always: a reload sends nothing anew."""
        response = RedirectResponse(to, HTTP_303_SEE_OTHER, self._headers)
        if told is not None:
            self._give(response, self._flash, flash.written(told, username), 60)
        return response

    def arrive(self, request: Request, told: Told | None = None, return_to: str | None = None) -> RedirectResponse:
        """The way to where the browser wanted to go when it was asked to sign in; what was left to be said is over."""
        goals = (self.destinations.allowed(address) for address in (return_to, request.cookies.get(self._goal)))
        response = self.go(next(filter(None, goals), "/"), told)
        if self._goal in request.cookies:
            self._end(response, self._goal)
        if told is None and self._flash in request.cookies:
            self._end(response, self._flash)
        return response

    def remember_goal(self, response: Response, return_to: str | None) -> None:
        """Note where a browser wants to go after it has signed in, if it may be sent there."""
        if goal := self.destinations.allowed(return_to):
            self._give(response, self._goal, goal, 900)

    def problem(self, scope: Scope, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
        """What went wrong: as a page for a person, in JSON for a program."""
        request = Request(scope)
        if scope["path"].startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return problems.response(problem, headers)
        if notice := _ASK_TO_SIGN_IN.get(problem.code):
            had_one = any("wardgate_session" in name for name in request.cookies)
            return self.go("/login", Told(notice) if had_one or scope["path"] != "/" else None)
        view = Trouble(cause=_CAUSES.get(problem.code, Cause.BROKEN))
        response = self.page(request, view, status=MEANINGS[problem.code].status)
        response.headers.update({**(problem.headers or {}), **(headers or {})})
        return response

    def language(self, request: Request) -> Language:
        """The language that a browser is answered in."""
        return self.pages.choose(
            request.query_params.get("lang"),
            request.cookies.get(self._language),
            request.headers.get("accept-language"),
        )

    def _give(self, response: Response, name: str, value: str, max_age: int) -> None:
        response.set_cookie(name, value, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _end(self, response: Response, name: str) -> None:
        self._give(response, name, "", 0)
