"""What a page has to say about what just happened, as closed words; the sentences are in the templates."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Field = Literal["username", "password", "code", "name"]


class Notice(StrEnum):
    """Something a person is told at the top of a page."""

    CREDENTIALS_MISSING = "credentials_missing"
    CREDENTIALS_WRONG = "credentials_wrong"
    ACCESS_DENIED = "access_denied"
    CODE_MALFORMED = "code_malformed"
    RECOVERY_CODE_MALFORMED = "recovery_code_malformed"
    CODE_WRONG = "code_wrong"
    RECOVERY_CODE_WRONG = "recovery_code_wrong"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"
    KEY_RENEWED = "key_renewed"
    NOT_ONE_OF_THEM = "not_one_of_them"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    LOCKED = "locked"
    UNAVAILABLE = "unavailable"
    CANNOT_PUT_OFF = "cannot_put_off"
    FLOW_OVER = "flow_over"
    SESSION_OVER = "session_over"
    FACTOR_NEEDED = "factor_needed"
    ALREADY_SET_UP = "already_set_up"
    SET_UP_FIRST = "set_up_first"
    SIGNED_OUT = "signed_out"
    CODES_KEPT = "codes_kept"
    CODES_GONE = "codes_gone"
    SESSION_ENDED = "session_ended"
    SESSIONS_ENDED = "sessions_ended"
    APP_ADDED = "app_added"
    APP_RENAMED = "app_renamed"
    APP_REMOVED = "app_removed"
    APP_GONE = "app_gone"
    LAST_APP = "last_app"
    MOST_APPS = "most_apps"
    NAME_TAKEN = "name_taken"
    NAME_MALFORMED = "name_malformed"
    SIGN_IN_AGAIN = "sign_in_again"


_FIELDS: dict[Notice, Field] = {
    Notice.CREDENTIALS_MISSING: "username",
    Notice.CREDENTIALS_WRONG: "username",
    Notice.CODE_MALFORMED: "code",
    Notice.RECOVERY_CODE_MALFORMED: "code",
    Notice.CODE_WRONG: "code",
    Notice.RECOVERY_CODE_WRONG: "code",
    Notice.CLOCK_AHEAD: "code",
    Notice.CLOCK_BEHIND: "code",
    Notice.NOT_ONE_OF_THEM: "code",
}

_ERRORS = {
    *_FIELDS,
    Notice.ACCESS_DENIED,
    Notice.TOO_MANY_ATTEMPTS,
    Notice.LOCKED,
    Notice.UNAVAILABLE,
    Notice.CANNOT_PUT_OFF,
    Notice.FLOW_OVER,
    Notice.APP_GONE,
    Notice.LAST_APP,
    Notice.MOST_APPS,
    Notice.NAME_TAKEN,
    Notice.NAME_MALFORMED,
    Notice.SIGN_IN_AGAIN,
}


@dataclass(frozen=True)
class Told:
    """A notice with the seconds that belong to it: until the next attempt, or how far a clock is out of step."""

    notice: Notice
    seconds: int = 0

    @property
    def is_error(self) -> bool:
        """Whether something did not go as it was meant to."""
        return self.notice in _ERRORS

    @property
    def field(self) -> Field | None:
        """The field that has to be filled in anew."""
        return _FIELDS.get(self.notice)
