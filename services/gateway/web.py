"""The web side of the gateway: its addresses, what guards them, and the documentation of both."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from services.gateway import docs, problems
from services.gateway.conversation import Conversation
from services.gateway.cookies import Cookies
from services.gateway.guard import Guard
from services.gateway.routes import health, login, session
from shared.runtime.service import probes

_API = "/api/v1"


class Web(FastAPI):
    """FastAPI, with problems described in the media type that they have."""

    def openapi(self) -> dict[str, Any]:
        """The description of the API."""
        if self.openapi_schema is None:
            described = super().openapi()
            for operation in (o for methods in described["paths"].values() for o in methods.values()):
                problems.described(operation["responses"])
        return super().openapi()


def web(
    conversation: Conversation,
    missing: Callable[[], Awaitable[tuple[str, ...]]],
    *,
    cookie_secure: bool,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The gateway as HTTP has it."""
    app = Web(
        title="Wardgate",
        version="1",
        summary="Sign in with a password, and a second factor where an account enforces one.",
        openapi_url=f"{_API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        routes=[*probes()],
    )
    problems.install(app)
    app.add_middleware(Guard, secure=cookie_secure)

    cookies = Cookies(secure=cookie_secure)
    api = APIRouter(prefix=_API)
    api.include_router(login.routes(conversation, cookies))
    api.include_router(session.routes(conversation, cookies))

    @api.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()), headers={"content-security-policy": docs.POLICY})

    app.include_router(api)
    app.include_router(health.routes(conversation.caller, missing))
    return app
