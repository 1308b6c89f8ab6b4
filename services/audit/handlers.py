"""What audit hears: everything; and what it tells people of themselves."""

from collections.abc import Sequence

from services.audit.store import Store
from shared.contracts.audit import ListSecurityEvents, SecurityEvent, SecurityEventsListed
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

    @router.does(ListSecurityEvents)
    async def list_security_events(command: ListSecurityEvents) -> SecurityEventsListed:
        """Tell a person what happened to him lately."""
        found = await store.of_user(command.tenant_id, command.user_id, command.topics, command.most)
        return SecurityEventsListed(
            occurred_at=clock(),
            flow_id=command.flow_id,
            tenant_id=command.tenant_id,
            user_id=command.user_id,
            login=command.login,
            events=tuple(SecurityEvent(topic=one["topic"], occurred_at=one["occurred_at"]) for one in found),
        )

    return router
