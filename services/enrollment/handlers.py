"""What enrollment does when it is told something."""

import asyncio
from collections.abc import Callable

from services.enrollment.domain.attempts import unlock
from services.enrollment.domain.directory import imported, opened, take
from services.enrollment.domain.enrollment import confirm, resume, start
from services.enrollment.domain.management import (
    add,
    confirm_added,
    listed,
    remove,
    rename,
    renew_recovery_codes,
    step_up,
)
from services.enrollment.domain.owner import Account, Occasion
from services.enrollment.domain.vault import Vault
from services.enrollment.domain.verification import verify
from services.enrollment.store import Store
from shared.contracts.attempts import UnlockCodes
from shared.contracts.enrollment import (
    AuthenticatorsChecked,
    AuthenticatorsImported,
    ConfirmEnrollment,
    ImportAuthenticators,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.management import (
    AdditionAllowed,
    ConfirmAuthenticator,
    ListAuthenticators,
    RemovalAllowed,
    RenameAuthenticator,
    RenewalAllowed,
    StepUp,
)
from shared.contracts.message import Command, Event, InFlow
from shared.contracts.policy import EnrollmentRequired
from shared.contracts.vocabulary import Service
from shared.crypto.sealing import Opener
from shared.runtime.clock import Clock
from shared.runtime.router import Router


def handlers(store: Store, opener: Opener, vault: Vault, now: Clock) -> Router:
    """Bind what enrollment needs to what it does."""
    router = Router(Service.ENROLLMENT)

    def occasion(message: InFlow) -> Occasion:
        return Occasion(message.flow_id, now(), message.id if isinstance(message, Command) else None)

    @router.hears(EnrollmentRequired)
    async def start_enrollment(event: EnrollmentRequired) -> tuple[Event, ...]:
        """Show a user what his authenticator app needs to be told."""
        account = Account(event.issuer, event.username)
        return await store.change(
            event.tenant_id,
            event.user_id,
            lambda owner: start(owner, account, occasion(event), vault, skippable_until=event.skippable_until),
            aside=True,
        )

    @router.does(ResumeEnrollment)
    async def resume_enrollment(command: ResumeEnrollment) -> tuple[Event, ...]:
        """Show it once more: on a reload, or in a second tab."""
        return await store.change(
            command.tenant_id,
            command.user_id,
            lambda owner: resume(owner, occasion(command), vault, skippable_until=command.skippable_until),
            aside=True,
        )

    @router.does(ConfirmEnrollment)
    async def confirm_enrollment(command: ConfirmEnrollment) -> tuple[Event, ...]:
        """Judge the first code from a new authenticator app."""
        code = opener.open(command.code, field="code", flow=command.flow_id)
        return await store.change(
            command.tenant_id,
            command.user_id,
            lambda owner: confirm(owner, code, occasion(command), vault),
            aside=True,
        )

    @router.does(VerifyOtp)
    async def verify_otp(command: VerifyOtp) -> tuple[Event, ...]:
        """Judge a code at login."""
        code = opener.open(command.code, field="code", flow=command.flow_id)
        return await store.change(
            command.tenant_id,
            command.user_id,
            lambda owner: verify(owner, command.method, code, occasion(command), vault),
        )

    @router.does(UnlockCodes)
    async def unlock_codes(command: UnlockCodes) -> tuple[Event, ...]:
        """Take codes from a user again, who has failed too often."""
        return await store.change(command.tenant_id, command.user_id, lambda owner: unlock(owner, occasion(command)))

    @router.does(ImportAuthenticators)
    async def import_authenticators(command: ImportAuthenticators) -> AuthenticatorsChecked | AuthenticatorsImported:
        """Take the authenticators that users bring along."""
        brought = {one.entry.user_id: one for one in await asyncio.to_thread(opened, command, opener)}
        if command.check_only:
            return AuthenticatorsChecked(occurred_at=now(), flow_id=command.flow_id)
        owners = await store.change_all(
            [one.entry for one in brought.values()],
            lambda owner: take(owner, brought[owner.user_id], occasion(command), vault),
        )
        return imported(owners, occasion(command))

    _manage(router, store, opener, vault, occasion)
    return router


def _manage(router: Router, store: Store, opener: Opener, vault: Vault, occasion: Callable[[InFlow], Occasion]) -> None:
    """What enrollment does for somebody who is signed in."""

    @router.does(StepUp)
    async def judge_step_up(command: StepUp) -> tuple[Event, ...]:
        """Judge a code of somebody who is signed in."""
        code = opener.open(command.code, field="code", flow=command.flow_id)
        return await store.change(
            command.tenant_id,
            command.user_id,
            lambda owner: step_up(owner, command, code, occasion(command), vault),
        )

    @router.hears(AdditionAllowed)
    async def start_addition(event: AdditionAllowed) -> tuple[Event, ...]:
        """Show a user what another authenticator app needs to be told."""
        return await store.change(
            event.tenant_id, event.user_id, lambda owner: add(owner, event, occasion(event), vault), aside=True
        )

    @router.does(ConfirmAuthenticator)
    async def confirm_addition(command: ConfirmAuthenticator) -> tuple[Event, ...]:
        """Judge the first code from an authenticator that is being added."""
        code = opener.open(command.code, field="code", flow=command.flow_id)
        return await store.change(
            command.tenant_id,
            command.user_id,
            lambda owner: confirm_added(owner, command, code, occasion(command), vault),
            aside=True,
        )

    @router.does(RenameAuthenticator)
    async def rename_authenticator(command: RenameAuthenticator) -> tuple[Event, ...]:
        """Call an authenticator something else."""
        return await store.change(
            command.tenant_id, command.user_id, lambda owner: rename(owner, command, occasion(command))
        )

    @router.hears(RemovalAllowed)
    async def remove_authenticator(event: RemovalAllowed) -> tuple[Event, ...]:
        """Take an authenticator away."""
        return await store.change(event.tenant_id, event.user_id, lambda owner: remove(owner, event, occasion(event)))

    @router.hears(RenewalAllowed)
    async def make_recovery_codes(event: RenewalAllowed) -> tuple[Event, ...]:
        """Make new recovery codes."""
        return await store.change(
            event.tenant_id,
            event.user_id,
            lambda owner: renew_recovery_codes(owner, event, occasion(event), vault),
            aside=True,
        )

    @router.does(ListAuthenticators)
    async def list_authenticators(command: ListAuthenticators) -> tuple[Event, ...]:
        """Tell what a user has."""
        return await store.change(
            command.tenant_id, command.user_id, lambda owner: (owner, listed(owner, command, occasion(command)))
        )
