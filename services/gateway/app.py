"""The gateway, composed: settings, conversation and pages on the runtime that all services share."""

import structlog
from fastapi import FastAPI

from services.gateway.conversation import Conversation, Lifetimes
from services.gateway.failures import Failures
from services.gateway.flows import Flows
from services.gateway.handlers import handlers
from services.gateway.hurry import Hurried
from services.gateway.pages.destinations import Destinations
from services.gateway.portal import Stores
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.gateway.shut_out import shutting_out
from services.gateway.tenants import Tenants
from services.gateway.unkept import Unkept
from services.gateway.web import Site, web
from shared.contracts.vocabulary import Service
from shared.crypto.sealing import Opener, Sealer
from shared.runtime.clock import now
from shared.runtime.service import Runtime
from shared.runtime.tracing import traced

_log = structlog.get_logger(__name__)


def app() -> FastAPI:
    """The gateway, from its environment."""
    settings = GatewaySettings()
    runtime = Runtime(Service.GATEWAY, settings)
    flows = Flows(runtime.database, now)
    sessions = Sessions(runtime.database, now, settings.session_idle)
    failures = Failures(runtime.database, now, settings.failures_per_address, settings.failures_within)
    conversation = Conversation(
        Hurried(runtime.caller(settings.patience), settings.patience),
        Sealer(settings.sealing_public_keys),
        Opener(Service.GATEWAY, settings.sealing_private_key.get_secret_value().split(",")),
        flows,
        sessions,
        failures,
        Lifetimes(settings.flow_ttl, settings.session_ttl),
        now,
        runtime.tell,
    )

    unkept = Unkept(runtime.database, conversation.sealer, conversation.opener, now)
    tenants = Tenants(runtime.database, now)

    async def prepare() -> None:
        await flows.prepare()
        await sessions.prepare()
        await failures.prepare()
        await unkept.prepare()

    if not settings.cookie_secure:
        _log.warning("COOKIE_SECURE=false: cookies travel in the clear, so the API answers at localhost only")
    app = web(
        conversation,
        Stores(unkept, tenants),
        runtime.missing,
        Site(settings.cookie_secure, Destinations(settings.return_to), settings.trusted_proxies),
        runtime.lifespan(handlers(sessions, tenants, shutting_out(conversation)), prepare),
    )
    return traced(app)
