"""Reading a mapping field by field: whatever is wrong with it, all at once, each with its line.

What is written in the file is not repeated in a finding, nor is a key that is not known: `{password: a,b}` without
quotes is a password `a` and a key `b`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from ops.marked_yaml import Fields, Node, Text

LONGEST_ID = 128
LONGEST_NAME = 256

_LONGEST_KEY = 40


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, where, and what to do about it; line 0 is the file as a whole."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class Wrong(Exception):  # noqa: N818 - says what the matter is
    """An entry or a field cannot be taken."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__()
        self.findings = findings


Rule = Callable[[Node], Any]


@dataclass(frozen=True)
class Form:
    """The keys that a mapping may have and how each is read. A key without a value counts as left out."""

    rules: Mapping[str, Rule]
    required: frozenset[str] = field(default_factory=frozenset)

    def read(self, node: Node) -> dict[str, Any]:
        """The values by their keys. Raises `Wrong` with all that is wrong."""
        if not isinstance(node, Fields):
            raise Wrong(Finding(node.line, f"must be a mapping with the keys {', '.join(self.rules)}"))
        findings: list[Finding] = []
        values: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in node.pairs:
            rule = self.rules.get(key.value)
            if rule is None:
                findings.append(Finding(key.line, self._unknown(key.value)))
            elif key.value in seen:
                findings.append(Finding(key.line, f"{key.value}: stands here twice; keep one"))
            elif not _is_empty(value):
                try:
                    values[key.value] = rule(value)
                except Wrong as wrong:
                    findings.extend(Finding(found.line, f"{key.value}: {found.text}") for found in wrong.findings)
            seen.add(key.value)
        filled = {key.value for key, value in node.pairs if not _is_empty(value)}
        findings.extend(
            Finding(node.line, f"{key}: is missing or empty; a text with a # needs quotes")
            for key in self.rules
            if key in self.required and key not in filled
        )
        if findings:
            raise Wrong(*findings)
        return values

    def _unknown(self, key: str) -> str:
        close = get_close_matches(key[:_LONGEST_KEY], self.rules, 1)
        known = f"did you mean {close[0]}?" if close else f"known are {', '.join(self.rules)}"
        return f"a key that is not known; {known} (a text with a comma, a colon or a # needs quotes)"


def scalar(rule: Callable[[str], Any]) -> Rule:
    """A field that is one text; `rule` reads it, and raises `ValueError` without it."""

    def read(node: Node) -> Any:
        if not isinstance(node, Text):
            raise Wrong(Finding(node.line, "must be a single text; put it in quotes if it begins with { or ["))
        try:
            return rule(node.value)
        except ValueError as error:
            raise Wrong(Finding(node.line, str(error))) from None

    return read


def one_of(kinds: type[StrEnum]) -> Callable[[str], Any]:
    """A word out of a closed vocabulary."""

    def read(text: str) -> StrEnum:
        try:
            return kinds(text)
        except ValueError:
            raise ValueError(f"must be one of {', '.join(kinds)}") from None

    return read


def identifier(text: str) -> str:
    """An id: compared letter by letter, so without white space."""
    if len(text) > LONGEST_ID or not text.isprintable() or any(letter.isspace() for letter in text):
        raise ValueError(f"an id has at most {LONGEST_ID} printable characters and no white space")
    return text


def name(text: str) -> str:
    """What a person is shown: control characters could forge a line of a terminal or a page."""
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_NAME or not stripped.isprintable():
        raise ValueError(f"must have 1 to {LONGEST_NAME} printable characters")
    return stripped


def yes_or_no(text: str) -> bool:
    """A switch."""
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _is_empty(node: Node) -> bool:
    return isinstance(node, Text) and not node.value
