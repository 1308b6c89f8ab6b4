"""Text and bytes, one to one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto.encoding import from_base64url, joined, to_base64url

names = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


@given(st.binary())
def test_base64url_comes_back_as_it_went(content: bytes) -> None:
    assert from_base64url(to_base64url(content)) == content


@given(st.text("ABab01-_+/= \n", max_size=12))
def test_whatever_is_read_has_one_spelling(text: str) -> None:
    try:
        content = from_base64url(text)
    except ValueError:
        return
    assert to_base64url(content) == text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q", "QQ\n", "Q Q", "Q+", "é"])
def test_padding_stray_bits_and_foreign_characters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)


@given(names, names)
def test_different_names_are_never_joined_alike(one: list[str], other: list[str]) -> None:
    assert (joined(one) == joined(other)) == (one == other)


def test_a_name_cannot_swallow_its_neighbour() -> None:
    assert len({joined(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"])}) == 5
