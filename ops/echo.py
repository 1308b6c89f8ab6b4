"""Shows on the terminal what services log, from warnings upwards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.programs import Say

SHOWN = ("warning", "error", "critical")
_PLAIN = ("event", "level", "logger", "service", "timestamp", "exception")


class Echo:
    """Follows the log files of services, which these write themselves; `look()` says what is new."""

    def __init__(self, logs: Mapping[str, Path], say: Say) -> None:
        self._logs = dict(logs)
        self._say = say
        self._read = dict.fromkeys(logs, 0)
        self._last: dict[str, str] = {}

    def skip(self) -> None:
        """Pass over what was logged until now."""
        self._read = {name: log.stat().st_size if log.exists() else 0 for name, log in self._logs.items()}

    def look(self) -> None:
        """Say the warnings that were logged since the last look; what repeats itself, once."""
        for name, log in self._logs.items():
            for line in self._new_lines(name, log):
                said = readable(line)
                if said and said != self._last.get(name):
                    self._last[name] = said
                    self._say(f"{name}: {said}")

    def _new_lines(self, name: str, log: Path) -> list[bytes]:
        if not log.exists():
            return []
        with log.open("rb") as file:
            file.seek(self._read[name])
            whole, newline, _ = file.read().rpartition(b"\n")  # a line that is still being written waits
        self._read[name] += len(whole) + len(newline)
        return whole.splitlines()


def readable(line: bytes) -> str | None:
    """One log line in words, or None where it is not worth a person's while."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("level") not in SHOWN:
        return None
    said = f"{entry['level']}: {entry.get('event', '')}"
    details = ", ".join(f"{key} {value}" for key, value in entry.items() if key not in _PLAIN)
    failed = _what_failed(entry.get("exception"))
    return printable(f"{said}{f' ({details})' if details else ''}{f': {failed}' if failed else ''}")


def _what_failed(exceptions: Any) -> str:
    if not isinstance(exceptions, list) or not exceptions:
        return ""
    last = exceptions[0]
    return f"{last.get('exc_type')}: {last.get('exc_value')}" if isinstance(last, dict) else ""


def printable(text: str) -> str:
    """The text without control characters: what a stranger sent and a service logged must not steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
