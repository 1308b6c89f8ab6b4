"""Tokens are long, never the same, and not to be read off what is stored."""

from services.gateway.tokens import digest, new_token


def test_a_token_has_256_bits_and_no_two_are_alike() -> None:
    tokens = {new_token() for _ in range(1000)}

    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}


def test_a_digest_is_of_one_token_and_does_not_show_it() -> None:
    token = new_token()

    assert digest(token) == digest(token)
    assert digest(token) != digest(new_token())
    assert token not in digest(token)


def test_whatever_a_browser_sends_as_a_token_has_a_digest() -> None:
    assert len(digest("\ud800 \0 é" * 1000)) == 64
