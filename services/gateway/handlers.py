"""What the gateway hears: that enforcement changed, and how accounts present themselves."""

from services.gateway.sessions import Sessions
from services.gateway.tenants import Tenants
from shared.contracts.policy import EnforcementChanged, TenantDescribed
from shared.contracts.vocabulary import Service
from shared.runtime.router import Router


def handlers(sessions: Sessions, tenants: Tenants) -> Router:
    """What the gateway does when it is told something."""
    router = Router(Service.GATEWAY)

    @router.hears(EnforcementChanged)
    async def enforcement_changed(event: EnforcementChanged) -> None:
        """Hold the sessions of the tenant to it from now on."""
        await sessions.note(event)

    @router.hears(TenantDescribed)
    async def tenant_described(event: TenantDescribed) -> None:
        """Show pages in its name and colours from now on."""
        await tenants.note(event)

    return router
