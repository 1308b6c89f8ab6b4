"""Enrollment, composed: settings, store and handlers on the runtime that all services share."""

from starlette.applications import Starlette

from services.enrollment.domain.vault import Vault
from services.enrollment.handlers import handlers
from services.enrollment.settings import EnrollmentSettings
from services.enrollment.store import Store
from shared.contracts.vocabulary import Service
from shared.crypto.keyring import Keyring
from shared.crypto.sealing import Opener, Sealer
from shared.runtime.clock import now
from shared.runtime.service import Runtime


def app() -> Starlette:
    """The service; raises where the environment does not hold what it needs."""
    settings = EnrollmentSettings()
    runtime = Runtime(Service.ENROLLMENT, settings)
    store = Store(runtime.database, runtime.outbox("users"))
    opener = Opener(Service.ENROLLMENT, settings.sealing_private_key.get_secret_value().split(","))
    vault = Vault(Keyring.parse(settings.keyring.get_secret_value()), Sealer(settings.sealing_public_keys))
    return runtime.app(handlers(store, opener, vault, now), store.prepare)
