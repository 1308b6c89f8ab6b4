"""Audit, composed: settings, store and handlers on the runtime that all services share."""

from starlette.applications import Starlette

from services.audit.handlers import handlers
from services.audit.store import Store
from shared.contracts.vocabulary import Service
from shared.runtime.clock import now
from shared.runtime.service import Runtime
from shared.runtime.settings import Settings


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    runtime = Runtime(Service.AUDIT, Settings())
    store = Store(runtime.database)
    return runtime.app(handlers(store, now), store.prepare)
