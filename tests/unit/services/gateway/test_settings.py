"""A gateway that could not do its work safely does not start."""

from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from services.gateway.settings import GatewaySettings
from shared.contracts.vocabulary import Service
from tests.keys import Keys


def told(keys: Keys, **changes: Any) -> dict[str, Any]:
    return {
        "rabbitmq_url": "amqp://localhost",
        "mongodb_url": "mongodb://localhost",
        "sealing_private_key": keys.private[Service.GATEWAY],
        "sealing_public_keys": keys.public,
        **changes,
    }


def test_cookies_are_for_https_alone_unless_it_is_said_otherwise(keys: Keys) -> None:
    assert GatewaySettings(**told(keys)).cookie_secure


def test_unprotected_cookies_are_refused_in_production(keys: Keys) -> None:
    with pytest.raises(ValidationError, match="COOKIE_SECURE"):
        GatewaySettings(**told(keys, cookie_secure=False))


def test_unprotected_cookies_can_be_had_in_development(keys: Keys) -> None:
    settings = GatewaySettings(**told(keys, cookie_secure=False, environment="development"))

    assert not settings.cookie_secure


@pytest.mark.parametrize("service", [Service.AUTH, Service.ENROLLMENT])
def test_a_gateway_that_cannot_seal_to_a_service_does_not_start(keys: Keys, service: Service) -> None:
    public = {name: key for name, key in keys.public.items() if name != service}

    with pytest.raises(ValidationError, match=service):
        GatewaySettings(**told(keys, sealing_public_keys=public))


def test_a_mistake_in_the_settings_shows_no_key(keys: Keys) -> None:
    with pytest.raises(ValidationError) as raised:
        GatewaySettings(**told(keys, cookie_secure=False, session_idle="soon"))

    assert keys.private[Service.GATEWAY] not in str(raised.value)


@pytest.mark.parametrize(
    "lifetime",
    [
        {"flow_ttl": "PT0S"},
        {"flow_ttl": "PT1H"},  # policy has forgotten the password by then, and refuses every code
        {"session_ttl": "-PT1H"},
        {"session_ttl": "P30D"},  # longer than the standard allows, and than policy remembers who may change his apps
        {"session_idle": "PT0S"},
        {"patience": "PT0S"},
        {"failures_within": "PT0.5S"},
    ],
)
def test_a_time_that_cannot_be_meant_is_told_at_the_start_and_not_at_somebodys_login(
    keys: Keys, lifetime: dict[str, str]
) -> None:
    with pytest.raises(ValidationError, match=next(iter(lifetime))):
        GatewaySettings(**told(keys, **lifetime))


@pytest.mark.parametrize("typed", ["10.0.0.0/8, fd00::/8", "10.0.0.0/8,fd00::/8,"])
def test_trusted_proxies_are_networks_separated_by_commas(keys: Keys, typed: str) -> None:
    settings = GatewaySettings(**told(keys, trusted_proxies=typed))

    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def test_nobody_is_trusted_unless_he_is_named(keys: Keys) -> None:
    assert GatewaySettings(**told(keys)).trusted_proxies == ()


def test_a_network_that_is_none_is_not_passed_over(keys: Keys) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        GatewaySettings(**told(keys, trusted_proxies="everybody"))
