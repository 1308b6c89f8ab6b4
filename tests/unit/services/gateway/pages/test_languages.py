from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.catalogues import LOCALES, in_line, untranslated
from services.gateway.pages import languages

MOMENT = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
LANGUAGES = languages.load()


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "expected"),
    [
        (None, None, None, "en"),
        (None, None, "nl,en;q=0.5", "nl"),
        (None, None, "en;q=0.5, de-AT", "de"),
        (None, None, "fr, nl-BE;q=0.8, en;q=0.2", "nl"),
        (None, None, "de;q=0, nl;q=0.1", "nl"),
        (None, None, "*", "en"),
        (None, None, ";;;q=,=,de;q=zero", "en"),
        (None, None, "x" * 100_000, "en"),
        (None, "de", "nl", "de"),
        ("nl", "de", "en", "nl"),
        ("../../etc/passwd", "xx", "nl", "nl"),
    ],
)
def test_a_language_is_chosen_by_the_switch_then_the_cookie_then_the_browser(
    asked: str | None, kept: str | None, accepted: str | None, expected: str
) -> None:
    assert languages.choose(LANGUAGES, asked, kept, accepted).code == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("en", "9 March 2026, 14:05 UTC"), ("nl", "9 maart 2026, 14:05 UTC"), ("de", "9. März 2026, 14:05 UTC")],
)
def test_a_moment_is_written_as_its_language_writes_it(code: str, expected: str) -> None:
    assert LANGUAGES[code].moment(MOMENT) == expected


def test_every_language_but_that_of_the_templates_has_a_catalogue() -> None:
    assert {path.stem for path in LOCALES.iterdir()} | {languages.SOURCE} == set(LANGUAGES)


@pytest.mark.parametrize("path", sorted(LOCALES.glob("*.po")), ids=lambda path: path.stem)
def test_no_text_is_missing_or_doubtful_in_any_language(path: Path) -> None:
    assert untranslated(path) == []


@pytest.mark.parametrize("path", sorted(LOCALES.glob("*.po")), ids=lambda path: path.stem)
def test_a_catalogue_holds_the_texts_of_the_templates_and_no_others(path: Path) -> None:
    assert path.read_bytes() == in_line(path)
