"""The command line as a process: what it says of itself, and what it does not say."""

import os
import subprocess
import sys

import pytest

from ops.checkout import ROOT
from ops.exits import NOT_ASKED


def wardgate(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "ops.cli", *words]
    told = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment}
    return subprocess.run(command, env=told, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@pytest.mark.parametrize("url", ["operator:CANARY@127.0.0.1:1", "amqp://operator:CANARY@127.0.0.1:1/"])
def test_where_the_broker_cannot_be_reached_it_says_so_in_a_line_and_shows_no_password(url: str) -> None:
    said = wardgate("status", RABBITMQ_URL=url, SEALING_PUBLIC_KEYS="{}")

    assert (said.returncode, said.stdout) == (NOT_ASKED, "")
    assert len(said.stderr.splitlines()) == 1, said.stderr
    assert "CANARY" not in said.stderr


def test_usage_names_the_command_that_was_typed() -> None:
    said = wardgate("parked", "replay")

    assert "Usage: wardgate parked replay" in said.stderr
