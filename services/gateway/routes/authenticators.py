"""The authenticators and recovery codes of a signed-in user."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, status

from services.gateway.account import Account
from services.gateway.entry import Entry
from services.gateway.forms import (
    AddedView,
    AddingView,
    AuthenticatorView,
    ConfirmationForm,
    NameForm,
    NewRecoveryCodesView,
    RecoveryCodesView,
)
from services.gateway.openapi import documented
from services.gateway.problems import Code

IN_A_SESSION = (Code.NO_SESSION, Code.STEP_UP_REQUIRED, Code.ACCESS_DENIED, Code.UNAVAILABLE)
_CHANGING = (*IN_A_SESSION, Code.CROSS_SITE)
_WITH_A_BODY = (Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, Code.INVALID_REQUEST)
_FRESH = (Code.FRESH_CODE_REQUIRED, Code.WRONG_STATE)


def routes(entry: Entry, account: Account) -> APIRouter:
    """The addresses under `/authenticators`."""
    router = APIRouter(prefix="/authenticators", tags=["authenticators"])

    @router.get("", responses=documented(*IN_A_SESSION))
    async def authenticators(request: Request) -> list[AuthenticatorView]:
        """The authenticator apps of this user, the oldest first."""
        listed = await account.standing(await entry.session(request))
        return [AuthenticatorView.of(one) for one in listed.authenticators]

    @router.post(
        "",
        status_code=status.HTTP_201_CREATED,
        responses=documented(*_CHANGING, *_FRESH, Code.TOO_MANY_AUTHENTICATORS),
    )
    async def add(request: Request) -> AddingView:
        """Start another authenticator app: it is good once its first code is confirmed, and the others stay good."""
        return AddingView.of(await account.add(await entry.session(request)))

    @router.post(
        "/{authenticator_id}/confirm",
        response_model_exclude_unset=True,
        responses=documented(
            *_CHANGING,
            *_WITH_A_BODY,
            Code.INVALID_CODE,
            Code.NOT_FOUND,
            Code.TOO_MANY_AUTHENTICATORS,
            Code.TOO_MANY_ATTEMPTS,
        ),
    )
    async def confirm(authenticator_id: UUID, form: Annotated[ConfirmationForm, Body()], request: Request) -> AddedView:
        """Confirm a new authenticator app by its first code. Recovery codes come with it where there were none."""
        return AddedView.of(await account.confirm(await entry.session(request), str(authenticator_id), form.code))

    @router.patch(
        "/{authenticator_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=documented(*_CHANGING, *_WITH_A_BODY, Code.NOT_FOUND, Code.NAME_TAKEN),
    )
    async def rename(authenticator_id: UUID, form: Annotated[NameForm, Body()], request: Request) -> None:
        """Call an authenticator app something else."""
        await account.rename(await entry.session(request), str(authenticator_id), form.name)

    @router.delete(
        "/{authenticator_id}",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=documented(*_CHANGING, *_FRESH, Code.NOT_FOUND, Code.LAST_AUTHENTICATOR, Code.INVALID_REQUEST),
    )
    async def remove(authenticator_id: UUID, request: Request) -> None:
        """Take an authenticator app away; the last one only where none is required. Its codes are good no more."""
        await account.remove(await entry.session(request), str(authenticator_id))

    return router


def recovery_routes(entry: Entry, account: Account) -> APIRouter:
    """The addresses under `/recovery-codes`."""
    router = APIRouter(prefix="/recovery-codes", tags=["authenticators"])

    @router.get("", responses=documented(*IN_A_SESSION))
    async def recovery_codes(request: Request) -> RecoveryCodesView:
        """How many recovery codes are left."""
        return RecoveryCodesView.of(await account.standing(await entry.session(request)))

    @router.post("", status_code=status.HTTP_201_CREATED, responses=documented(*_CHANGING, *_FRESH))
    async def renew(request: Request) -> NewRecoveryCodesView:
        """Make new recovery codes, which are shown this once. They put an end to all earlier ones."""
        codes = await account.renew_recovery_codes(await entry.session(request))
        return NewRecoveryCodesView(recovery_codes=codes)

    return router
