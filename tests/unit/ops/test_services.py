"""Each service is told what it needs, and no other's secrets."""

import json
from pathlib import Path

import pytest

from ops.keys import Keys
from ops.services import environment_of, service, services
from ops.stack import Access
from shared.crypto.sealing import new_private_key
from shared.runtime.origin import BrokerUsers

NAMES = ("auth", "enrollment", "gateway", "policy")


@pytest.fixture
def keys() -> Keys:
    return Keys({name: new_private_key() for name in NAMES}, keyring="k1:the-keyring")


def environment(name: str, keys: Keys, inherited: dict[str, str] | None = None) -> dict[str, str]:
    access = Access(f"amqp://{name}:its-own@broker", f"mongodb://{name}:its-own@database", BrokerUsers.OWN)
    return environment_of(name, access, keys, inherited or {})


@pytest.mark.parametrize("name", NAMES)
def test_a_service_finds_its_own_secrets_and_nobody_elses(name: str, keys: Keys) -> None:
    told = environment(name, keys)

    assert told["SEALING_PRIVATE_KEY"] == keys.private[name]
    for other in set(NAMES) - {name}:
        assert keys.private[other] not in "".join(told.values())
    assert ("KEYRING" in told) == (name == "enrollment")


@pytest.mark.parametrize("name", NAMES)
def test_a_service_finds_the_servers_and_everybodys_public_keys(name: str, keys: Keys) -> None:
    told = environment(name, keys)

    assert told["RABBITMQ_URL"] == f"amqp://{name}:its-own@broker"
    assert told["MONGODB_URL"] == f"mongodb://{name}:its-own@database"
    assert told["BROKER_USERS"] == "own"
    assert told["ENVIRONMENT"] == "development"
    assert json.loads(told["SEALING_PUBLIC_KEYS"]) == keys.public


def test_cookies_travel_over_plain_http_for_the_gateway_of_a_developer_only(keys: Keys) -> None:
    assert environment("gateway", keys)["COOKIE_SECURE"] == "false"
    assert all("COOKIE_SECURE" not in environment(name, keys) for name in set(NAMES) - {"gateway"})


def test_whoever_has_a_proxy_with_a_certificate_may_have_secure_cookies_too(keys: Keys) -> None:
    assert environment("gateway", keys, {"COOKIE_SECURE": "true"})["COOKIE_SECURE"] == "true"


def test_secrets_of_the_persons_own_environment_are_not_handed_on(keys: Keys) -> None:
    inherited = {"KEYRING": "k0:of-production", "RABBITMQ_URL": "amqp://of-production", "LOG_LEVEL": "DEBUG"}

    told = environment("auth", keys, inherited)

    assert "of-production" not in "".join(told.values())
    assert told["LOG_LEVEL"] == "DEBUG"


def test_the_services_are_those_that_have_an_application_the_gateway_last(tmp_path: Path) -> None:
    for name in ("gateway", "policy", "auth"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "app.py").touch()
    (tmp_path / "services" / "not_yet").mkdir()

    assert services(tmp_path) == ["auth", "policy", "gateway"]


def test_a_service_listens_on_the_loopback_interface_only(tmp_path: Path) -> None:
    child = service("auth", 20001, environment={}, log=tmp_path / "auth.log")

    arguments = child.command
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert arguments[arguments.index("--port") + 1] == "20001"
    assert arguments[arguments.index("shared.runtime.serving") + 1] == "auth"
