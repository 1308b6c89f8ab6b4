"""Who makes servers ready says how he reaches them; what is wrong with that is told without his password."""

import pytest

from ops.administrator import Administrator
from ops.places import place
from ops.privileges import USERS, VHOST

CANARY = "canary-5d20/e7"
RIGHT = {
    "RABBITMQ_ADMIN_URL": "amqps://root:p%40ss@broker.example:5671/wardgate%2Fone",
    "RABBITMQ_MANAGEMENT_URL": "https://broker.example:15671/prefix",
    "MONGODB_ADMIN_URL": "mongodb://root:secret@one.example:27017,two.example:27017/?replicaSet=rs&tls=true",
}


def test_user_password_and_virtual_host_are_what_the_address_of_the_broker_says() -> None:
    found = Administrator.of(RIGHT)

    assert (found.user, found.password, found.vhost) == ("root", "p@ss", "wardgate/one")


@pytest.mark.parametrize("end", ["", "/", "/%2F"])
def test_without_a_name_it_is_the_virtual_host_that_every_broker_has(end: str) -> None:
    found = Administrator.of(RIGHT | {"RABBITMQ_ADMIN_URL": f"amqp://root:secret@broker.example{end}"})

    assert found.vhost == VHOST


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"Missing: {name}"):
        Administrator.of({other: url for other, url in RIGHT.items() if other != name})


@pytest.mark.parametrize("name", RIGHT)
def test_an_address_of_another_kind_is_not_taken_and_not_shown(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has to begin with") as told:
        Administrator.of(RIGHT | {name: f"ftp://root:{CANARY}@broker.example"})

    assert CANARY not in str(told.value)


@pytest.mark.parametrize("special", "/?#")
@pytest.mark.parametrize("name", RIGHT)
def test_a_password_that_would_end_the_name_of_the_server_is_not_shown(name: str, special: str) -> None:
    scheme = RIGHT[name].partition(":")[0]

    with pytest.raises(ValueError, match=f"{name} is no URL") as told:
        Administrator.of(RIGHT | {name: f"{scheme}://root:{CANARY.replace('/', special)}@broker.example/"})

    assert "canary" not in str(told.value)


@pytest.mark.parametrize("name", RIGHT)
def test_a_port_that_is_none_is_told(name: str) -> None:
    scheme = RIGHT[name].partition(":")[0]

    with pytest.raises(ValueError, match=f"{name} is no URL"):
        Administrator.of(RIGHT | {name: f"{scheme}://root:secret@one.example:1,two.example:port/"})


@pytest.mark.parametrize("user", USERS)
def test_the_administrator_is_nobody_whose_password_will_be_changed(user: str) -> None:
    with pytest.raises(ValueError, match="has to be another"):
        Administrator.of(RIGHT | {"RABBITMQ_ADMIN_URL": f"amqp://{user}:secret@broker.example/"})


def test_where_a_server_is_can_be_shown_to_people() -> None:
    assert place(RIGHT["MONGODB_ADMIN_URL"]) == "one.example:27017,two.example:27017"
    assert "secret" not in repr(Administrator.of(RIGHT))
