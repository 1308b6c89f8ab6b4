"""Policy without what it needs does not start; it holds no key, for nothing is sealed to it."""

import pytest
from pydantic import ValidationError

from services.policy.app import app

ENVIRONMENT = {"RABBITMQ_URL": "amqp://policy@127.0.0.1", "MONGODB_URL": "mongodb://127.0.0.1"}


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_setting_that_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)

    with pytest.raises(ValidationError, match=missing.lower()):
        app()
