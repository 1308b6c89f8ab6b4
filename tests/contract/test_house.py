"""What no linter holds: documents lead somewhere, name what there is, and modules can be read in one sitting."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from ops.checkout import ROOT
from services.auth.settings import AuthSettings
from services.enrollment.settings import EnrollmentSettings
from services.gateway.settings import GatewaySettings
from shared.contracts.catalogue import EVENTS
from shared.contracts.vocabulary import Service
from shared.runtime.settings import Settings
from tests.keys import Keys

LONGEST_MODULE = 300
PRODUCT = ("shared", "services", "ops", "benchmarks")
SETTINGS: dict[Service, type[Settings]] = {
    Service.GATEWAY: GatewaySettings,
    Service.AUTH: AuthSettings,
    Service.ENROLLMENT: EnrollmentSettings,
    Service.POLICY: Settings,
    Service.AUDIT: Settings,
}
NO_SETTING_OF_A_SERVICE = {"secrets_dir", "rabbitmq_admin_url", "rabbitmq_management_url", "mongodb_admin_url"}
EXAMPLES = NO_SETTING_OF_A_SERVICE | {"hashing_threads", "otel_exporter_otlp_endpoint"}
"""What stands behind a # in .env.example and is no default: that is another one on each machine, or there is none."""

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ENVIRONMENT = (ROOT / ".env.example").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def modules() -> Iterator[Path]:
    return (module for room in PRODUCT for module in sorted((ROOT / room).rglob("*.py")))


def package(requirement: str) -> str:
    """The name of a dependency without what is asked of it."""
    return re.split(r"[\[><=]", requirement)[0]


def headings(document: Path) -> set[str]:
    """What links within a document may lead to, as GitHub writes it."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_nowhere(document: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return not target.exists() or (bool(heading) and target.suffix == ".md" and heading not in headings(target))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"', document.read_text())
    own = [link for found in links for link in found if link and not re.match(r"[a-z]+:", link)]

    assert [link for link in own if leads_nowhere(document, link)] == []


def test_the_example_of_an_environment_names_every_setting_and_nothing_else() -> None:
    named = {name.lower() for name in re.findall(r"^#?([A-Z][A-Z_]+)=", ENVIRONMENT, re.MULTILINE)}

    settings = {field for kind in SETTINGS.values() for field in kind.model_fields}

    assert named == settings | NO_SETTING_OF_A_SERVICE


@pytest.mark.parametrize("service", SETTINGS)
def test_what_the_example_of_an_environment_calls_a_default_is_one(
    service: Service, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = re.findall(r"^#([A-Z][A-Z_]+)=(.*)$", ENVIRONMENT, re.MULTILINE)
    defaults = {name: value for name, value in told if name.lower() not in EXAMPLES}
    needed: dict[str, Any] = {"rabbitmq_url": "amqp://localhost", "mongodb_url": "mongodb://localhost"}
    own = {name: value for name, value in defaults.items() if not (service is Service.AUTH and name == "PREFETCH")}
    for name, value in keys.environment(service).items():
        monkeypatch.setenv(name, value)
    as_it_is = SETTINGS[service](**needed)

    for name, value in own.items():
        monkeypatch.setenv(name, value)

    assert SETTINGS[service](**needed) == as_it_is


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "decisions" / "0009-dependencies.md").read_text()
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]

    without = [name for name in map(package, wanted) if not re.search(rf"(?<![\w-]){name}(?![\w-])", reasons)]

    assert without == []


def test_what_a_service_brings_along_is_used_by_it() -> None:
    brought = packages_distributions()
    imported = {
        name.partition(".")[0]
        for module in modules()
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    used = {made.lower().replace("_", "-") for name in imported for made in brought.get(name, ())}

    unused = [name for name in map(package, PROJECT["project"]["dependencies"]) if name not in used]

    assert unused == []


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {str(module.relative_to(ROOT)): len(module.read_text().splitlines()) for module in modules()}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


@pytest.mark.parametrize("sign", ["kept", "unrecorded"])
def test_the_architecture_names_every_event_that_is_kept_and_every_one_that_is_not_recorded(sign: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    begins, ends = ("- **Outbox.**", "\n\n") if sign == "kept" else ("Not recorded is", "\n\n")
    paragraph = text.partition(begins)[2].partition(ends)[0]

    named = {topic for topic in EVENTS if f"`{topic.rpartition('.')[0]}`" in paragraph}

    assert named == {topic for topic, event in EVENTS.items() if (event.kept if sign == "kept" else not event.recorded)}


def test_no_class_is_called_what_says_nothing_of_it() -> None:
    called = {
        node.name
        for module in modules()
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    assert {name for name in called if re.search("(Manager|Helper|Utils?|Base|Impl|Data)$", name)} == set()


def test_what_a_domain_knows_is_never_changed_but_replaced() -> None:
    made = {
        f"{module.relative_to(ROOT)}: {node.name}": [ast.unparse(each) for each in node.decorator_list]
        for module in sorted((ROOT / "services").glob("*/domain/*.py"))
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    changeable = {name for name, how in made.items() if any("dataclass" in each for each in how)} - {
        name for name, how in made.items() if any("frozen=True" in each for each in how)
    }

    assert made
    assert changeable == set()
