"""Auth, composed: settings, store and handlers on the runtime that all services share."""

import structlog
from starlette.applications import Starlette

from services.auth.cores import Cores
from services.auth.domain.attempts import ledger_key
from services.auth.handlers import Books, handlers
from services.auth.settings import AuthSettings
from services.auth.store import Ledgers, Store
from shared.contracts.vocabulary import Service
from shared.crypto.passwords import CHEAP, OWASP, Parameters, Passwords
from shared.crypto.sealing import Opener
from shared.runtime.clock import now
from shared.runtime.service import Runtime

_log = structlog.get_logger(__name__)


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    settings = AuthSettings()
    private_keys = settings.sealing_private_key.get_secret_value().split(",")
    runtime = Runtime(Service.AUTH, settings)
    store = Store(runtime.database, runtime.outbox("users"))
    ledgers = Ledgers(runtime.database, runtime.outbox("attempts"), now)
    books = Books(store, ledgers, ledger_key(private_keys[0]))
    passwords = Passwords(_cost(settings))
    router = handlers(books, Opener(Service.AUTH, private_keys), passwords, Cores(settings.hashing_threads), now)

    async def prepare() -> None:
        await store.prepare()
        await ledgers.prepare()

    return runtime.app(router, prepare)


def _cost(settings: AuthSettings) -> Parameters:
    if settings.benchmark_cheap_hash != "1":
        return OWASP
    _log.warning("BENCHMARK_CHEAP_HASH=1: passwords are hashed so cheaply that whoever reads the database has them")
    return CHEAP
