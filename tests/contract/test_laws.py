"""What may import what, and a service is deployable with `shared/` and its own folder alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from grimp import ImportGraph
from importlinter import ContractCheck

from ops.checkout import ROOT
from shared.contracts.vocabulary import Service
from tests.keys import Keys
from tests.laws import OnlyImports

SERVICES = sorted(folder.parent.name for folder in (ROOT / "services").glob("*/app.py"))


def law(graph: ImportGraph, *, allows: str) -> ContractCheck:
    options = {"modules": ["services.*.domain"], "may_import": [allows]}
    return OnlyImports("A law", session_options={}, contract_options=options).check(graph, verbose=False)


def graph_where(importer: str, imported: str) -> ImportGraph:
    graph = ImportGraph()
    for module in (importer, imported):
        graph.add_module(module)
    graph.add_import(importer=importer, imported=imported)
    return graph


@pytest.mark.parametrize(
    "imported", ["datetime", "shared.contracts.auth", "shared.contracts", "services.auth.domain.user"]
)
def test_a_room_may_import_what_its_law_names_and_its_own_and_the_standard_library(imported: str) -> None:
    graph = graph_where("services.auth.domain.login", imported)

    verdict = law(graph, allows="shared.contracts")

    assert verdict.kept


@pytest.mark.parametrize("imported", ["motor", "shared.runtime.mongo", "shared.contracts_too", "services.auth.store"])
def test_a_room_may_import_nothing_else(imported: str) -> None:
    graph = graph_where("services.auth.domain.login", imported)

    verdict = law(graph, allows="shared.contracts")

    assert verdict.metadata["broken"] == [("services.auth.domain.login", imported)]


def test_a_law_is_not_about_other_rooms() -> None:
    graph = graph_where("services.auth.handlers", "motor")

    verdict = law(graph, allows="shared.contracts")

    assert verdict.kept


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_where_only_it_and_what_is_shared_are(service: str, tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "services").mkdir()
    shutil.copy(ROOT / "services" / "__init__.py", tmp_path / "services")
    shutil.copytree(ROOT / "services" / service, tmp_path / "services" / service)
    shutil.copytree(ROOT / "shared", tmp_path / "shared")
    environment = {
        "PATH": os.environ["PATH"],
        "RABBITMQ_URL": f"amqp://{service}@127.0.0.1:1/",
        "MONGODB_URL": "mongodb://127.0.0.1:1/",
        **keys.environment(Service(service)),
    }

    made = subprocess.run(  # noqa: S603 - this interpreter and a service of ours
        [sys.executable, "-c", f"from services.{service}.app import app; app()"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.stderr == ""
    assert made.returncode == 0
