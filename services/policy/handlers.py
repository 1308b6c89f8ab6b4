"""What policy does when it is told something. Each step of a login is judged by the policy of now."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from services.policy.domain.decision import at_login, narrowed
from services.policy.domain.directory import take
from services.policy.domain.enforcement import Effective, resolve
from services.policy.domain.flow import Step, code_proven, password_proven, put_off
from services.policy.domain.management import addition, removal, renewal, renewed
from services.policy.store import Store
from shared.contracts.auth import LoginSucceeded
from shared.contracts.enrollment import AuthenticatorsImported, EnrollmentConfirmed, OtpVerified
from shared.contracts.management import (
    AddAuthenticator,
    AdditionAllowed,
    AdditionNoted,
    AuthenticatorAdded,
    AuthenticatorRemoved,
    RemovalAllowed,
    RemovalNoted,
    RemoveAuthenticator,
    RenewalAllowed,
    RenewRecoveryCodes,
    StepUpGranted,
    StepUpVerified,
)
from shared.contracts.policy import AuthenticatorsNoted, ImportTenants, SkipEnrollment, TenantsImported
from shared.contracts.vocabulary import Service, TenantId
from shared.runtime.clock import Clock
from shared.runtime.router import Router


def handlers(store: Store, clock: Clock) -> Router:
    """Bind what policy needs to what it does."""
    router = Router(Service.POLICY)

    async def effective_for(tenant_id: TenantId) -> Effective:
        return resolve(tenant_id, await store.line(tenant_id))

    @router.hears(LoginSucceeded)
    async def login_succeeded(event: LoginSucceeded) -> Step:
        """Take a password as evidence, and say what is wanted besides."""
        now = clock()
        effective = await effective_for(event.tenant_id)
        standing = await store.standing(event.tenant_id, event.user_id)
        standing = await store.hold_grace(event.tenant_id, event.user_id, standing, at_login(standing, effective, now))
        judge = partial(password_proven, login=event, standing=standing, effective=effective, now=now)
        return await store.begin(event.tenant_id, event.user_id, event.flow_id, now, judge)

    @router.hears(OtpVerified)
    async def otp_verified(event: OtpVerified) -> Step:
        """Take a code as evidence of a second factor."""
        now = clock()
        effective = await effective_for(event.tenant_id)
        judge = partial(code_proven, proof=event, effective=effective, now=now)
        return await store.advance(event.tenant_id, event.user_id, event.flow_id, now, judge)

    @router.hears(EnrollmentConfirmed)
    async def enrollment_confirmed(event: EnrollmentConfirmed) -> Step:
        """Note that the user has an authenticator, before anything is granted: his next login cannot overtake it.

        It is noted whatever becomes of this login, and even if policy never heard of that.
        """
        now = clock()
        await store.enrolled(event.tenant_id, event.user_id, event.occurred_at, event.bindings)
        effective = await effective_for(event.tenant_id)
        judge = partial(code_proven, proof=event, effective=effective, now=now)
        return await store.advance(event.tenant_id, event.user_id, event.flow_id, now, judge)

    @router.does(SkipEnrollment)
    async def skip_enrollment(command: SkipEnrollment) -> Step:
        """Let a login go on without a second factor, while the user's grace lasts."""
        now = clock()
        effective = await effective_for(command.tenant_id)
        standing = await store.standing(command.tenant_id, command.user_id)
        standing = await store.hold_grace(command.tenant_id, command.user_id, standing, narrowed(standing, effective))
        judge = partial(put_off, standing=standing, effective=effective, now=now)
        return await store.advance(command.tenant_id, command.user_id, command.flow_id, now, judge)

    @router.hears(AuthenticatorsImported)
    async def authenticators_imported(event: AuthenticatorsImported) -> AuthenticatorsNoted:
        """Note who brought an authenticator along, and only then answer."""
        await store.enrolled_all(event.owners, event.occurred_at)
        return AuthenticatorsNoted(occurred_at=clock(), flow_id=event.flow_id, added=event.added)

    @router.does(ImportTenants)
    async def import_tenants(command: ImportTenants) -> TenantsImported:
        """Take the accounts of a directory, all of them in one step."""
        now = clock()
        taking = await store.take(partial(take, command=command, now=now))
        return TenantsImported(
            occurred_at=now,
            flow_id=command.flow_id,
            created=taking.created,
            changed=taking.changed,
            check_only=command.check_only,
        )

    _manage(router, store, clock, effective_for)
    return router


def _manage(
    router: Router, store: Store, clock: Clock, effective_for: Callable[[TenantId], Awaitable[Effective]]
) -> None:
    """What policy does for somebody who is signed in."""

    @router.hears(StepUpVerified)
    async def step_up_verified(event: StepUpVerified) -> StepUpGranted:
        """Take a code of somebody who is signed in as fresh evidence."""
        now = clock()
        effective = await effective_for(event.tenant_id)
        judge = partial(renewed, proof=event, effective=effective, now=now)
        return await store.advance(event.tenant_id, event.user_id, event.login, now, judge)

    @router.does(AddAuthenticator)
    async def add_authenticator(command: AddAuthenticator) -> AdditionAllowed:
        """Allow another authenticator, if what was proven is fresh."""
        now = clock()
        effective = await effective_for(command.tenant_id)
        standing = await store.standing(command.tenant_id, command.user_id)
        judge = partial(addition, command=command, standing=standing, effective=effective, now=now)
        return await store.advance(command.tenant_id, command.user_id, command.login, now, judge)

    @router.hears(AuthenticatorAdded)
    async def authenticator_added(event: AuthenticatorAdded) -> AdditionNoted:
        """Note that the user has an authenticator, and only then answer."""
        await store.enrolled(event.tenant_id, event.user_id, event.occurred_at, event.bindings)
        return AdditionNoted(
            **_of(event), authenticator_id=event.authenticator_id, name=event.name, recovery_codes=event.recovery_codes
        )

    @router.does(RemoveAuthenticator)
    async def remove_authenticator(command: RemoveAuthenticator) -> RemovalAllowed:
        """Allow that an authenticator is taken away, if what was proven is fresh."""
        now = clock()
        effective = await effective_for(command.tenant_id)
        judge = partial(removal, command=command, effective=effective, now=now)
        return await store.advance(command.tenant_id, command.user_id, command.login, now, judge)

    @router.hears(AuthenticatorRemoved)
    async def authenticator_removed(event: AuthenticatorRemoved) -> RemovalNoted:
        """Note whether the user has any left, before it is answered: his next login cannot overtake it."""
        await store.has_left(event.tenant_id, event.user_id, event.left, event.bindings)
        return RemovalNoted(**_of(event), authenticator_id=event.authenticator_id)

    @router.does(RenewRecoveryCodes)
    async def renew_recovery_codes(command: RenewRecoveryCodes) -> RenewalAllowed:
        """Allow new recovery codes, if what was proven is fresh."""
        now = clock()
        judge = partial(renewal, command=command, now=now)
        return await store.advance(command.tenant_id, command.user_id, command.login, now, judge)


def _of(event: AuthenticatorAdded | AuthenticatorRemoved) -> dict[str, Any]:
    return event.model_dump(include={"occurred_at", "flow_id", "tenant_id", "user_id", "login"})
