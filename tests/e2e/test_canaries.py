"""Passwords, codes, secrets, recovery codes and tokens go through every path, and are then looked for everywhere."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pymongo
import pytest

from shared.contracts.auth import ImportedUser, ImportUsers, UsersImported, VerifyPassword
from shared.contracts.enrollment import ConfirmEnrollment, VerifyOtp
from shared.contracts.vocabulary import FlowId, Service
from shared.runtime.messaging import Envelope, Letter
from shared.runtime.topology import COMMANDS, PARKED
from tests.app import App
from tests.broker import Broker
from tests.browser import Browser
from tests.e2e.conftest import Browsers
from tests.e2e.spyglass import Spyglass
from tests.examples import CUSTOMER, OPEN_CUSTOMER, Person, somebody
from tests.system import System


def canary() -> str:
    """A word that stands nowhere unless somebody put it there."""
    return f"canary-{uuid4().hex}"


@dataclass
class Secrets:
    """What was typed and shown: long words, which are looked for as they are, and codes of six digits."""

    words: set[str]
    codes: set[str]

    def know(self, *words: str) -> None:
        self.words |= set(words)

    def forms(self) -> set[bytes]:
        """Every word as it is, as it would stand in JSON, and without what people type between letters."""
        forms = {form for word in self.words for form in (word, word.replace("-", ""), word.lower(), word.upper())}
        return {form.encode() for form in forms}

    def codes_in(self, text: bytes) -> set[str]:
        """The codes in a text; six digits after a point are the fraction of a second, and inside an id are its own."""
        return {code for code in self.codes if re.search(rf"(?<![\w.-]){code}(?![\w-])".encode(), text)}


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(set(), set())


async def guess_passwords(at: Browser, person: Person, secrets: Secrets) -> None:
    """Every way in which a password can come to the gateway without being right."""
    guesses = [canary(), canary() * 40, f"{canary()} ünïcødé 🔑", f"{canary()}\x00\x1f"]
    secrets.know(*guesses)
    for guess in guesses:
        await at.login(Person(person.username, person.tenant_id, password=guess))
        await at.login(Person(f"nobody-{uuid4().hex}@example", CUSTOMER, password=guess))
    malformed = canary()
    secrets.know(malformed)
    for body in (
        {"username": person.username, "password": [malformed]},
        {"username": person.username, "password": {"is": malformed}},
        {"username": person.username, "password": person.password, malformed: malformed},
        {"username": ["nobody"], "password": malformed},
        {"password": malformed},
    ):
        await at.request("POST", "/login", body)


async def guess_codes(at: Browser, app: App, secrets: Secrets, path: str) -> None:
    """Every way in which a code can be wrong."""
    wrong, malformed = app.wrong_code(), canary()
    secrets.codes.add(wrong)
    secrets.know(malformed)
    for code in (wrong, f"{wrong[:3]} {wrong[3:]}", malformed):
        await at.request("POST", path, {"code": code})
    await at.request("POST", path, {"code": [malformed]})
    await at.request("POST", path, {"code": wrong, "method": malformed})


async def guess_recovery_codes(at: Browser, secrets: Secrets) -> None:
    well_formed = base64.b32encode(uuid4().bytes[:10]).decode()
    secrets.know(well_formed)
    await at.otp(well_formed, "recovery_code")
    await at.otp("-".join(well_formed[first : first + 4] for first in range(0, 16, 4)).lower(), "recovery_code")


async def live(system: System, browser: Browsers, secrets: Secrets) -> Person:
    """A user's whole life, with every mistake that he, or somebody else in his name, could make."""
    ada = somebody(CUSTOMER, password=canary())
    secrets.know(ada.password)
    await system.hire(ada)
    at_home, at_work = browser(), browser()

    await guess_passwords(at_home, ada, secrets)
    shown = await at_home.login(ada)
    app = App(shown.body["enrollment"]["otpauth_uri"])
    secrets.know(shown.body["enrollment"]["secret"], *at_home.cookies.values())
    await guess_codes(at_home, app, secrets, "/login/enrollment")
    confirming = app.next_code()
    confirmed = await at_home.confirm(confirming)
    codes = confirmed.body["recovery_codes"]
    secrets.know(*codes, *at_home.cookies.values())

    await at_work.login(ada)
    secrets.know(*at_work.cookies.values())
    await guess_codes(at_work, app, secrets, "/login/otp")
    await guess_recovery_codes(at_work, secrets)
    await at_work.otp(codes[0], "recovery_code")
    await at_home.login(ada)
    await at_home.otp(codes[0], "recovery_code")
    code = app.next_code()
    await at_home.otp(code)
    secrets.codes |= {confirming, code}
    secrets.know(*at_home.cookies.values(), *at_work.cookies.values())
    return ada


