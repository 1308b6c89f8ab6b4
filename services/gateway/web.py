"""The web side of the gateway: its addresses, what guards them, and the documentation of both."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from services.gateway import docs, openapi, problems
from services.gateway.account import Account
from services.gateway.addresses import Addresses, Network
from services.gateway.conversation import Conversation
from services.gateway.cookies import Cookies
from services.gateway.entry import Entry
from services.gateway.guard import Guard
from services.gateway.hurry import Hurry
from services.gateway.pages.answers import Answers
from services.gateway.pages.destinations import Destinations
from services.gateway.pages.rendering import pages
from services.gateway.portal import Portal, Stores
from services.gateway.routes import authenticators, forward_auth, health, login, pages_files, session, sessions
from services.gateway.routes.pages_account import AccountPages
from services.gateway.routes.pages_changes import ChangesPages
from services.gateway.routes.pages_code import CodePage
from services.gateway.routes.pages_codes import CodesPage
from services.gateway.routes.pages_login import LoginPage
from services.gateway.routes.pages_security import SecurityPage
from services.gateway.routes.pages_setup import SetupPages
from shared.runtime.service import probes

_API = "/api/v1"


class Web(FastAPI):
    """FastAPI, with problems described in the media type that they have, and cookies where they are asked for."""

    def __init__(self, cookies: Cookies, **told: Any) -> None:
        """Describe these cookies."""
        super().__init__(**told)
        self._cookies = cookies

    def openapi(self) -> dict[str, Any]:
        """The description of the API."""
        if self.openapi_schema is None:
            openapi.completed(super().openapi(), self._cookies)
        return super().openapi()


@dataclass(frozen=True)
class Site:
    """How browsers reach the gateway, and where they may go from it."""

    secure: bool
    """Over https. Not so on a developer's own machine only."""
    destinations: Destinations
    trusted_proxies: Sequence[Network] = ()
    """Who may say from where a request comes."""


def web(
    conversation: Conversation,
    stores: Stores,
    missing: Callable[[], Awaitable[tuple[str, ...]]],
    site: Site,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The gateway as HTTP has it."""
    cookies = Cookies(secure=site.secure)
    app = Web(
        cookies,
        title="Wardgate",
        version="1",
        summary="Sign in with a password, and a second factor where an account enforces one.",
        description=openapi.ANYWHERE,
        openapi_url=f"{_API}/openapi.json",
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},  # ours is in `tracing`
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to http, behind a proxy too: a 307 has the password sent again in the clear
        lifespan=lifespan,
        routes=[*probes()],
    )
    answers = Answers(pages(), site.destinations, secure=site.secure)
    problems.install(app, answers.problem)
    app.add_middleware(Hurry)
    app.add_middleware(Guard, secure=site.secure, answer=answers.problem)
    app.add_middleware(Addresses, trusted=site.trusted_proxies)

    entry, account = Entry(conversation, cookies), Account(conversation)
    api = APIRouter(prefix=_API)
    api.include_router(login.routes(entry))
    api.include_router(session.routes(entry, account))
    api.include_router(sessions.routes(entry))
    api.include_router(authenticators.routes(entry, account))
    api.include_router(authenticators.recovery_routes(entry, account))
    api.include_router(forward_auth.routes(entry, site.destinations))

    @api.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()), headers={"content-security-policy": docs.POLICY})

    app.include_router(api)
    portal = Portal(entry, answers, stores.unkept, stores.tenants)
    for page in (LoginPage, SetupPages, CodePage, CodesPage, AccountPages, SecurityPage, ChangesPages):
        app.include_router(page(portal).routes())
    app.include_router(pages_files.routes(answers.pages.assets))
    app.include_router(health.routes(conversation.caller, missing))
    return app
