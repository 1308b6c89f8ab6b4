"""What the gateway hears: that enforcement changed."""

from services.gateway.sessions import Sessions
from shared.contracts.policy import EnforcementChanged
from shared.contracts.vocabulary import Service
from shared.runtime.router import Router


def handlers(sessions: Sessions) -> Router:
    """What the gateway does when it is told something."""
    router = Router(Service.GATEWAY)

    @router.hears(EnforcementChanged)
    async def enforcement_changed(event: EnforcementChanged) -> None:
        """Hold the sessions of the tenant to it from now on."""
        await sessions.note(event)

    return router