async def import_in_the_clear(system: System, secrets: Secrets) -> Person:
    """A user whose directory says his password as it is."""
    bob = somebody(OPEN_CUSTOMER, password=canary())
    secrets.know(bob.password)
    flow = FlowId(str(uuid4()))
    sealed = system.keys.sealer().seal(bob.password, recipient=Service.AUTH, field="password", flow=flow)
    user = ImportedUser(**dict(bob.named), username=bob.username, display_name=bob.display_name, password=sealed)
    told = await system.ask(ImportUsers(flow_id=flow, users=(user,), check_only=False))
    assert isinstance(told, UsersImported)
    return bob


async def send_what_is_broken(system: System, ada: Person, secrets: Secrets) -> str:
    """Messages that cannot be opened or read. Returns a word that was sent without a seal, as none of ours would be."""
    sealer, word, unsealed = system.keys.sealer(), canary(), canary()
    secrets.know(word)
    flow, other_flow = FlowId(str(uuid4())), FlowId(str(uuid4()))
    named = {"flow_id": flow, **dict(ada.named)}
    moved = [
        VerifyPassword(
            flow_id=flow,
            username=ada.username,
            password=sealer.seal(word, recipient=Service.AUTH, field="password", flow=other_flow),
        ),
        ConfirmEnrollment(**named, code=sealer.seal(word, recipient=Service.ENROLLMENT, field="password", flow=flow)),
        VerifyOtp(**named, code=sealer.seal(word, recipient=Service.AUTH, field="code", flow=flow)),
        VerifyOtp(**named, code=unsealed),
    ]
    async with Broker.at(system.servers.rabbitmq_url) as broker, broker.hearing(exchange=PARKED) as parked:
        for message in moved:
            await broker.send(message)
            letter = Letter.of(message, Envelope(flow))
            await broker.put(COMMANDS, message.topic, letter.body[:-9], headers=letter.headers)
        await broker.put(COMMANDS, VerifyOtp.topic, f'{{"code": ["{unsealed}"]}}'.encode())
        for _ in range(2 * len(moved) + 1):
            await parked.next()
    return unsealed


async def test_no_secret_is_found_on_the_wire_in_a_log_in_a_document_or_in_a_file(
    system: System, browser: Browsers, secrets: Secrets, servers_state: Path
) -> None:
    async with Spyglass.on(system, servers_state) as spyglass:
        ada = await live(system, browser, secrets)
        bob = await import_in_the_clear(system, secrets)
        unsealed = await send_what_is_broken(system, ada, secrets)
        assert (await browser().login(bob)).said == (200, "authenticated")
        wire, documents, logs = spyglass.wire(), spyglass.documents(), spyglass.logs()
        files = spyglass.files()

    assert len(secrets.words) > 25
    found_on_the_wire = [message for message in wire if any(form in message for form in secrets.forms())]
    found_in_documents = [document for document in documents if any(form in document for form in secrets.forms())]
    found_in_files = [path for path, content in files if any(form in content for form in secrets.forms())]
    assert not found_on_the_wire
    assert not found_in_documents
    assert not found_in_files
    assert not {form for form in secrets.forms() if form in logs}

    assert not set[str]().union(*(secrets.codes_in(text) for text in (*wire, *documents, logs)))
    assert unsealed.encode() not in logs
    assert not any(unsealed.encode() in document for document in documents)


async def test_the_search_would_find_what_is_no_secret(system: System, browser: Browsers, servers_state: Path) -> None:
    ada = somebody()
    async with Spyglass.on(system, servers_state) as spyglass:
        await system.hire(ada)
        await browser().login(ada)

    name = ada.username.encode()
    assert any(name in message for message in spyglass.wire())
    assert any(name in document for document in spyglass.documents())
    assert b'"level": "info"' in spyglass.logs()
    files = spyglass.files()
    assert any(name in content for _, content in files) is bool(files), (
        "servers elsewhere keep their files to themselves"
    )


@pytest.mark.parametrize("service", [Service.AUTH, Service.POLICY, Service.ENROLLMENT])
async def test_a_document_that_cannot_be_read_is_a_fault_whose_log_shows_nothing_of_it(
    system: System, browser: Browsers, service: Service
) -> None:
    ada, unreadable = somebody(), canary()
    await system.bring(ada)
    broken = {"disabled": unreadable, "authenticators": unreadable, "enrolled": unreadable}
    before = system.logs(system.of(service)).count('"event": "fault"')
    with pymongo.MongoClient[dict[str, object]](system.servers.mongodb_url) as client:
        users = client[f"{system.prefix}{service}"]["users"]
        users.update_one({"_id": ada.user_id}, {"$set": broken})
        at_home = browser()
        await at_home.login(ada)
        await at_home.otp("123456")
        users.delete_one({"_id": ada.user_id})

    logged = system.logs(system.of(service))
    assert logged.count('"event": "fault"') > before
    assert unreadable not in logged
