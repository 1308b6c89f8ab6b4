"""Warnings of services are shown in words, and cannot steer the terminal."""

import json
from pathlib import Path

import pytest

from ops.echo import Echo, readable


def line(level: str, event: str, **details: object) -> bytes:
    return json.dumps({"level": level, "event": event, "service": "auth", "timestamp": "now", **details}).encode()


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
def test_a_warning_is_said_in_words(level: str) -> None:
    assert readable(line(level, "a message was parked", reason="malformed")) == (
        f"{level}: a message was parked (reason malformed)"
    )


@pytest.mark.parametrize("logged", [line("info", "ready"), line("debug", "x"), b"plain words", b"[1]", b"\xff\xfe"])
def test_what_needs_nobodys_attention_is_not_said(logged: bytes) -> None:
    assert readable(logged) is None


def test_an_error_names_what_was_raised_and_spares_the_traceback() -> None:
    exception = [{"exc_type": "KeyError", "exc_value": "'kid'", "frames": [{"name": "handle"}]}]

    assert readable(line("error", "a handler failed", exception=exception)) == (
        "error: a handler failed: KeyError: 'kid'"
    )


def test_a_strangers_escape_sequence_does_not_reach_the_terminal() -> None:
    said = readable(line("warning", "odd user", username="\x1b]0;owned\x07\x1b[2J\u202e"))

    assert said is not None
    assert said.isprintable()


def test_only_what_is_new_is_said_and_only_once_it_is_a_whole_line(tmp_path: Path) -> None:
    said: list[str] = []
    log = tmp_path / "auth.log"
    echo = Echo({"auth": log}, said.append)

    echo.look()
    log.write_bytes(line("warning", "one") + b"\n" + line("warning", "two")[:20])
    echo.look()
    assert said == ["auth: warning: one"]

    log.write_bytes(line("warning", "one") + b"\n" + line("warning", "two") + b"\n")
    echo.look()
    echo.look()
    assert said == ["auth: warning: one", "auth: warning: two"]


def test_what_repeats_itself_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    log = tmp_path / "auth.log"
    echo = Echo({"auth": log}, said.append)

    log.write_bytes((line("warning", "the broker is away") + b"\n") * 5)
    echo.look()

    assert said == ["auth: warning: the broker is away"]


def test_what_was_logged_before_it_mattered_is_passed_over(tmp_path: Path) -> None:
    said: list[str] = []
    log = tmp_path / "auth.log"
    log.write_bytes(line("warning", "waits for its servers") + b"\n")
    echo = Echo({"auth": log, "policy": tmp_path / "policy.log"}, said.append)

    echo.skip()
    echo.look()

    assert said == []
