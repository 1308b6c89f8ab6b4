"""Containers are told their own secrets, the same every time, and nobody else's."""

import json
import re
import stat
from pathlib import Path

import pytest

from ops.compose import hand_out
from ops.privileges import ADMINISTRATOR, USERS
from ops.running import find
from shared.contracts.vocabulary import OPERATOR, Service

FOLDERS = (*USERS, ADMINISTRATOR, "rabbitmq", "mongodb", "grafana")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def told(tmp_path: Path, keys: Path) -> Path:
    for folder in FOLDERS:
        (tmp_path / "for" / folder).mkdir(parents=True)
    hand_out(keys, tmp_path / "for")
    return tmp_path / "for"


def all_files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("service", list(Service))
def test_a_service_is_told_its_own_secrets_and_nobody_elses(told: Path, keys: Path, service: Service) -> None:
    own = "".join(all_files(told / service).values())

    assert (keys / f"{service}.key").read_text() in own
    assert ((keys / "keyring").read_text() in own) is (service is Service.ENROLLMENT)
    assert not any((keys / f"{other}.key").read_text() in own for other in set(Service) - {service})
    for passwords in ("rabbitmq.json", "mongodb.json"):
        known = json.loads((keys / passwords).read_text())
        assert {user for user, password in known.items() if password in own} == {service}


def test_the_second_time_everybody_is_told_the_same(told: Path, keys: Path) -> None:
    kept, before = all_files(keys), all_files(told)

    hand_out(keys, told)

    salted = "rabbitmq/definitions.json"
    assert all_files(keys) == kept
    assert {**all_files(told), salted: ""} == {**before, salted: ""}


def test_the_broker_is_told_no_password(told: Path, keys: Path) -> None:
    definitions = (told / "rabbitmq" / "definitions.json").read_text()

    passwords = json.loads((keys / "rabbitmq.json").read_text())
    assert passwords.keys() == {user["name"] for user in json.loads(definitions)["users"]}
    assert not [user for user, password in passwords.items() if password in definitions]


def test_the_key_of_the_replica_set_is_one_that_mongod_takes(told: Path) -> None:
    assert re.fullmatch(r"[A-Za-z0-9+/=]{6,1024}", (told / "mongodb" / "keyfile").read_text())


def test_what_is_ours_is_for_its_owner_alone_and_what_is_kept_too(told: Path, keys: Path) -> None:
    files = [*keys.iterdir(), *(file for user in (*USERS, ADMINISTRATOR) for file in (told / user).iterdir())]

    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in files} == {0}


def test_the_command_line_finds_the_system_by_what_the_operator_is_told(told: Path, tmp_path: Path) -> None:
    running = find(tmp_path, {"SECRETS_DIR": str(told / OPERATOR)})

    assert running.rabbitmq_url.startswith(f"amqp://{OPERATOR}:")
    assert running.public_keys.keys() == set(Service)
