"""One launcher in a checkout at a time, and the other commands find it."""

import json
from pathlib import Path

import pytest

from ops.running import AlreadyRunning, NotRunning, Running, announced, find, only_one

RUNNING = Running(
    "http://127.0.0.1:8080", "amqp://wardgate:secret@127.0.0.1:20000/", "mongodb://127.0.0.1:20001/", {"auth": "key"}
)


def test_a_running_system_is_found(tmp_path: Path) -> None:
    with only_one(tmp_path), announced(tmp_path, RUNNING):
        assert find(tmp_path, {}) == RUNNING

    with pytest.raises(NotRunning, match="make run"):
        find(tmp_path, {})


def test_the_note_holds_passwords_and_is_for_its_owner_only(tmp_path: Path) -> None:
    with announced(tmp_path, RUNNING):
        assert (tmp_path / "run.json").stat().st_mode & 0o077 == 0


def test_the_note_of_a_launcher_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    with only_one(tmp_path), announced(tmp_path, RUNNING):
        left_behind = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(left_behind)

    with pytest.raises(NotRunning):
        find(tmp_path, {})


def test_the_environment_names_a_system_elsewhere(tmp_path: Path) -> None:
    environ = {
        "RABBITMQ_URL": "amqp://elsewhere",
        "SEALING_PUBLIC_KEYS": json.dumps({"auth": "key"}),
        "MONGODB_PREFIX": "elsewhere_",
    }

    found = find(tmp_path, environ)

    assert (found.rabbitmq_url, found.public_keys) == ("amqp://elsewhere", {"auth": "key"})
    assert found.mongodb_prefix == "elsewhere_"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"RABBITMQ_URL": "operator:CANARY@broker.example:5672"}, "RABBITMQ_URL has to begin with amqp:// or amqps://"),
        ({"RABBITMQ_URL": "amqp://operator:CANARY/1@broker.example"}, "RABBITMQ_URL is no URL"),
        ({"MONGODB_URL": "operator:CANARY@db.example"}, "MONGODB_URL has to begin with"),
        ({"SEALING_PUBLIC_KEYS": "{'auth': CANARY}"}, "SEALING_PUBLIC_KEYS has to be a JSON object"),
        ({"SEALING_PUBLIC_KEYS": '["CANARY"]'}, "SEALING_PUBLIC_KEYS has to be a JSON object"),
        ({"BROKER_USERS": "everybody"}, "BROKER_USERS has to be own or shared"),
        ({"SECRETS_DIR": "/nowhere/at/all"}, "SECRETS_DIR: /nowhere/at/all cannot be read"),
    ],
)
def test_what_is_wrong_with_the_environment_is_told_without_its_secrets(
    wrong: dict[str, str], says: str, tmp_path: Path
) -> None:
    right = {"RABBITMQ_URL": "amqp://elsewhere", "SEALING_PUBLIC_KEYS": "{}"}

    with pytest.raises(NotRunning, match=says) as told:
        find(tmp_path, right | wrong)

    assert "CANARY" not in str(told.value)


def test_a_secret_that_is_not_text_is_told_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "rabbitmq_url").write_bytes(b"amqp://CANARY\xff")

    with pytest.raises(NotRunning, match="is not all text") as told:
        find(tmp_path, {"SECRETS_DIR": str(tmp_path)})

    assert "CANARY" not in str(told.value)


def test_a_second_launcher_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        announced(tmp_path, RUNNING),
        pytest.raises(AlreadyRunning, match=r"already runs in this checkout at http://127\.0\.0\.1:8080"),
        only_one(tmp_path),
    ):
        pass


def test_a_checkout_is_free_again_afterwards(tmp_path: Path) -> None:
    with only_one(tmp_path):
        pass

    with only_one(tmp_path):
        assert (tmp_path / "run.lock").exists()
