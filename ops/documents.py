"""The documents that are made from the contracts: `python -m ops.documents` writes them, `--check` tells what is stale.

docs/messages.md, docs/asyncapi/SERVICE.yaml, and the JSON schema of every message under tests/contract/snapshots/.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ops import asyncapi
from ops.checkout import ROOT
from ops.traffic import readers_of, services
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.message import Command, Event, Message
from shared.contracts.vocabulary import OPERATOR

ASYNCAPI = Path("docs/asyncapi")
SNAPSHOTS = Path("tests/contract/snapshots")
MESSAGES = Path("docs/messages.md")

_BEGINNING = """\
# Messages

Made from `shared/contracts/` by `python -m ops.documents`; not to be edited by hand. What each service receives and
sends is described for machines in [asyncapi/](asyncapi/).

A *command* asks one service; an *event* tells a fact to whoever listens. An *answer* is an event that also reaches the
caller who waits for it. A *kept* event is written together with the state that it tells of, and is told at least once.
A reader passes over fields that it does not know.
"""


def documents() -> dict[Path, str]:
    """Every generated document, by its path in the repository."""
    made = {SNAPSHOTS / f"{topic}.json": _snapshot(kind) for topic, kind in (COMMANDS | EVENTS).items()}
    made |= {ASYNCAPI / f"{service}.yaml": _yaml(asyncapi.document(service)) for service in services()}
    return made | {MESSAGES: "\n".join(_messages())}


def stale(made: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """The documents that are not as they would be made now, and those that would not be made at all."""
    kept = {path.relative_to(root) for folder in (ASYNCAPI, SNAPSHOTS) for path in (root / folder).glob("*.*")}
    differing = {path for path, text in made.items() if not (root / path).exists() or (root / path).read_text() != text}
    return sorted(differing | (kept - made.keys()))


def main(arguments: list[str]) -> int:
    """Write what is stale, or only say so."""
    parser = argparse.ArgumentParser(prog="python -m ops.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a document is stale")
    check = parser.parse_args(arguments).check
    made = documents()
    for path in stale(made):
        print(f"{path} is stale" if check else f"writing {path}")  # noqa: T201 - a command's output
        if not check:
            _write(ROOT / path, made.get(path))
    return int(check and bool(stale(made)))


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _snapshot(kind: type[Message]) -> str:
    return json.dumps(kind.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _yaml(document: asyncapi.Document) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return "# Made by `python -m ops.documents`; not to be edited by hand.\n" + text


def _messages() -> Iterator[str]:
    yield _BEGINNING
    for title, kinds in (("Commands", COMMANDS.values()), ("Events", EVENTS.values())):
        yield f"## {title}\n"
        yield from _overview(kinds)
        for kind in kinds:
            yield from _message(kind)
    yield "## Parts\n\nWhat fields of several messages are made of.\n"
    for name, part in sorted(_parts().items()):
        yield from _part(name, part)


def _parts() -> dict[str, dict[str, Any]]:
    schemas = [kind.model_json_schema() for kind in (*COMMANDS.values(), *EVENTS.values())]
    return {name: part for schema in schemas for name, part in schema.get("$defs", {}).items()}


def _part(name: str, part: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n{' '.join(part['description'].split())}\n"
    if "enum" in part:
        yield f"One of {', '.join(f'`{value}`' for value in part['enum'])}.\n"
    else:
        yield from _fields(part)


def _overview(kinds: Iterable[type[Message]]) -> Iterator[str]:
    yield "| message | topic | from | to |\n| --- | --- | --- | --- |"
    for kind in kinds:
        yield f"| [{kind.__name__}](#{kind.__name__.lower()}) | `{kind.topic}` | {_from(kind)} | {_to(kind)} |"
    yield ""


def _from(kind: type[Message]) -> str:
    return ", ".join(sorted("command line" if user == OPERATOR else user for user in kind.by))


def _to(kind: type[Message]) -> str:
    listed = [str(service) for service in readers_of(kind)]
    if issubclass(kind, Event) and kind.answer:
        listed.append("*who asked*")
    return ", ".join(listed) or "nobody yet"


def _message(kind: type[Message]) -> Iterator[str]:
    yield f"### {kind.__name__}\n"
    words = ["kept"] if issubclass(kind, Event) and kind.kept else []
    words += [
        "command" if issubclass(kind, Command) else "answer" if issubclass(kind, Event) and kind.answer else "event"
    ]
    yield f"`{kind.topic}`, {' '.join(words)}. {inspect.getdoc(kind)}\n"
    yield from _fields(kind.model_json_schema())


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    yield "| field | type | meaning |\n| --- | --- | --- |"
    for name, field in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else "?"
        yield f"| `{name}`{optional} | {_type(field)} | {' '.join(field.get('description', '').split())} |"
    yield ""


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return f"{field['type']}, {field['format']}" if "format" in field else str(field["type"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
