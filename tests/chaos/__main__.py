"""Every fault in turn, in the middle of 200 logins and enrollments: `make chaos`."""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

import structlog

from benchmarks.report import rewrite
from ops.stack import Stack
from ops.stack import servers as private_servers
from tests.chaos import faults
from tests.chaos.cables import Cable, Link, may_make_networks
from tests.chaos.faults import Fault
from tests.chaos.lab import Lab
from tests.chaos.table import DOCUMENT, PLACE, report, table
from tests.chaos.trial import Result, tried

_AT_ONCE, _MOST = 200, 600
_WARMING = 20
"""Who sign in before anything goes wrong: connections are made then, and indexes."""
_LONGEST = 3600.0
"""Seconds after which no more is tried. As a rule it is over in less than half of that."""


def main() -> None:
    """Try the faults that are named, or all; exit status 1 where an invariant was broken, or not all were tried."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("names", nargs="*", help="only faults with such a name; `*` stands for anything")
    parser.add_argument("--json", type=Path, help="write what was found into this file, too")
    parser.add_argument("--write", action="store_true", help=f"write the table into {DOCUMENT}, too")
    parser.add_argument("--state", type=Path, help="keep data and logs in this folder")
    asked = parser.parse_args()
    logging.disable()  # our own connections break with all others, and say so at length
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [fault for fault in faults.ALL if any(fnmatch(fault.name, pattern) for pattern in asked.names or ["*"])]
    if not chosen:
        parser.error(f"no fault has such a name; there are: {', '.join(fault.name for fault in faults.ALL)}")
    results, began = list[Result](), time.monotonic()
    with _state(asked.state) as state, private_servers(state, environ={}, say=_say) as servers:
        try:
            asyncio.run(_try_all(chosen, servers, state, results))
        except Exception:  # noqa: BLE001 - whatever it is: what was found until then is told
            traceback.print_exc()
    told = report(results, time.monotonic() - began)
    print(told, end="")  # noqa: T201 - what was asked for
    if asked.write:
        rewrite(DOCUMENT, told, PLACE)
    if asked.json:
        asked.json.write_text(json.dumps([result.told() for result in results], indent=2))
    sys.exit(len(results) < len(chosen) or any(result.broken for result in results))


async def _try_all(chosen: Sequence[Fault], servers: Stack, state: Path, results: list[Result]) -> None:
    cable = Link if may_make_networks() else Cable
    _say(f"the gateways are cut off by {'a link that goes down' if cable is Link else 'a relay that stops'}")
    async with (
        asyncio.timeout(_LONGEST),
        Lab.at(servers, state, instances=2, cable=cable, BENCHMARK_CHEAP_HASH="1") as lab,
    ):
        await lab.warm_up(_WARMING)
        for number, fault in enumerate(chosen, 1):
            result = await tried(fault, lab, at_once=_AT_ONCE, most=_MOST)
            results.append(result)
            held_up = f"own lag {result.lag:.1f} s, others had {result.others:.0%} of the machine"
            _say(f"{number} of {len(chosen)}: {table([result]).splitlines()[-1]} {held_up}")
            for sentence in result.broken:
                _say(f"    {sentence}")


@contextmanager
def _state(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="wardgate-chaos-") as made:
        yield Path(made)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - how far it is


if __name__ == "__main__":
    main()
