"""Auth without what it needs does not start, nor with what would be a danger."""

import pytest
from pydantic import ValidationError

from services.auth.app import app
from services.auth.settings import AuthSettings
from shared.crypto.sealing import new_private_key

ENVIRONMENT = {
    "RABBITMQ_URL": "amqp://auth@127.0.0.1",
    "MONGODB_URL": "mongodb://127.0.0.1",
    "SEALING_PRIVATE_KEY": "",
    "SEALING_PUBLIC_KEYS": "{}",
}


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_setting_that_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)

    with pytest.raises(ValidationError, match=missing.lower()):
        AuthSettings()


def test_a_key_that_is_none_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"SEALING_PRIVATE_KEY": f"{new_private_key()},canary"}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match="private key") as refused:
        app()

    assert "canary" not in str(refused.value)


def test_there_is_a_thread_for_hashing_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert AuthSettings().hashing_threads >= 1
    with pytest.raises(ValidationError):
        AuthSettings(hashing_threads=0)


def test_cheap_hashes_are_refused_outside_development(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"BENCHMARK_CHEAP_HASH": "1"}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match="ENVIRONMENT=development only"):
        AuthSettings()


def test_cheap_hashes_are_announced_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dangerous = {"BENCHMARK_CHEAP_HASH": "1", "ENVIRONMENT": "development", "SEALING_PRIVATE_KEY": new_private_key()}
    for name, value in (ENVIRONMENT | dangerous).items():
        monkeypatch.setenv(name, value)

    app()

    assert '"level": "warning"' in (said := capsys.readouterr().out)
    assert "BENCHMARK_CHEAP_HASH=1: passwords are hashed so cheaply" in said


@pytest.mark.parametrize("meant", ["true", "yes", "2", ""])
def test_cheap_hashes_are_chosen_by_a_one_and_nothing_else(meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ENVIRONMENT | {"BENCHMARK_CHEAP_HASH": meant, "ENVIRONMENT": "development"}).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match="benchmark_cheap_hash"):
        AuthSettings()
