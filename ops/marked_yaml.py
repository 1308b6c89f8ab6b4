"""YAML with line numbers, every scalar as the text that stands there: a password of digits keeps its zeros.

Tags, anchors and aliases are refused. Nobody needs them here, and a password that begins with `!`, `&` or `*` and
was not put in quotes would be one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar. Nothing at all, `~` and `null` are the empty text."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    items: "tuple[Node, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping, its keys as often as they stand there."""

    pairs: "tuple[tuple[Text, Node], ...]"
    line: int

    def of(self, key: str) -> "Node | None":
        """The value of a key, if it is there."""
        return next((value for name, value in self.pairs if name.value == key), None)


Node = Text | Items | Fields

DEEPEST = 16
"""Lists and mappings within each other. A directory has four levels; a thousand would end the interpreter's stack."""


class NotYaml(ValueError):  # noqa: N818 - says what is the matter
    """The text is not YAML as it is understood here; `line` says where. What stands there is not shown."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def parsed(content: bytes) -> Node:
    """Read one document. Raises `NotYaml` at the first place that cannot be read; never with what stands there."""
    events = iter(yaml.parse(content, Loader=yaml.CBaseLoader))
    try:
        next(events)  # the stream begins
        if isinstance(next(events), yaml.StreamEndEvent):
            raise NotYaml(1, "the file is empty")
        root = _node(next(events), events, DEEPEST)
        next(events)  # the document ends
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise NotYaml(_line(after), "a second document begins here; a directory is one")
    except yaml.MarkedYAMLError as error:
        raise NotYaml(*_told(error)) from None
    except yaml.reader.ReaderError as error:
        line = content[: error.position].count(b"\n") + 1
        raise NotYaml(line, "a character that YAML does not allow; the file must be UTF-8") from None
    return root


def _told(error: yaml.MarkedYAMLError) -> tuple[int, str]:
    # The parser's own words are constants: they hold nothing of the file.
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    began = error.context_mark.line + 1 if error.context_mark else line
    return line, f"not YAML: {error.problem}" + (
        f", {error.context} that begins in line {began}" if began < line else ""
    )


def _node(event: Any, events: Iterator[Any], room: int) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None or event.tag is not None:
        raise NotYaml(line, "tags, anchors and aliases are not read; a text that begins with !, & or * needs quotes")
    if isinstance(event, yaml.ScalarEvent):
        is_nothing = not event.style and event.value in ("~", "null")
        return Text("" if is_nothing else event.value, line)
    if room == 0:
        raise NotYaml(line, f"more than {DEEPEST} levels within each other")
    if isinstance(event, yaml.SequenceStartEvent):
        return Items(tuple(_until(yaml.SequenceEndEvent, events, room - 1)), line)
    return Fields(tuple(_pairs(events, room - 1)), line)


def _until(end: type[yaml.Event], events: Iterator[Any], room: int) -> Iterator[Node]:
    while not isinstance(event := next(events), end):
        yield _node(event, events, room)


def _pairs(events: Iterator[Any], room: int) -> Iterator[tuple[Text, Node]]:
    for key in _until(yaml.MappingEndEvent, events, room):
        if not isinstance(key, Text):
            raise NotYaml(key.line, "a key must be a word")
        yield key, _node(next(events), events, room)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
