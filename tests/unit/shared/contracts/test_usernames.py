"""Usernames: what is typed in another case, or by another keyboard, is still the same name."""

import sys
import unicodedata

import pytest

from shared.contracts.auth import user_id_of, username_key

_DOTLESS = "\N{LATIN SMALL LETTER DOTLESS I}"
"""Its capital is that of another letter: who types it in capitals means somebody else."""

CASED = [
    letter
    for letter in map(chr, range(sys.maxunicode + 1))
    if letter != _DOTLESS and letter.islower() != letter.isupper()
]


def test_a_name_is_the_same_in_capitals_and_in_small_letters_of_every_script() -> None:
    lost = [
        letter
        for letter in CASED
        if not username_key(letter.lower()) == username_key(letter) == username_key(letter.upper())
    ]

    assert lost == []


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_name_is_the_same_however_a_keyboard_composes_it(form: str) -> None:
    lost = [letter for letter in CASED if username_key(letter) != username_key(unicodedata.normalize(form, letter))]

    assert lost == []


def test_what_a_name_is_found_by_finds_it_again() -> None:
    assert [letter for letter in CASED if username_key(username_key(letter)) != username_key(letter)] == []


def test_who_types_his_name_in_capitals_is_nobody_else() -> None:
    small = "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}"

    assert user_id_of(f"ada {small}") == user_id_of(f"ADA {small.upper()}")
