"""The languages of the pages: their catalogues, which one a person reads, and how it writes a moment."""

import gettext
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

CATALOGUES = Path(__file__).parent / "locales"
SOURCE = "en"
"""The language that the templates themselves are written in."""

_LONGEST_HEADER = 512


@dataclass(frozen=True)
class Language:
    """One language: its code, what it calls itself, its texts, and the place whose way of writing dates it follows."""

    code: str
    name: str
    place: str
    texts: gettext.NullTranslations = field(repr=False)

    @property
    def locale(self) -> Locale:
        """Where dates and numbers are written this way."""
        return Locale.parse(self.place)

    def moment(self, moment: datetime) -> str:
        """Write a moment in UTC: a server does not know where its reader is. In the browser a script makes it local."""
        moment = moment.astimezone(UTC)
        date = format_date(moment, "long", locale=self.locale)
        return f"{date}, {format_time(moment, 'short', locale=self.locale)} UTC"

    def day(self, moment: datetime) -> str:
        """Write the day of a moment in UTC."""
        return format_date(moment.astimezone(UTC), "long", locale=self.locale)


def _language(code: str, name: str, place: str) -> Language:
    """Read a catalogue as it is kept for translators: nothing has to be compiled before the service starts."""
    if code == SOURCE:
        return Language(code, name, place, gettext.NullTranslations())
    compiled = io.BytesIO()
    with (CATALOGUES / f"{code}.po").open("rb") as catalogue:
        write_mo(compiled, read_po(catalogue, locale=code))
    compiled.seek(0)
    return Language(code, name, place, gettext.GNUTranslations(compiled))


def load() -> Mapping[str, Language]:
    """All languages by their code, in the order in which they are offered."""
    spoken = (("en", "English", "en_GB"), ("nl", "Nederlands", "nl_NL"), ("de", "Deutsch", "de_DE"))
    return MappingProxyType({code: _language(code, name, place) for code, name, place in spoken})


def choose(languages: Mapping[str, Language], asked: str | None, kept: str | None, accepted: str | None) -> Language:
    """The language of a page: what was just asked for, else chosen before, else the first that the browser accepts."""
    for code in (asked, kept):
        if code is not None and code in languages:
            return languages[code]
    preferred = _preferred((accepted or "")[:_LONGEST_HEADER])
    try:
        code = negotiate_locale(preferred, list(languages), sep="-")
    except (ValueError, UnknownLocaleError):
        code = None
    return languages[code or SOURCE]


def _preferred(header: str) -> list[str]:
    """The languages of an `Accept-Language` header, best first (RFC 9110, section 12.5.4)."""
    weighed = []
    for entry in header.split(","):
        tag, _, weight = entry.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag.strip() and quality > 0:
            weighed.append((quality, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]
