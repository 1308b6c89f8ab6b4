"""Auth without what it needs does not start."""

import pytest
from pydantic import ValidationError

from services.auth.app import app
from services.auth.settings import AuthSettings
from shared.crypto.sealing import new_private_key

ENVIRONMENT = {
    "RABBITMQ_URL": "amqp://127.0.0.1",
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
