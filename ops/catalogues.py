"""The catalogues of the portal pages: brought in line with the templates, by `python -m ops.catalogues`."""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from ops.checkout import ROOT

PAGES = ROOT / "services" / "gateway" / "pages"
LOCALES = PAGES / "locales"

_METHODS = [("**.html", "jinja2")]
_OPTIONS = {"**.html": {"trimmed": "true", "silent": "false"}}


def texts() -> Catalog:
    """Every text of the templates, in English."""
    catalogue = Catalog()
    found = extract_from_dir(PAGES / "templates", method_map=_METHODS, options_map=_OPTIONS, strip_comment_tags=True)
    for filename, line, message, comments, context in found:
        catalogue.add(message, locations=[(filename, line)], auto_comments=comments, context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """A catalogue as its translator left it."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def written(catalogue: Catalog) -> bytes:
    """A catalogue as it is kept: without line numbers and dates, which change though no word did."""
    file = BytesIO()
    write_po(file, catalogue, width=100, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    headers = ("Content-Type: text/plain; charset=utf-8", f"Plural-Forms: {catalogue.plural_forms}")
    head = "\n".join(('msgid ""', 'msgstr ""', *(f'"{header}\\n"' for header in headers), "", ""))
    return head.encode() + file.getvalue()


def in_line(path: Path) -> bytes:
    """The catalogue with the texts that are new added untranslated, and those that are gone left out."""
    catalogue = read(path)
    catalogue.update(texts(), no_fuzzy_matching=True)
    return written(catalogue)


def untranslated(path: Path) -> list[str]:
    """The texts that this language has no words for, or words nobody has vouched for."""
    catalogue = read(path)
    catalogue.update(texts(), no_fuzzy_matching=True)
    return [str(message.id) for message in catalogue if message.id and (message.fuzzy or not _said(message.string))]


def _said(string: str | list[str] | tuple[str, ...] | None) -> bool:
    return all(string) if isinstance(string, list | tuple) else bool(string)


def main() -> None:
    """Rewrite the catalogues and say what is left to translate."""
    for path in sorted(LOCALES.glob("*.po")):
        path.write_bytes(in_line(path))
        for text in untranslated(path):
            sys.stdout.write(f"{path.name}: {text}\n")


if __name__ == "__main__":
    main()
