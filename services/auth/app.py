"""Auth, composed: settings, store and handlers on the runtime that all services share."""

from starlette.applications import Starlette

from services.auth.cores import Cores
from services.auth.handlers import handlers
from services.auth.settings import AuthSettings
from services.auth.store import Store
from shared.contracts.vocabulary import Service
from shared.crypto.passwords import Passwords
from shared.crypto.sealing import Opener
from shared.runtime.clock import now
from shared.runtime.service import Runtime


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    settings = AuthSettings()
    opener = Opener(Service.AUTH, settings.sealing_private_key.get_secret_value().split(","))
    runtime = Runtime(Service.AUTH, settings)
    store = Store(runtime.database, runtime.outbox("users"))
    router = handlers(store, opener, Passwords(), Cores(settings.hashing_threads), now)
    return runtime.app(router, store.prepare)
