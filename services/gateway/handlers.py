"""What the gateway hears: that enforcement changed, how accounts present themselves, who may sign in no more."""

from collections.abc import Awaitable, Callable

from services.gateway.sessions import Sessions
from services.gateway.tenants import Tenants
from shared.contracts.auth import UserDisabled
from shared.contracts.policy import EnforcementChanged, TenantDescribed
from shared.contracts.vocabulary import Service
from shared.runtime.router import Router


def handlers(sessions: Sessions, tenants: Tenants, shut_out: Callable[[UserDisabled], Awaitable[None]]) -> Router:
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

    @router.hears(UserDisabled)
    async def user_disabled(event: UserDisabled) -> None:
        """End what the user has open."""
        await shut_out(event)

    return router
