"""The drawn QR code, read back from nothing but its SVG."""

import hashlib
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from shared.crypto.otp import LONGEST_NAME, key_uri
from shared.crypto.qr import QUIET_ZONE, svg
from tests.scanner import drawn, paths, scanned

URI = key_uri(b"12345678901234567890", issuer="Société A/B", username="ann@example.com 🙂")


def test_a_scanner_reads_the_uri_from_the_drawing(tmp_path: Path) -> None:
    drawing = svg(URI)

    assert scanned(drawing, tmp_path) == URI


def test_the_longest_names_still_fit_and_scan(tmp_path: Path) -> None:
    uri = key_uri(bytes(20), issuer="🙂" * LONGEST_NAME, username="🙃" * (LONGEST_NAME + 1))

    assert scanned(svg(uri), tmp_path) == uri


def test_there_is_a_white_quiet_zone_of_four_modules() -> None:
    modules = drawn(svg(URI))

    edges = [*range(QUIET_ZONE), *range(len(modules) - QUIET_ZONE, len(modules))]
    assert not any(modules[row][column] for row in edges for column in range(len(modules)))
    assert not any(modules[row][column] for row in range(len(modules)) for column in edges)
    assert all(modules[QUIET_ZONE][QUIET_ZONE : QUIET_ZONE + 7]), "the finder pattern begins right after it"


def test_the_error_correction_is_m() -> None:
    top = drawn(svg(URI))[QUIET_ZONE + 8][QUIET_ZONE:]

    # The first two bits of the format information, masked with 10 (ISO/IEC 18004 section 7.9): M is 00.
    assert top[:2] == [True, False]


def test_it_is_black_on_white_whatever_the_page_is() -> None:
    background, modules = paths(svg(URI))

    assert background.get("fill") == "#fff"
    assert modules.get("fill") == "#000"


@pytest.mark.parametrize("number", range(24))
def test_every_file_scans_as_it_is(number: int, tmp_path: Path) -> None:
    uri = key_uri(hashlib.sha256(bytes([number])).digest()[:20], issuer="Northwind Cloud", username="nina@one.example")
    file = tmp_path / "qr.svg"
    file.write_text(svg(uri))

    command = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(file)]
    read = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - fixed words

    assert read == uri


def test_a_strict_content_security_policy_lets_it_through() -> None:
    drawing = svg(URI)

    assert "style" not in drawing
    assert "script" not in drawing
    assert "href" not in drawing


def test_it_stands_in_a_page_and_in_a_file() -> None:
    drawing = svg(URI)

    assert drawing.startswith("<svg ")
    assert 'xmlns="http://www.w3.org/2000/svg"' in drawing
    assert "<?xml" not in drawing


def test_a_screen_reader_is_told_what_it_is_and_never_the_secret() -> None:
    root = ET.fromstring(svg(URI, title="Código <QR> & co"))  # noqa: S314 - our own drawing

    assert root.get("role") == "img"
    assert root.findtext("{*}title") == "Código <QR> & co"
    assert "GEZDGNBV" not in svg(URI)
