"""Alert rules and the dashboard: they are what Prometheus takes, and ask for nothing that no service counts."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from ops.checkout import ROOT
from ops.traffic import services
from shared.runtime import metrics
from shared.runtime.reader import Outcome

RULES = ROOT / "ops" / "alerts" / "wardgate.yaml"
DASHBOARD = ROOT / "ops" / "grafana" / "wardgate.json"
SCRAPED = ROOT / "ops" / "prometheus" / "prometheus.yaml"


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - Debian's


def rules() -> list[dict[str, Any]]:
    read = yaml.safe_load(RULES.read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def asked() -> Iterator[str]:
    """Every expression of the rules and of the dashboard."""
    yield from (rule["expr"] for rule in rules())
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    checked = [promtool("check", "rules", RULES), promtool("check", "config", "--syntax-only", SCRAPED)]

    assert [done.returncode for done in checked] == [0, 0], [done.stdout + done.stderr for done in checked]


def test_every_alert_is_raised_by_what_it_is_for_and_not_by_a_good_day() -> None:
    done = promtool("test", "rules", Path(__file__).parent / "alerts.yaml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    tried = (Path(__file__).parent / "alerts.yaml").read_text()

    assert [rule["alert"] for rule in rules() if rule["alert"] not in tried] == []


@pytest.mark.parametrize("expression", list(asked()))
def test_what_is_asked_for_is_counted_somewhere(expression: str) -> None:
    counted = {metric.name for metric in REGISTRY.collect()}
    named = set(re.findall(r"\bwardgate_[a-z_]+", expression))

    unknown = {name for name in named if re.sub(r"_(total|bucket|count|sum)$", "", name) not in counted}

    assert unknown == set()
    assert metrics.MESSAGES.describe()[0].name in counted


def test_outcomes_that_are_asked_for_exist() -> None:
    known = {*Outcome, "granted", "denied", "wrong_password", "unknown_user", "locked"}
    named = {
        one for each in asked() for found in re.findall(r'outcome!?=~?"([^"]+)"', each) for one in found.split("|")
    }

    assert named <= known


def test_every_service_is_scraped_and_missed() -> None:
    job = next(job for job in yaml.safe_load(SCRAPED.read_text())["scrape_configs"] if job["job_name"] == "wardgate")
    away = next(rule for rule in rules() if rule["alert"] == "WardgateServiceAway")

    assert set(job["dns_sd_configs"][0]["names"]) == set(services())
    assert set(re.findall(r'service="([a-z]+)"', away["expr"])) == set(services())
