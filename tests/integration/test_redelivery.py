"""Every message comes twice, to two instances of every service at once, and nothing happens twice."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pymongo
import pytest

from shared.contracts import attempts, audit, auth, enrollment, gateway, management, policy, readiness, refusals
from shared.contracts.attempts import UnlockCodes, UnlockPassword, UserUnlocked
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.enrollment import AuthenticatorsChecked, ImportAuthenticators, ImportedAuthenticator
from shared.contracts.vocabulary import FlowId, Service, TenantId
from shared.crypto.otp import new_secret, to_base32
from shared.runtime.topology import PARKED
from tests.app import App
from tests.broker import Broker, Heard
from tests.browser import Answer, Browser
from tests.duplicator import Duplicator
from tests.examples import CUSTOMER, GRACE_CUSTOMER, OPTIONAL, REQUIRED, VENDOR, Person, somebody, tenant
from tests.system import System, Systems

OF_A_LOGIN = (attempts, audit, auth, enrollment, gateway, management, policy, readiness, refusals)
"""The rooms of the contracts whose messages a login, an account, an import or a throttled guess brings about."""
ONLY_AFTER_A_HUNDRED_FAILURES = {"user.locked.v1", "codes.unlocked.v1"}
OF_AN_OPERATOR = {"status.asked.v1", "instance.reported.v1"}
"""Asked of every process on a queue of its own, and no part of a login."""


@dataclass
class Life:
    """What a few people did while everything was told twice, what they were answered, and what was told."""

    system: System
    told: Duplicator
    parked: Heard
    ada: Person = field(default_factory=lambda: somebody(CUSTOMER))
    bob: Person = field(default_factory=lambda: somebody(TenantId(f"customer-{uuid4().hex[:8]}")))
    clara: Person = field(default_factory=lambda: somebody(GRACE_CUSTOMER))
    dora: Person = field(default_factory=lambda: somebody(CUSTOMER))
    emma: Person = field(default_factory=lambda: somebody(CUSTOMER))
    answers: dict[str, Answer] = field(default_factory=dict)
    recovery_codes: list[str] = field(default_factory=list)

    def ids(self) -> Counter[str]:
        """How many different messages of each kind were told."""
        return self.told.ids()

    def documents(self, service: Service, collection: str, person: Person) -> list[dict[str, Any]]:
        """What a service keeps of a user."""
        with pymongo.MongoClient[dict[str, Any]](self.system.servers.mongodb_url) as client:
            kept = client[f"{self.system.prefix}{service}"][collection]
            return list(kept.find({"$or": [{"_id": person.user_id}, {"user_id": person.user_id}]}))

    async def live(self, wire: httpx.AsyncBaseTransport) -> None:
        """One after the other, as the names say."""
        await self._accounts_are_loaded()
        await self._ada_enrolls(Browser(wire, self.system.gateways))
        await self._dora_brings_an_app_and_guesses(Browser(wire, self.system.gateways))
        await self._clara_puts_it_off(Browser(wire, self.system.gateways))
        await self._bob_is_made_to_enroll(Browser(wire, self.system.gateways))
        await self._emma_changes_her_phone(Browser(wire, self.system.gateways))
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{self.system.gateways[0]}/readyz")).is_success

    async def _accounts_are_loaded(self) -> None:
        await self.system.load([tenant(self.bob.tenant_id, parent=VENDOR, staff=OPTIONAL)])
        await self.system.hire(self.ada, self.bob, self.clara)
        flow = FlowId(str(uuid4()))
        sealer, secret = self.system.keys.sealer(), to_base32(new_secret())
        sealed = sealer.seal(secret, recipient=Service.ENROLLMENT, field="secret", flow=flow)
        brought = ImportedAuthenticator(**dict(self.dora.named), username="dora", issuer="Old", secret=sealed)
        checked = await self.system.ask(ImportAuthenticators(flow_id=flow, authenticators=(brought,), check_only=True))
        assert isinstance(checked, AuthenticatorsChecked)

    async def _ada_enrolls(self, at: Browser) -> None:
        self.answers["ada shown"] = shown = await at.login(self.ada)
        app = App(shown.body["enrollment"]["otpauth_uri"])
        self.answers["ada wrong"] = await at.confirm(app.wrong_code())
        self.answers["ada skips"] = await at.skip()
        self.answers["ada reloads"] = await at.reload()
        self.answers["ada confirms"] = confirmed = await at.confirm(app.next_code())
        self.recovery_codes = confirmed.body["recovery_codes"]
        await at.logout()
        await at.login(self.ada)
        self.answers["ada recovers"] = await at.otp(self.recovery_codes[0], "recovery_code")

    async def _dora_brings_an_app_and_guesses(self, at: Browser) -> None:
        app = await self.system.bring(self.dora)
        wrong = Person(self.dora.username, self.dora.tenant_id, password="wrong")
        self.answers["dora mistypes"] = await at.login(wrong)
        for _ in range(4):
            await at.login(wrong)
        self.answers["dora is throttled"] = await at.login(self.dora)
        await self.system.settled()  # or the copy of that login would come when she is unlocked
        flow = FlowId(str(uuid4()))
        for command in (
            UnlockPassword(flow_id=flow, username=self.dora.username),
            UnlockCodes(flow_id=flow, **dict(self.dora.named)),
        ):
            assert isinstance(await self.system.ask(command), UserUnlocked)
        await at.login(self.dora)
        self.answers["dora guesses"] = await at.otp(app.wrong_code())
        self.answers["dora guesses again"] = await at.otp(app.wrong_code())
        self.answers["dora verifies"] = await at.otp(app.next_code())

    async def _clara_puts_it_off(self, at: Browser) -> None:
        await at.login(self.clara)
        self.answers["clara skips"] = await at.skip()
        await at.login(self.clara)
        self.answers["clara cancels"] = await at.cancel()
        await self.system.hire(self.clara, disabled=True)
        self.answers["clara is disabled"] = await at.session_over()

    async def _bob_is_made_to_enroll(self, at: Browser) -> None:
        self.answers["bob signs in"] = await at.login(self.bob)
        await self.system.load([tenant(self.bob.tenant_id, parent=VENDOR, staff=REQUIRED)])
        await self.system.settled()
        self.answers["bob steps up"] = await at.session()

    async def _emma_changes_her_phone(self, at: Browser) -> None:
        old = await self.system.bring(self.emma)
        await at.login(self.emma)
        await at.otp(old.next_code())
        self.answers["emma steps up"] = await at.request("POST", "/session/step-up", {"code": old.next_code()})
        started = await at.request("POST", "/authenticators")
        new, address = App(started.body["otpauth_uri"]), f"/authenticators/{started.body['id']}"
        self.answers["emma adds"] = await at.request("POST", f"{address}/confirm", {"code": new.next_code()})
        self.answers["emma renames"] = await at.request("PATCH", address, {"name": "New phone"})
        [first, _] = (await at.request("GET", "/authenticators")).body
        self.answers["emma removes"] = await at.request("DELETE", f"/authenticators/{first['id']}")
        self.answers["emma makes codes"] = await at.request("POST", "/recovery-codes")
        async with httpx.AsyncClient(cookies=httpx.Cookies(at.cookies)) as client:
            shown = await client.get(f"{self.system.gateways[0]}/account/security", headers={"accept": "text/html"})
        assert "New phone" in shown.text


@pytest.fixture(scope="module")
async def life(systems: Systems, wire: httpx.AsyncBaseTransport) -> Life:
    """Lived once for all tests of this module."""
    system = await systems.running()
    url = system.servers.rabbitmq_url
    async with (
        Duplicator.at(url) as duplicator,
        Broker.at(url) as broker,
        broker.hearing(exchange=PARKED) as parked,
    ):
        life = Life(system, duplicator, parked)
        await life.live(wire)
        await system.settled()
    return life


def test_every_kind_of_message_was_told_twice(life: Life) -> None:
    rooms = {room.__name__ for room in OF_A_LOGIN}
    expected = {topic for topic, kind in (COMMANDS | EVENTS).items() if kind.__module__ in rooms}

    assert expected - life.told.topics == ONLY_AFTER_A_HUNDRED_FAILURES | OF_AN_OPERATOR


def test_everybody_was_answered_as_if_everything_had_been_told_once(life: Life) -> None:
    assert {name: answer.said for name, answer in life.answers.items()} == {
        "ada shown": (200, "enrollment_required"),
        "ada wrong": (401, "invalid_code"),
        "ada skips": (409, "enrollment_required"),
        "ada reloads": (200, "enrollment_required"),
        "ada confirms": (200, "authenticated"),
        "ada recovers": (200, "authenticated"),
        "dora mistypes": (401, "invalid_credentials"),
        "dora is throttled": (429, "too_many_attempts"),
        "dora guesses": (401, "invalid_code"),
        "dora guesses again": (401, "invalid_code"),
        "dora verifies": (200, "authenticated"),
        "clara skips": (200, "authenticated"),
        "clara cancels": (204, ""),
        "clara is disabled": (401, "no_session"),
        "bob signs in": (200, "authenticated"),
        "bob steps up": (401, "step_up_required"),
        "emma steps up": (200, ""),
        "emma adds": (200, ""),
        "emma renames": (204, ""),
        "emma removes": (204, ""),
        "emma makes codes": (201, ""),
    }
    assert life.answers["ada reloads"].body["enrollment"] == life.answers["ada shown"].body["enrollment"]


def test_what_is_told_twice_of_one_cause_has_one_id(life: Life) -> None:
    ids = life.ids()

    assert ids["verify-password.v1"] == ids["login.succeeded.v1"] + ids["login.failed.v1"] + 1, "one was refused"
    assert ids["confirm-enrollment.v1"] == ids["enrollment.confirmed.v1"] + ids["enrollment.rejected.v1"]
    assert ids["verify-otp.v1"] == ids["otp.verified.v1"] + ids["otp.rejected.v1"]
    assert ids["recovery-code.used.v1"] == 1
    assert ids["session.started.v1"] == 6
    assert ids["step-up.verified.v1"] == ids["authenticator.added.v1"] == ids["authenticator.removed.v1"] == 1
    assert ids["enforcement.changed.v1"] == ids["user.disabled.v1"] == ids["session.ended.v1"] - 1 == 1


def test_one_authenticator_is_active_and_one_recovery_code_used(life: Life) -> None:
    [owner] = life.documents(Service.ENROLLMENT, "users", life.ada)

    assert [authenticator["state"] for authenticator in owner["authenticators"]] == ["active"]
    used = [code for codes in owner["recovery"] for code in codes["codes"]["hashes"] if code["used_at"] is not None]
    assert len(used) == 1


def test_one_was_added_and_one_removed_and_policy_knows_it(life: Life) -> None:
    [owner] = life.documents(Service.ENROLLMENT, "users", life.emma)
    [standing] = life.documents(Service.POLICY, "users", life.emma)

    assert [(one["name"], one["state"]) for one in owner["authenticators"]] == [("New phone", "active")]
    assert owner["bindings"] == standing["bindings"] == 3
    assert standing["enrolled"]


def test_each_failure_is_counted_once(life: Life) -> None:
    assert life.answers["dora mistypes"].said == (401, "invalid_credentials")
    assert life.ids()["attempts.throttled.v1"] == 1, "the fifth failure brings the first wait, not the third"
    assert life.ids()["login.failed.v1"] == 5


def test_each_login_has_one_session(life: Life) -> None:
    sessions = {person.username: life.documents(Service.GATEWAY, "logins", person) for person in (life.ada, life.bob)}

    assert [len(sessions[person.username]) for person in (life.ada, life.bob)] == [1, 1]


def test_each_event_is_in_the_audit_trail_once(life: Life) -> None:
    with pymongo.MongoClient[dict[str, Any]](life.system.servers.mongodb_url) as client:
        records = client[f"{life.system.prefix}audit"]["records"].find({"user_id": life.ada.user_id})
        counted = Counter(record["topic"] for record in records)

    assert counted["enrollment.confirmed.v1"] == counted["recovery-code.used.v1"] == 1
    assert counted["access.granted.v1"] == counted["login.succeeded.v1"] == 2


def test_nothing_was_parked(life: Life) -> None:
    assert life.parked.messages.empty()
