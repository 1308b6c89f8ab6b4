"""What audit hears: everything."""

from collections.abc import Sequence

from services.audit.store import Store
from shared.contracts.message import Event
from shared.contracts.vocabulary import Service
from shared.runtime.clock import Clock
from shared.runtime.router import Router


def handlers(store: Store, clock: Clock) -> Router:
    """Bind what audit needs to what it does."""
    router = Router(Service.AUDIT)

    @router.hears_everything
    async def record(events: Sequence[Event]) -> None:
        """Write down what belongs in the trail."""
        await store.record([event for event in events if event.recorded], clock())

    return router
