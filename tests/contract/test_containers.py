"""What compose.yaml and the Dockerfile promise, read out of them: no engine is needed to see a promise broken."""

import re
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from ops.checkout import ROOT
from ops.services import services
from services.enrollment.settings import EnrollmentSettings
from services.gateway.settings import GatewaySettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, container in CONTAINERS.items() if container.get("build", {}).get("target") == "service"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SECRETS = {
    name
    for settings in (GatewaySettings, EnrollmentSettings)
    for name, field in settings.model_fields.items()
    if field.annotation is SecretStr
}

each = pytest.mark.parametrize("name", CONTAINERS)
each_of_ours = pytest.mark.parametrize("name", OURS)


def mounts(name: str) -> dict[str, tuple[str, str]]:
    """By the place in the container: what is mounted there, and how."""
    split = [volume.split(":") for volume in CONTAINERS[name].get("volumes", ())]
    return {place: (source, *how)[:2] if how else (source, "rw") for source, place, *how in split}


def pins(lock: Path) -> set[str]:
    return {line.rstrip("\\ ") for line in lock.read_text().splitlines() if re.match(r"[a-z0-9]", line)}


def test_every_service_has_its_container() -> None:
    assert sorted(OURS) == sorted(services())


@each_of_ours
def test_a_container_of_ours_is_made_of_its_service(name: str) -> None:
    assert CONTAINERS[name]["build"]["args"] == {"SERVICE": name}


@each
def test_a_container_may_write_nothing_gain_nothing_and_take_no_more_than_its_share(name: str) -> None:
    container = CONTAINERS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"memory", "pids"} <= container["deploy"]["resources"]["limits"].keys()
    assert not container.keys() & {"cap_add", "devices", "ipc", "pid", "privileged"}


@each
def test_no_container_is_run_by_root(name: str) -> None:
    container = CONTAINERS[name]

    ours = container["image"].startswith("wardgate/")
    assert ours or container["user"].partition(":")[0] not in {"", "0", "root"}
    assert [line for line in DOCKERFILE.splitlines() if line.startswith("USER")] == ["USER 10001:10001"] * 2


@each
def test_no_secret_stands_in_an_environment(name: str) -> None:
    told = CONTAINERS[name].get("environment", {})

    assert not {variable.lower() for variable in told} & SECRETS
    assert not [
        variable for variable in told if re.search("PASS|SECRET|TOKEN|KEY", variable) and "__FILE" not in variable
    ]


def test_what_is_secret_is_known() -> None:
    assert {"rabbitmq_url", "mongodb_url", "sealing_private_key", "keyring"} == SECRETS


@each
def test_a_container_has_its_own_secrets_and_cannot_change_them(name: str) -> None:
    told = mounts(name).get("/run/secrets")

    others = {mounts(other).get("/run/secrets") for other in CONTAINERS if other != name} - {None}
    assert told is None or (told[1] == "ro" and told not in others)


def test_nobody_but_who_makes_the_secrets_has_the_keys_and_he_has_no_network() -> None:
    assert [name for name in CONTAINERS if any(source == "keys" for source, _ in mounts(name).values())] == ["secrets"]
    assert CONTAINERS["secrets"]["network_mode"] == "none"


@pytest.mark.parametrize("name", [*OURS, "door"])
def test_to_be_healthy_is_to_be_ready(name: str) -> None:
    assert "/readyz" in CONTAINERS[name]["healthcheck"]["test"][-1]


@each_of_ours
def test_a_service_starts_when_its_servers_do_their_work_and_has_no_way_out(name: str) -> None:
    awaited = {other: how["condition"] for other, how in CONTAINERS[name]["depends_on"].items()}

    assert awaited == {
        "prepared": "service_completed_successfully",
        "rabbitmq": "service_healthy",
        "mongodb": "service_healthy",
    }
    assert CONTAINERS[name]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


@each
def test_what_is_published_is_for_this_machine_alone(name: str) -> None:
    published = CONTAINERS[name].get("ports", ())

    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not published or name in {"door", "prometheus", "grafana"}


def test_prometheus_asks_containers_that_are_there() -> None:
    configured = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yaml").read_text())["scrape_configs"]

    found = {name for job in configured for found in job.get("dns_sd_configs", ()) for name in found["names"]}
    servers = {target for job in configured for fixed in job.get("static_configs", ()) for target in fixed["targets"]}
    assert found == set(services())
    assert {target.partition(":")[0] for target in servers} <= set(CONTAINERS)


def test_an_image_holds_what_is_named_and_packages_that_are_known_by_their_hashes() -> None:
    assert (ROOT / ".dockerignore").read_text().split("\n")[1] == "*", "all else is left out"
    assert "--require-hashes" in DOCKERFILE
    assert "COPY . " not in DOCKERFILE
    assert not re.search(r"^(ARG|ENV) .*(PASS|SECRET_|TOKEN|KEY)", DOCKERFILE, re.MULTILINE)


def test_an_image_has_the_versions_that_the_tests_have() -> None:
    runtime, everything = (pins(ROOT / name) for name in ("requirements.runtime.lock", "requirements.lock"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[>=]", dependency)[0] for dependency in project["dependencies"]}

    assert runtime <= everything, "`make lock` writes both"
    assert wanted <= {pin.partition("==")[0] for pin in runtime}, "`make lock` writes both"


def test_an_image_has_no_package_that_nothing_in_it_uses() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    modules: dict[str, set[str]] = defaultdict(set)
    for module, packages in packages_distributions().items():
        for package in packages:
            modules[package.lower().replace("_", "-")].add(module)
    sources = "\n".join(
        file.read_text() for folder in ("shared", "services", "ops") for file in (ROOT / folder).rglob("*.py")
    )

    names = [re.split(r"[\[>=]", dependency)[0] for dependency in dependencies]
    unused = [name for name in names if not any(re.search(rf"\b{module}\b", sources) for module in modules[name])]

    assert unused == []
