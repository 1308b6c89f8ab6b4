"""Auth, composed: settings, store and handlers on the runtime that all services share."""

from starlette.applications import Starlette

from services.auth.cores import Cores
from services.auth.domain.attempts import ledger_key
from services.auth.handlers import Books, handlers
from services.auth.settings import AuthSettings
from services.auth.store import Ledgers, Store
from shared.contracts.vocabulary import Service
from shared.crypto.passwords import Passwords
from shared.crypto.sealing import Opener
from shared.runtime.clock import now
from shared.runtime.service import Runtime


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    settings = AuthSettings()
    private_keys = settings.sealing_private_key.get_secret_value().split(",")
    runtime = Runtime(Service.AUTH, settings)
    store = Store(runtime.database, runtime.outbox("users"))
    ledgers = Ledgers(runtime.database, runtime.outbox("attempts"), now)
    books = Books(store, ledgers, ledger_key(private_keys[0]))
    router = handlers(books, Opener(Service.AUTH, private_keys), Passwords(), Cores(settings.hashing_threads), now)

    async def prepare() -> None:
        await store.prepare()
        await ledgers.prepare()

    return runtime.app(router, prepare)
