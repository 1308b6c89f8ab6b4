import pytest

from services.gateway.pages.destinations import Destinations

DESTINATIONS = Destinations(("https://app.example", "http://localhost:9000"))


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/orders?page=2#x",
        "https://app.example",
        "https://app.example/a?b=https://c.example",
        "http://localhost:9000/",
    ],
)
def test_a_sign_in_may_end_here_or_at_an_application_behind_the_gate(address: str) -> None:
    assert DESTINATIONS.allowed(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "orders",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https://evil.example",
        "https://app.example@evil.example/",
        "https://evil.example@app.example/",
        "https://app.example:443@evil.example/",
        "https://app.example.evil.example/",
        "https://app.example:8443/",
        "http://app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example\t.evil.example/",
        "/\t/evil.example",
        "/\n/evil.example",
        " https://app.example/",
        "https://app.example:x/",
        "https://[app.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://app.example/",
        "/" * 2000,
        "https://\u0430pp.example/",
    ],
)
def test_a_sign_in_ends_nowhere_else(address: str | None) -> None:
    assert DESTINATIONS.allowed(address) is None


@pytest.mark.parametrize(
    "origin",
    ["app.example", "https://app.example/", "https://*.example", "https://app.example; x", "*", "ftp://a.example"],
)
def test_what_is_no_origin_is_not_taken_for_one(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        Destinations((origin,))
