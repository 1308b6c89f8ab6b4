"""Recovery codes: as shown, as kept, as typed."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.crypto.recovery_codes import RecoveryCodes, new_recovery_codes, normalised

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOWN, KEPT = new_recovery_codes()


def test_ten_codes_of_eighty_bits_are_shown_in_groups_of_four() -> None:
    assert len(set(SHOWN)) == 10
    assert all(re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", code) for code in SHOWN)
    assert KEPT.left == 10


def test_two_sets_share_neither_salt_nor_codes() -> None:
    shown, kept = new_recovery_codes()

    assert kept.salt != KEPT.salt
    assert not set(shown) & set(SHOWN)


def test_what_is_kept_does_not_hold_the_codes() -> None:
    kept = repr(KEPT)

    assert not any(code in kept or code.replace("-", "") in kept for code in SHOWN)


@pytest.mark.parametrize("position", range(10))
def test_each_code_is_found_at_its_place(position: int) -> None:
    assert KEPT.position_of(SHOWN[position]) == position


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " \u2013 "),
        lambda code: f" {code}\n",
    ],
)
def test_case_spaces_and_dashes_do_not_matter(typed: Callable[[str], str]) -> None:
    assert KEPT.position_of(typed(SHOWN[3])) == 3


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16))
def test_a_misread_letter_is_read_as_the_one_that_was_meant(code: str) -> None:
    misread = code.replace("O", "0").replace("I", "1").replace("B", "8")

    assert normalised(misread) == code


@pytest.mark.parametrize(
    "typed", ["", "-", "AAAA", SHOWN[0][:-1], SHOWN[0] + "A", "A" * 10**6, "Ä" * 16, "\uff19" * 16, "\0" * 16]
)
def test_what_is_no_code_is_found_nowhere(typed: str) -> None:
    assert KEPT.position_of(typed) is None


def test_a_code_of_another_set_is_found_nowhere() -> None:
    others, _ = new_recovery_codes()

    assert KEPT.position_of(others[0]) is None


def test_a_used_code_is_not_good_again_and_the_others_still_are() -> None:
    after = KEPT.used(2, NOW)

    assert after.left == 9
    assert after.hashes[2].used_at == NOW
    assert after.position_of(SHOWN[2]) is None
    assert after.position_of(SHOWN[3]) == 3
    assert KEPT.left == 10, "the state before is left alone"


def test_a_code_cannot_be_marked_as_used_twice() -> None:
    after = KEPT.used(2, NOW)

    with pytest.raises(ValueError, match="only once"):
        after.used(2, NOW)


def test_the_hashes_of_one_user_are_worth_nothing_under_the_salt_of_another() -> None:
    _, other = new_recovery_codes()

    moved = replace(other, hashes=KEPT.hashes)

    assert moved.position_of(SHOWN[0]) is None


def test_a_set_goes_into_a_document_and_comes_back() -> None:
    adapter = TypeAdapter(RecoveryCodes)
    kept = KEPT.used(0, NOW)

    stored = bson.encode(adapter.dump_python(kept))
    document = bson.decode(stored, CodecOptions[dict[str, object]](tz_aware=True))

    assert adapter.validate_python(document) == kept
