"""Requests that no person would think of: schemathesis makes them of the API's own description, and holds us to it."""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from shared.contracts.vocabulary import Service
from tests.app import App
from tests.browser import Browser
from tests.examples import CUSTOMER, OPEN_CUSTOMER, somebody
from tests.system import System

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
"""For how long; 0: as long as it takes to try a few of each kind, the same ones each time."""
SAME = ("--generation-deterministic", "--max-examples=10")
AT_RANDOM = (f"--max-time={SECONDS}", "--max-examples=100000")


@pytest.mark.timeout(max(180, 3 * SECONDS))
async def test_whatever_is_asked_the_answer_is_one_that_the_api_describes(
    target: System, wire: httpx.AsyncBaseTransport, tmp_path: Path
) -> None:
    cookies = await _cookies(target, wire)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    command += [f"{target.gateways[0]}/api/v1/openapi.json", "--no-color", *(AT_RANDOM if SECONDS else SAME)]

    fuzzing = await asyncio.create_subprocess_exec(
        *command,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "COLUMNS": "120", **cookies},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told = (await fuzzing.communicate())[0].decode()

    print(told)  # noqa: T201 - the summary is what whoever runs it for longer wants to read
    assert fuzzing.returncode == 0, told
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", told), told
    logs = target.logs(target.of(Service.GATEWAY))
    assert '"level": "error"' not in logs
    assert not [cookie for cookie in cookies.values() if cookie.rpartition("=")[2] in logs]


async def _cookies(system: System, wire: httpx.AsyncBaseTransport) -> dict[str, str]:
    """What the requests come with: a session with a fresh code, a login, and the session of somebody else."""
    signed_in, another, beginner = somebody(OPEN_CUSTOMER), somebody(OPEN_CUSTOMER), somebody(CUSTOMER)
    app: App = await system.bring(signed_in)
    await system.hire(another, beginner)
    browsers = [Browser(wire, system.gateways) for _ in range(3)]
    for browser, person in zip(browsers, (signed_in, another, beginner), strict=True):
        await browser.login(person)
    assert (await browsers[0].otp(app.next_code())).said == (200, "authenticated")
    return {
        "SESSION": str(browsers[0].cookies["wardgate_session"]),
        "ANOTHER": f"wardgate_session={browsers[1].cookies['wardgate_session']}",
        "LOGIN": str(browsers[2].cookies["wardgate_flow"]),
    }
