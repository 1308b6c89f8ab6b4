"""Branding: the accent colour and the logo of an account. Whatever carries one carries one that pages may show."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

LARGEST_LOGO = 48 * 1024
"""Bytes of a picture, before it is written as base64."""

HEX = re.compile(r"[0-9a-f]{6}", re.ASCII)

_LOGO = re.compile(r"data:image/(png|jpeg|webp);base64,([A-Za-z0-9+/]+={0,2})", re.ASCII)
_LONGEST_LOGO = LARGEST_LOGO // 3 * 4 + len("data:image/jpeg;base64,")


def accent_of(text: str) -> str:
    """The six digits of a colour as a directory writes it (`#2A5BD0`); raises ValueError for anything else."""
    digits = text.strip().lower().removeprefix("#")
    if HEX.fullmatch(digits) is None:
        raise ValueError('must be a colour of six hexadecimal digits, in quotes: "#2a5bd0"')
    return digits


def logo_of(url: str) -> str:
    """A logo as a `data:` URL of a small PNG, JPEG or WebP; raises ValueError for anything else.

    SVG can carry scripts and load what it likes, and the name of a type can lie: the first bytes must fit it.
    """
    if len(url) > _LONGEST_LOGO:
        raise ValueError(f"must have at most {LARGEST_LOGO // 1024} KiB")
    match = _LOGO.fullmatch(url)
    if match is None:
        raise ValueError("must be a PNG, JPEG or WebP in one line, in quotes: data:image/png;base64,…")
    kind, encoded = match.groups()
    try:
        image = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("must be whole base64 after the comma") from None
    if not _begins_as(kind, image):
        raise ValueError(f"says that it is image/{kind} and does not begin as one")
    return url


def _begins_as(kind: str, image: bytes) -> bool:
    match kind:
        case "png":
            return image.startswith(b"\x89PNG\r\n\x1a\n")
        case "jpeg":
            return image.startswith(b"\xff\xd8\xff")
        case _:
            return image.startswith(b"RIFF") and image[8:12] == b"WEBP"


Accent = Annotated[str, AfterValidator(accent_of), WithJsonSchema({"type": "string", "pattern": f"^{HEX.pattern}$"})]
"""A colour of the sRGB space: six lower-case hexadecimal digits."""

Logo = Annotated[
    str,
    AfterValidator(logo_of),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": _LONGEST_LOGO,
            "pattern": r"^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$",
        }
    ),
]
"""A picture as a `data:` URL."""


class Branding(BaseModel, frozen=True):
    """How an account presents itself; what it leaves out, the nearest account above it says."""

    accent: Accent | None = None
    logo: Logo | None = Field(default=None, repr=False)
