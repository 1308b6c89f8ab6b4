"""Whoever names a user under another tenant than his own finds nobody: no code is judged and no secret is shown."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pymongo
import pytest

from shared.contracts.auth import ImportedUser, ImportUsers
from shared.contracts.enrollment import (
    ConfirmEnrollment,
    EnrollmentConfirmed,
    EnrollmentStarted,
    ImportAuthenticators,
    ImportedAuthenticator,
    OtpVerified,
    ResumeEnrollment,
    VerifyOtp,
)
from shared.contracts.message import Command, Event
from shared.contracts.policy import AccessGranted, SkipEnrollment
from shared.contracts.refusals import RequestRefused
from shared.contracts.vocabulary import AuthenticatorId, AuthenticatorType, FlowId, Service
from shared.crypto.otp import new_secret, to_base32
from shared.runtime.clock import now
from shared.runtime.messaging import Unreachable
from tests.app import App
from tests.broker import Broker
from tests.browser import Browser
from tests.examples import CUSTOMER, GRACE_CUSTOMER, OPEN_CUSTOMER, Person, somebody
from tests.system import System

LETS_IN = (AccessGranted, OtpVerified, EnrollmentStarted, EnrollmentConfirmed)


class Intruder:
    """Somebody who can publish, and names other people's users under a tenant of his own."""

    def __init__(self, system: System, victim: Person) -> None:
        self._system = system
        self._victim = victim
        self.flow = FlowId(str(uuid4()))
        self.named: dict[str, Any] = {
            "flow_id": self.flow,
            "tenant_id": OPEN_CUSTOMER,
            "user_id": victim.user_id,
        }

    def sealed(self, text: str, recipient: Service, field: str) -> str:
        return self._system.keys.sealer().seal(text, recipient=recipient, field=field, flow=self.flow)

    async def told(self, command: Command) -> Event | None:
        try:
            return await self._system.ask(command, timedelta(seconds=3))
        except Unreachable:
            return None

    def documents(self) -> dict[str, list[dict[str, Any]]]:
        """What every service keeps of the victim, apart from what it has still to tell."""
        with pymongo.MongoClient[dict[str, Any]](self._system.servers.mongodb_url) as client:
            return {
                service: list(
                    client[f"{self._system.prefix}{service}"]["users"].find(
                        {"_id": self._victim.user_id}, {"outbox": 0}
                    )
                )
                for service in (Service.AUTH, Service.POLICY, Service.ENROLLMENT)
            }


def with_the_right_code(intruder: Intruder, app: App) -> Command:
    code = intruder.sealed(app.next_code(), Service.ENROLLMENT, "code")
    return VerifyOtp(**intruder.named, method=AuthenticatorType.TOTP, code=code)


def with_a_confirmation(intruder: Intruder, app: App) -> Command:
    code = intruder.sealed(app.next_code(), Service.ENROLLMENT, "code")
    return ConfirmEnrollment(**intruder.named, code=code)


def with_a_reload(intruder: Intruder, _: App) -> Command:
    return ResumeEnrollment(**intruder.named)


def with_a_skip(intruder: Intruder, _: App) -> Command:
    return SkipEnrollment(**intruder.named)


def with_an_authenticator_of_his_own(intruder: Intruder, _: App) -> Command:
    secret = intruder.sealed(to_base32(new_secret()), Service.ENROLLMENT, "secret")
    named = {name: value for name, value in intruder.named.items() if name != "flow_id"}
    brought = ImportedAuthenticator(**named, username="intruder", issuer="Another", secret=secret)
    return ImportAuthenticators(flow_id=intruder.flow, authenticators=(brought,), check_only=False)


@pytest.mark.parametrize(
    "attempt",
    [
        with_the_right_code,
        with_a_confirmation,
        with_a_reload,
        with_a_skip,
        with_an_authenticator_of_his_own,
    ],
)
async def test_a_user_named_under_another_tenant_is_nobody(
    system: System, attempt: Callable[[Intruder, App], Command]
) -> None:
    ada = somebody(CUSTOMER)
    app = await system.bring(ada)
    intruder = Intruder(system, ada)
    before = intruder.documents()

    answer = await intruder.told(attempt(intruder, app))

    assert not isinstance(answer, LETS_IN)
    assert intruder.documents() == before


async def test_a_pending_enrollment_is_shown_to_its_own_tenant_only(
    system: System, browser: Callable[[], Browser]
) -> None:
    clara = somebody(GRACE_CUSTOMER)
    await system.hire(clara)
    shown = await browser().login(clara)
    intruder = Intruder(system, clara)
    before = intruder.documents()

    reloaded = await intruder.told(with_a_reload(intruder, App(shown.body["enrollment"]["otpauth_uri"])))
    confirmed = await intruder.told(with_a_confirmation(intruder, App(shown.body["enrollment"]["otpauth_uri"])))

    assert not isinstance(reloaded, LETS_IN)
    assert not isinstance(confirmed, LETS_IN)
    assert intruder.documents() == before


async def test_an_import_cannot_take_a_user_from_another_tenant(system: System) -> None:
    ada = somebody(CUSTOMER)
    await system.hire(ada)
    intruder = Intruder(system, ada)
    before = intruder.documents()
    taken = ImportedUser(
        tenant_id=OPEN_CUSTOMER,
        user_id=ada.user_id,
        username=ada.username,
        display_name="Intruder",
        password=intruder.sealed("a password of the intruder", Service.AUTH, "password"),
    )

    answer = await intruder.told(ImportUsers(flow_id=intruder.flow, users=(taken,), check_only=False))

    assert isinstance(answer, RequestRefused)
    assert [problem.entry for problem in answer.problems] == [ada.username]
    assert intruder.documents() == before


async def test_an_event_that_names_a_user_under_another_tenant_enrolls_nobody(system: System) -> None:
    ada = somebody(CUSTOMER)
    await system.hire(ada)
    await system.bring(ada)
    intruder = Intruder(system, ada)
    before = intruder.documents()[Service.POLICY]

    forged = EnrollmentConfirmed(
        **intruder.named,
        occurred_at=now(),
        authenticator_id=AuthenticatorId("forged"),
        recovery_codes=intruder.sealed("[]", Service.GATEWAY, "recovery_codes"),
    )
    async with Broker.at(system.servers.rabbitmq_url) as broker, broker.hearing(AccessGranted.topic) as granted:
        await broker.send(forged)
        await system.settled()

    assert granted.messages.empty()
    assert intruder.documents()[Service.POLICY] == before
