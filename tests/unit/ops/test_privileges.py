"""Rights on the servers, as they are written down; that the servers keep to them is tested on real ones."""

import re
from base64 import b64decode
from hashlib import sha256

import pytest

from ops.privileges import (
    ADMINISTRATOR,
    USERS,
    broker_definitions,
    database_users,
    hashed,
    permissions,
    topic_permissions,
)
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Message
from shared.contracts.vocabulary import OPERATOR, Service
from shared.runtime import topology

SALT = b"salt"
PASSWORDS = {user: f"canary-{user}" for user in (ADMINISTRATOR, *USERS)}

every_user = pytest.mark.parametrize("user", USERS)
every_message = pytest.mark.parametrize("message", [*COMMANDS.values(), *EVENTS.values()])


def may(right: str, user: str, name: str) -> bool:
    return re.search(permissions(user)[right], name) is not None


def may_publish(user: str, exchange: str, key: str) -> bool:
    topical = {rights["exchange"]: rights for rights in topic_permissions(user)}
    return may("write", user, exchange) and re.search(topical[exchange]["write"], key) is not None


@every_user
@every_message
def test_whoever_may_tell_or_ask_something_can_and_nobody_else(user: str, message: type[Message]) -> None:
    assert may_publish(user, topology.exchange_of(message), message.topic) == (user in message.by)


@every_user
@pytest.mark.parametrize("name", [*topology.EXCHANGES, "gateway.mine", "wardgate.replies.mine", "amq.topic", ""])
def test_nobody_can_declare_an_exchange_or_delete_one(user: str, name: str) -> None:
    assert not may("configure", user, name)


@every_user
@pytest.mark.parametrize("owner", Service)
def test_a_service_reads_its_own_queues_and_tries_its_own_messages_again(user: str, owner: Service) -> None:
    assert may("read", user, f"{owner}.login.succeeded.v1") == (user == owner)
    assert may("write", user, f"{owner}.login.succeeded.v1") is False
    assert may_publish(user, topology.RETRY, f"{owner}.login.succeeded.v1") == (user == owner)


@every_user
def test_only_the_operator_can_put_something_into_a_queue_without_an_exchange_of_ours(user: str) -> None:
    assert may("write", user, "amq.default") == (user == OPERATOR)


@every_user
def test_everybody_has_rights_on_every_topic_exchange_for_without_any_he_would_have_all(user: str) -> None:
    assert {rights["exchange"] for rights in topic_permissions(user)} == topology.EXCHANGES.keys() - {topology.PARKED}


@every_user
def test_nobody_can_listen_to_what_is_told_to_others(user: str) -> None:
    events = next(rights for rights in topic_permissions(user) if rights["exchange"] == topology.EVENTS)

    for key in ("#", "*", "access.granted.v1", "amq.#", "amq.gen-*"):
        assert not re.search(events["read"], key)


def test_definitions_hold_no_password() -> None:
    definitions = broker_definitions(PASSWORDS, SALT)

    assert "canary" not in str(definitions)
    assert {user["name"] for user in definitions["users"]} == PASSWORDS.keys()


def test_a_password_is_kept_as_the_broker_checks_it() -> None:
    kept = b64decode(hashed("test12", bytes.fromhex("908dc60a")))

    assert kept == bytes.fromhex("908dc60a") + sha256(bytes.fromhex("908dc60a") + b"test12").digest()
    assert hashed("test12", bytes.fromhex("908dc60a")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_a_service_has_one_database_and_the_operator_only_looks_at_the_trail() -> None:
    users = {user.name: (user.database, user.role) for user in database_users("wardgate_")}

    assert users.pop(OPERATOR) == ("wardgate_audit", "read")
    assert users == {service: (f"wardgate_{service}", "readWrite") for service in Service}


def test_who_is_retired_cannot_sign_in_and_may_do_nothing() -> None:
    definitions = broker_definitions(PASSWORDS, SALT, retired=["wardgate"])

    [user] = [user for user in definitions["users"] if user["name"] == "wardgate"]
    [rights] = [rights for rights in definitions["permissions"] if rights["user"] == "wardgate"]
    assert (user["password_hash"], user["tags"]) == ("", "")
    assert {rights["configure"], rights["write"], rights["read"]} == {"^$"}


def test_nobody_speaks_in_anothers_name_unless_the_definitions_are_those_of_a_developer() -> None:
    assert "impersonator" not in str(broker_definitions(PASSWORDS, SALT))


def test_a_password_of_any_kind_fits_into_a_url() -> None:
    [auth] = [user for user in database_users("wardgate_") if user.name == "auth"]

    assert auth.url("db:27017", "p@s/s:?", ["tls=true"]) == (
        "mongodb://auth:p%40s%2Fs%3A%3F@db:27017/?authSource=wardgate_auth&tls=true"
    )
