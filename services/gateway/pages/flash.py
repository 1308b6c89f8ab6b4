"""What one request leaves for the next page to say: a cookie that is read once, and believed in nothing."""

import base64
import binascii
import json
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway.pages.notices import Notice, Told

_LONGEST = 1024


@dataclass(frozen=True)
class Flash:
    """A notice, and the username that was typed, so that nobody types it twice."""

    told: Told | None = None
    username: str = ""


NO_FLASH = Flash()


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    notice: Notice
    seconds: int = Field(default=0, ge=0, le=86_400)
    username: str = Field(default="", max_length=256)


def written(told: Told, username: str = "") -> str:
    """The value of the cookie."""
    wire = {"notice": told.notice, "seconds": told.seconds, "username": username[:256]}
    return base64.urlsafe_b64encode(json.dumps(wire).encode()).decode().rstrip("=")


def read(value: str | None) -> Flash:
    """What the cookie says; nothing where somebody else wrote it. It chooses among our own sentences at most."""
    if not value or len(value) > _LONGEST:
        return NO_FLASH
    try:
        wire = _Wire.model_validate_json(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValidationError, binascii.Error, ValueError):
        return NO_FLASH
    return Flash(Told(wire.notice, wire.seconds), wire.username)
