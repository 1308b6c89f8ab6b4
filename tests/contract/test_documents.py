"""The generated documents are fresh, and the AsyncAPI documents are what AsyncAPI says they must be."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from ops.asyncapi import Document, document
from ops.checkout import ROOT
from ops.documents import MESSAGES, documents, stale
from ops.privileges import USERS
from ops.traffic import services
from shared.contracts.catalogue import COMMANDS, EVENTS
from shared.contracts.vocabulary import Service

SCHEMA = json.loads((Path(__file__).parent / "asyncapi" / "asyncapi-3.0.0.json").read_text())


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(child) for child in node.values()))
    return set[str]().union(*(references(child) for child in node)) if isinstance(node, list) else set()


def leads_somewhere(reference: str, root: Document) -> bool:
    node: object = root
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def test_the_documents_in_the_repository_say_what_the_contracts_say() -> None:
    """Where this fails, `python -m ops.documents` writes them anew: look at the difference, a promise changed."""
    assert stale(documents()) == []


def test_a_document_that_was_changed_by_hand_or_is_left_over_is_stale(tmp_path: Path) -> None:
    made = {MESSAGES: "as made", Path("docs/asyncapi/auth.yaml"): "as made"}
    (tmp_path / "docs" / "asyncapi").mkdir(parents=True)
    (tmp_path / "docs" / "messages.md").write_text("as made, and more")
    (tmp_path / "docs" / "asyncapi" / "auth.yaml").write_text("as made")
    (tmp_path / "docs" / "asyncapi" / "gone.yaml").write_text("of a service that is no more")

    found = stale(made, tmp_path)

    assert found == [Path("docs/asyncapi/gone.yaml"), MESSAGES]


@pytest.mark.parametrize("service", services())
def test_the_document_of_a_service_is_asyncapi_3(service: Service) -> None:
    written = yaml.safe_load((ROOT / f"docs/asyncapi/{service}.yaml").read_text())

    errors = [
        f"{list(error.absolute_path)}: {error.message}"[:300] for error in Draft7Validator(SCHEMA).iter_errors(written)
    ]

    assert errors == []


@pytest.mark.parametrize("service", services())
def test_every_reference_in_the_document_of_a_service_leads_somewhere(service: Service) -> None:
    made = document(service)

    astray = {reference for reference in references(made) if not leads_somewhere(reference, made)}

    assert astray == set()


def test_the_official_schema_refuses_what_is_not_asyncapi() -> None:
    broken = document(services()[0])
    broken["operations"]["receiveNothing"] = {"action": "guess"}

    assert not Draft7Validator(SCHEMA).is_valid(broken)


def test_every_message_is_described_for_people() -> None:
    described = documents()[MESSAGES]

    missing = [kind for kind in (*COMMANDS.values(), *EVENTS.values()) if f"\n### {kind.__name__}\n" not in described]

    assert missing == []


def test_the_architecture_tells_who_may_say_what_as_the_contracts_do() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition("## Who may say what")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([^`]+)`", row) for row in section.splitlines() if row.startswith("| `")]

    told = {user: set(topics) for user, *topics in rows}

    assert told == {
        user: {topic.rpartition(".")[0] for topic, kind in (COMMANDS | EVENTS).items() if user in kind.by}
        for user in USERS
    }
