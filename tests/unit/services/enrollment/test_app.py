"""Enrollment without what it needs does not start."""

import json

import pytest
from pydantic import ValidationError

from services.enrollment.app import app
from services.enrollment.settings import EnrollmentSettings
from shared.contracts.vocabulary import Service
from tests.keys import Keys

ENVIRONMENT = {
    "RABBITMQ_URL": "amqp://enrollment@127.0.0.1",
    "MONGODB_URL": "mongodb://127.0.0.1",
    **Keys().environment(Service.ENROLLMENT),
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_setting_that_is_missing_is_named(missing: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv(missing)

    with pytest.raises(ValidationError, match=missing.lower()):
        EnrollmentSettings()


def test_without_the_public_key_of_the_gateway_nothing_could_be_shown(environment: pytest.MonkeyPatch) -> None:
    public = {service: key for service, key in Keys().public.items() if service != Service.GATEWAY}
    environment.setenv("SEALING_PUBLIC_KEYS", json.dumps(public))

    with pytest.raises(ValidationError, match="public key of the gateway"):
        EnrollmentSettings()


@pytest.mark.parametrize("keyring", ["canary", "k1:canary", ""])
def test_a_keyring_that_is_none_is_refused_without_being_shown(keyring: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KEYRING", keyring)

    with pytest.raises(ValueError, match="keyring") as refused:
        app()

    assert "canary" not in str(refused.value)
