"""What services are told of servers that somebody else runs."""

from ops.privileges import USERS
from ops.stack import Stack
from shared.contracts.vocabulary import Service

PASSWORDS = dict.fromkeys(USERS, "own")


def access(rabbitmq_url: str, mongodb_url: str) -> tuple[str, str]:
    stack = Stack(rabbitmq_url, mongodb_url, broker_passwords=PASSWORDS, database_passwords=PASSWORDS)
    found = stack.access(Service.AUTH)
    return found.rabbitmq_url, found.mongodb_url


def test_a_service_reaches_them_in_the_same_way_but_signs_in_as_itself() -> None:
    rabbitmq_url, mongodb_url = access(
        "amqps://root:secret@broker.example:5671/wardgate?cafile=/ca.pem",
        "mongodb+srv://root:secret@db.example/?authSource=admin&authMechanism=SCRAM-SHA-1&tls=true&replicaSet=rs",
    )

    assert rabbitmq_url == "amqps://auth:own@broker.example:5671/wardgate?cafile=/ca.pem"
    assert mongodb_url == "mongodb+srv://auth:own@db.example/?authSource=wardgate_auth&tls=true&replicaSet=rs"


def test_an_address_without_options_is_one_for_a_service_too() -> None:
    _, mongodb_url = access("amqp://root:secret@broker.example/", "mongodb://root:secret@one:27017,two:27017")

    assert mongodb_url == "mongodb://auth:own@one:27017,two:27017/?authSource=wardgate_auth"
