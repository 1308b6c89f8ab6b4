"""What a service is told, by its environment and in files that only it may read."""

import json
from pathlib import Path

import pytest

from shared.contracts.vocabulary import Service
from shared.runtime.origin import BrokerUsers
from shared.runtime.settings import Keyholder

PUBLIC = {"auth": "a", "gateway": "b"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this service finds its secrets."""
    told = {"rabbitmq_url": "amqp://file", "mongodb_url": "mongodb://file", "sealing_private_key": "private"}
    for name, secret in (told | {"sealing_public_keys": json.dumps(PUBLIC)}).items():
        (tmp_path / name).write_text(f"{secret}\n")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_secrets_are_read_from_files_of_their_names() -> None:
    settings = Keyholder()

    assert settings.rabbitmq_url.get_secret_value() == "amqp://file"
    assert settings.sealing_private_key.get_secret_value() == "private"
    assert settings.sealing_public_keys == PUBLIC


@pytest.mark.usefixtures("folder")
def test_what_the_environment_says_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URL", "mongodb://environment")

    settings = Keyholder()

    assert settings.mongodb_url.get_secret_value() == "mongodb://environment"
    assert settings.rabbitmq_url.get_secret_value() == "amqp://file"


def test_a_secret_that_is_nowhere_is_named_and_no_other_is_shown(folder: Path) -> None:
    (folder / "rabbitmq_url").unlink()

    with pytest.raises(ValueError, match="rabbitmq_url") as refused:
        Keyholder()

    assert "mongodb://file" not in str(refused.value)


@pytest.mark.usefixtures("folder")
def test_services_that_share_a_user_are_refused_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_USERS", "shared")

    with pytest.raises(ValueError, match="in development only"):
        Keyholder()

    monkeypatch.setenv("ENVIRONMENT", "development")
    assert Keyholder().broker_users is BrokerUsers.SHARED


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("user", ["gateway", "wardgate", "administrator"])
def test_a_service_does_not_start_as_another(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("RABBITMQ_URL", f"amqp://{user}:secret@broker")
    settings = Keyholder()

    with pytest.raises(ValueError, match=f"user of RABBITMQ_URL is {user}") as refused:
        settings.see_that_user_is(Service.AUTH)

    assert "secret" not in str(refused.value)
