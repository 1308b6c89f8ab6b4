"""Policy, composed: settings, store and handlers on the runtime that all services share."""

from starlette.applications import Starlette

from services.policy.handlers import handlers
from services.policy.store import Store
from shared.contracts.vocabulary import Service
from shared.runtime.clock import now
from shared.runtime.service import Runtime
from shared.runtime.settings import Settings


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    runtime = Runtime(Service.POLICY, Settings())
    store = Store(runtime.database, runtime.mongo.transaction, runtime.outbox("tenants"))
    return runtime.app(handlers(store, now), store.prepare)
