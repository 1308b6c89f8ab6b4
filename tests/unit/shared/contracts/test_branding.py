import base64

import pytest
from pydantic import ValidationError

from shared.contracts.branding import LARGEST_LOGO, Branding

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def data_url(kind: str, image: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


@pytest.mark.parametrize("text", [" #2A5BD0 ", "2a5bd0", "#2a5bd0"])
def test_an_accent_is_taken_as_a_directory_writes_it(text: str) -> None:
    assert Branding(accent=text).accent == "2a5bd0"


@pytest.mark.parametrize(
    "text", ["", "#fff", "red;}", "url(//evil.example)", "٢a5bd0", "##2a5bd0", "2a5bd0}", "2a5b\nd0"]
)
def test_whatever_else_calls_itself_an_accent_is_not_taken(text: str) -> None:
    with pytest.raises(ValidationError, match="six hexadecimal digits"):
        Branding(accent=text)


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("png", PNG),
        ("png", PNG.ljust(LARGEST_LOGO, b"\0")),
        ("jpeg", b"\xff\xd8\xff\xe0" + bytes(20)),
        ("webp", b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(8)),
    ],
)
def test_a_small_picture_is_taken_as_a_logo(kind: str, image: bytes) -> None:
    url = data_url(kind, image)

    assert Branding(logo=url).logo == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/logo.png",
        data_url("svg+xml", b"<svg onload='alert(1)'/>"),
        data_url("png", b"<svg onload='alert(1)'/>"),
        data_url("webp", PNG),
        data_url("png", PNG.ljust(LARGEST_LOGO + 1, b"\0")),
        data_url("jpeg", b"\xff\xd8\xff".ljust(LARGEST_LOGO + 1, b"\0")),
        data_url("png", PNG) + '" onerror="x',
        data_url("png", PNG) + "\n",
        "data:image/png;base64,%%%%",
        "data:image/png;base64,AAAAA",
    ],
)
def test_whatever_else_calls_itself_a_logo_is_not_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        Branding(logo=url)


def test_a_logo_is_not_written_out_where_a_branding_is_shown() -> None:
    assert "base64" not in repr(Branding(logo=data_url("png", PNG)))
