"""Where a request comes from: what is forged changes nothing, what trusted proxies say is believed."""

from ipaddress import ip_network
from typing import Any

import pytest

from services.gateway.addresses import NOWHERE, Addresses, Network, client, client_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def request(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    return {"type": "http", "client": None if peer is None else (peer, 40_000), "headers": headers}


@pytest.mark.parametrize("trusted", [(), PROXIES])
@pytest.mark.parametrize("forged", ["192.0.2.7", "127.0.0.1", "10.1.1.1, 192.0.2.7", "unknown", "", ",,,"])
def test_what_a_stranger_says_of_himself_changes_nothing(trusted: tuple[Network, ...], forged: str) -> None:
    assert client_of(request("203.0.113.9", forged), trusted) == "203.0.113.9"


@pytest.mark.parametrize(
    ("forwarded", "told"),
    [
        (("203.0.113.9",), "203.0.113.9"),
        (("192.0.2.7, 203.0.113.9",), "203.0.113.9"),  # the first is what the client itself sent
        (("192.0.2.7", "203.0.113.9"), "203.0.113.9"),
        (("192.0.2.7, 203.0.113.9, 10.2.2.2",), "203.0.113.9"),
        (("203.0.113.9, fd00::2",), "203.0.113.9"),
        (("203.0.113.9:51000",), "203.0.113.9"),
        (("[2001:db8:1:2::3]:51000",), "2001:db8:1:2::/64"),
        (("10.3.3.3, 10.2.2.2",), "10.3.3.3"),  # from within
        (("203.0.113.9, garbage",), "10.1.1.1"),
        ((), "10.1.1.1"),
    ],
)
def test_of_what_trusted_proxies_say_the_last_stranger_counts(forwarded: tuple[str, ...], told: str) -> None:
    assert client_of(request("10.1.1.1", *forwarded), PROXIES) == told


def test_all_addresses_of_one_household_are_one() -> None:
    one, other = request("2001:db8:1:2::3"), request("2001:db8:1:2:ffff:ffff:ffff:ffff")

    assert client_of(one, ()) == client_of(other, ()) == "2001:db8:1:2::/64"
    assert client_of(request("2001:db8:1:3::3"), ()) != client_of(one, ())


@pytest.mark.parametrize(
    ("peer", "told"), [("::ffff:203.0.113.9", "203.0.113.9"), (None, NOWHERE), ("a.sock", NOWHERE)]
)
def test_an_address_has_one_form(peer: str | None, told: str) -> None:
    assert client_of(request(peer), ()) == told


async def test_the_address_is_known_while_a_request_is_answered_and_not_longer() -> None:
    seen: list[str] = []

    async def app(*_: Any) -> None:
        seen.append(client())

    async def nothing(*_: Any) -> Any: ...

    await Addresses(app)(request("203.0.113.9"), nothing, nothing)

    assert seen == ["203.0.113.9"]
    assert client() == NOWHERE
