"""Forward authentication: a proxy asks of every request whether the gate lets it through to an application."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import RedirectResponse

from services.gateway import problems
from services.gateway.entry import Entry
from services.gateway.openapi import documented
from services.gateway.pages.destinations import Destinations
from services.gateway.problems import Code, Problem
from services.gateway.sessions import Session

_NOT_SIGNED_IN = frozenset({Code.NO_SESSION, Code.STEP_UP_REQUIRED})

_HEADERS = {
    name: {"description": told, "schema": {"type": "string"}}
    for name, told in (
        ("Remote-User", "The username, in UTF-8"),
        ("Remote-Name", "What the user is called, in UTF-8"),
        ("Remote-Tenant", "The account that the user belongs to"),
        ("Remote-AMR", "The factors shown (RFC 8176), with commas between them"),
    )
}

_PARAMETERS = [
    {"name": name, "in": "header", "description": told, "schema": {"type": "string"}}
    for name, told in (
        ("X-Original-URL", "The address that was asked for, as nginx tells it"),
        ("X-Forwarded-Proto", "`https`"),
        ("X-Forwarded-Host", "The host that was asked for, as Traefik and Caddy tell it"),
        ("X-Forwarded-Uri", "Path and query"),
    )
]


def routes(entry: Entry, destinations: Destinations) -> APIRouter:
    """`/forward-auth`."""
    router = APIRouter(tags=["forward authentication"])

    @router.get(
        "/forward-auth",
        response_class=Response,
        responses={
            **documented(Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.ACCESS_DENIED, Code.UNAVAILABLE),
            200: {"description": "Signed in; who it is stands in the headers.", "headers": _HEADERS},
            302: {"description": "Not signed in; the way to the login, which ends where the browser wanted to go."},
        },
        openapi_extra={"parameters": _PARAMETERS},
    )
    async def forward_auth(request: Request) -> Response:
        """Let a request through to an application, or lead its browser to the login.

        Traefik and Caddy tell the address in `X-Forwarded-Proto`, `-Host` and `-Uri` and hand on the 302. nginx knows
        no redirect here: told the address in `X-Original-URL`, it is answered 401 with the same `Location`. An
        application that is not among those of `RETURN_TO` is refused, signed in or not. The login must be served at
        the host of the application, because cookies that begin with `__Host-` go to no other.
        """
        told = request.headers
        by_nginx = told.get("x-original-url")
        parts = (told.get(f"x-forwarded-{name}", "") for name in ("proto", "host", "uri"))
        address = by_nginx or "{}://{}{}".format(*parts)
        origin = destinations.origin(address)
        if origin is None:
            raise Problem(Code.ACCESS_DENIED, "This application is not one that the gate stands before.")
        try:
            return _let_through(await entry.session(request))
        except Problem as problem:
            if problem.code not in _NOT_SIGNED_IN:
                raise
            login = f"{origin}/login?return_to={quote(address, safe='')}"
            if by_nginx is not None:
                return problems.response(problem, {"Location": login})
            return RedirectResponse(login, status.HTTP_302_FOUND)

    return router


def _let_through(session: Session) -> Response:
    """Name the user to the application; whose name would break a header, or read as another's, is not let through."""
    told = {
        "Remote-User": session.username,
        "Remote-Name": session.display_name,
        "Remote-Tenant": session.tenant_id,
        "Remote-AMR": ",".join(session.amr),
    }
    if not all(value.isprintable() for value in told.values()):
        raise Problem(Code.ACCESS_DENIED, "The name of this user cannot be told to an application.")
    response = Response()
    # As bytes: UTF-8 is what proxies hand on, and the framework would write Latin-1 or fail.
    response.raw_headers.extend((name.lower().encode(), value.encode()) for name, value in told.items())
    return response
