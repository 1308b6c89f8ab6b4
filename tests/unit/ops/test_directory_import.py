"""A directory is loaded in order, all of it or nothing, and what services say of it is said with its lines."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.directory import DirectoryError, understood
from ops.importing import BATCH, COST_OF_A_PASSWORD, IN_FLIGHT, IN_PART, Import, Summary, import_directory
from ops.running import Running
from shared.contracts.auth import ImportUsers, UsersImported, user_id_of
from shared.contracts.enrollment import AuthenticatorsChecked, ImportAuthenticators
from shared.contracts.message import Command, Event
from shared.contracts.policy import AuthenticatorsNoted, ImportTenants, TenantsImported
from shared.contracts.refusals import Problem, RefusalCode, RequestRefused
from shared.contracts.vocabulary import FlowId, Service
from shared.crypto.sealing import SealBroken
from shared.runtime.messaging import Unreachable
from tests.examples import NOON
from tests.keys import Keys

BCRYPT = "$2b$12$KIXQ4U8s1qVY1rYq0p0O9u3bS8j0lJc8c1p9k9m3Xh0e0n1u2v3w."
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

DIRECTORY = f"""
tenants:
- {{id: vendor, kind: vendor, name: Northwind Cloud}}
- {{id: customer, kind: customer, parent: vendor, name: Café}}
users:
- {{username: Ada, tenant: customer, display_name: Ada Lovelace, password: hunter2}}
- {{username: bob, tenant: vendor, password_hash: "{BCRYPT}", totp_secret: {SECRET}, disabled: true}}
"""

ImportCommand = ImportTenants | ImportAuthenticators | ImportUsers
Judge = Callable[[Command], Event | None]


class Services:
    """All services as an import sees them: they take everything, unless `judge` says something else."""

    def __init__(self, judge: Judge = lambda _: None) -> None:
        self.asked: list[Any] = []
        self.most_at_once = 0
        self._judge = judge
        self._open = 0

    async def ask(self, command: Command, correlation_id: str, patience: timedelta | None = None) -> Event:
        """Note the command and answer it, after others had their turn."""
        assert patience is None
        self.asked.append(command)
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        await asyncio.sleep(0)
        self._open -= 1
        told: dict[str, Any] = {"occurred_at": NOON, "flow_id": correlation_id}
        if (answer := self._judge(command)) is not None:
            return answer
        if isinstance(command, ImportTenants):
            return TenantsImported(**told, created=len(command.tenants), changed=0)
        if isinstance(command, ImportUsers):
            return UsersImported(**told, created=len(command.users), changed=0)
        assert isinstance(command, ImportAuthenticators)
        if command.check_only:
            return AuthenticatorsChecked(**told)
        return AuthenticatorsNoted(**told, added=len(command.authenticators))


def refusing(kind: type[ImportCommand], *problems: Problem, when_checked: bool = True) -> Judge:
    """Refuse this kind of command for these reasons."""

    def judge(command: Any) -> Event | None:
        if not isinstance(command, kind) or command.check_only is not when_checked:
            return None
        code = RefusalCode.IMPORT_REJECTED
        return RequestRefused(occurred_at=NOON, flow_id=FlowId("f"), code=code, detail="It is full.", problems=problems)

    return judge


def away(kind: type[ImportCommand], *, when_checked: bool) -> Judge:
    """Nobody answers this kind of command."""

    def judge(command: Any) -> Event | None:
        if isinstance(command, kind) and command.check_only is when_checked:
            raise Unreachable(f"no service reads {command.topic}")
        return None

    return judge


async def imported(services: Services, keys: Keys, content: str = DIRECTORY) -> Summary:
    """Import this directory through these services."""
    return await Import(understood(content.encode()), keys.sealer(), services).run(lambda _: None)


async def test_everything_is_checked_before_anything_is_taken_and_users_come_last(keys: Keys) -> None:
    services = Services()

    summary = await imported(services, keys)

    assert [(command.topic, command.check_only) for command in services.asked] == [
        (ImportTenants.topic, True),
        (ImportAuthenticators.topic, True),
        (ImportUsers.topic, True),
        (ImportTenants.topic, False),
        (ImportAuthenticators.topic, False),
        (ImportUsers.topic, False),
    ]
    assert summary == Summary(tenants_created=2, users_created=2, authenticators_added=1)


async def test_secrets_travel_sealed_to_the_service_that_needs_them(keys: Keys) -> None:
    services = Services()

    await imported(services, keys)

    *_, authenticators, users = services.asked
    [ada, bob] = users.users
    [his] = authenticators.authenticators
    assert "hunter2" not in users.model_dump_json()
    assert SECRET not in authenticators.model_dump_json()
    opened = keys.opener(Service.AUTH).open(ada.password, field="password", flow=users.flow_id)
    secret = keys.opener(Service.ENROLLMENT).open(his.secret, field="secret", flow=authenticators.flow_id)
    assert (opened, secret) == ("hunter2", SECRET)
    with pytest.raises(SealBroken):
        keys.opener(Service.POLICY).open(ada.password, field="password", flow=users.flow_id)
    assert (bob.password, bob.password_hash, bob.disabled) == (None, BCRYPT, True)
    assert (his.user_id, his.issuer) == (user_id_of("bob"), "Northwind Cloud")
    assert (ada.user_id, ada.display_name) == (user_id_of("ada"), "Ada Lovelace")


async def test_a_large_directory_goes_in_batches_a_few_at_a_time(keys: Keys) -> None:
    services = Services()
    people = 2 * BATCH + 1
    users = "".join(f"- {{username: u{n}, tenant: vendor, password_hash: {BCRYPT}}}\n" for n in range(people))

    summary = await imported(services, keys, DIRECTORY + users)

    taken = [command for command in services.asked if isinstance(command, ImportUsers) and not command.check_only]
    names = [user.username for command in taken for user in command.users]
    assert names == ["Ada", "bob", *(f"u{n}" for n in range(people))]
    assert max(len(command.users) for command in taken) <= BATCH
    assert summary.users_created == people + 2
    assert 1 < services.most_at_once <= IN_FLIGHT


async def test_passwords_in_the_clear_travel_in_small_batches_for_they_are_slow_to_hash(keys: Keys) -> None:
    services = Services()
    users = "".join(f"- {{username: u{n}, tenant: vendor, password: x}}\n" for n in range(50))

    await imported(services, keys, DIRECTORY + users)

    sizes = [len(command.users) for command in services.asked if isinstance(command, ImportUsers)]
    assert max(sizes) * COST_OF_A_PASSWORD <= BATCH + COST_OF_A_PASSWORD


async def test_what_all_services_say_against_it_is_said_with_lines_and_nothing_is_taken(keys: Keys) -> None:
    accounts = refusing(ImportTenants, Problem(entry="customer", text="would be above itself"))
    people = refusing(ImportUsers, Problem(entry="ada", text="is of another account"))
    services = Services(lambda command: accounts(command) or people(command))

    with pytest.raises(DirectoryError) as refused:
        await imported(services, keys)

    assert str(refused.value).splitlines() == [
        "Nothing was loaded. The directory does not fit:",
        "  line 4: customer: would be above itself",
        "  line 6: ada: is of another account",
    ]
    assert all(command.check_only for command in services.asked)


async def test_a_refusal_that_names_no_entry_is_said_with_its_service(keys: Keys) -> None:
    services = Services(refusing(ImportAuthenticators))

    with pytest.raises(DirectoryError) as refused:
        await imported(services, keys)

    assert str(refused.value).splitlines()[1:] == ["  enrollment: It is full."]


@pytest.mark.parametrize("kind", [ImportTenants, ImportAuthenticators, ImportUsers])
async def test_where_a_service_is_away_nothing_is_loaded(kind: type[ImportCommand], keys: Keys) -> None:
    services = Services(away(kind, when_checked=True))

    with pytest.raises(DirectoryError) as refused:
        await imported(services, keys)

    reason = f"The service {kind.to} cannot be asked: no service reads {kind.topic}."
    assert str(refused.value) == f"Nothing was loaded. {reason}"
    assert all(command.check_only for command in services.asked)


@pytest.mark.parametrize("kind", [ImportTenants, ImportAuthenticators, ImportUsers])
async def test_where_a_service_goes_away_meanwhile_it_is_said_that_a_part_may_be_loaded(
    kind: type[ImportCommand], keys: Keys
) -> None:
    services = Services(away(kind, when_checked=False))

    with pytest.raises(DirectoryError) as refused:
        await imported(services, keys)

    reason = f"The service {kind.to} cannot be asked: no service reads {kind.topic}."
    assert str(refused.value) == f"{reason} {IN_PART}"


async def test_what_is_refused_after_it_was_checked_is_not_said_to_be_nothing(keys: Keys) -> None:
    problem = Problem(entry="bob", text="is of another account")
    services = Services(refusing(ImportUsers, problem, when_checked=False))

    with pytest.raises(DirectoryError) as refused:
        await imported(services, keys)

    assert str(refused.value).startswith(
        "What it was checked against has changed. The directory may be loaded in part."
    )
    assert str(refused.value).endswith("line 7: bob: is of another account")


async def test_an_answer_to_another_question_is_no_answer(keys: Keys) -> None:
    def judge(command: Command) -> Event:
        return AuthenticatorsChecked(occurred_at=NOON, flow_id=FlowId(str(command.id)))

    with pytest.raises(TypeError, match=r"authenticators\.checked\.v1 does not answer import-tenants\.v1"):
        await imported(Services(judge), keys)


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({}, "The public key of auth and enrollment is not known."),
        ({"auth": "x" * 43}, "The public key of enrollment is not known."),
        (
            {"auth": "no key", "enrollment": "no key"},
            "A public key is malformed: a public key is 32 bytes in base64url.",
        ),
    ],
)
async def test_without_the_keys_of_the_services_nothing_is_sent(
    lacking: dict[str, str], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(DIRECTORY)

    with pytest.raises(DirectoryError) as refused:
        await import_directory(file, Running("", "amqp://127.0.0.1:1/", "", lacking))

    assert str(refused.value) == f"Nothing was loaded. {said}"


async def test_a_broker_that_is_not_there_is_said_without_its_password(keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text(DIRECTORY)

    with pytest.raises(DirectoryError, match=r"Nothing was loaded\. RabbitMQ cannot be reached") as refused:
        await import_directory(file, Running("", "amqp://user:CANARY@127.0.0.1:1/", "", keys.public))

    assert "CANARY" not in str(refused.value)
