"""The report: one table in Markdown, what it comes to beside the yardsticks, and the machine."""

import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Measured
from benchmarks.steps import OTP_STEP, PASSWORD_STEP
from benchmarks.yardsticks import Bound

_PROCESSES = ("gateway", "auth", "policy", "enrollment", "audit", "RabbitMQ", "MongoDB")
_HEADINGS = ("", "hash", "at once", "per s", "p50", "p95", "p99", *_PROCESSES, "all", "driver")
PLACE = "<!-- benchmark: written by `python -m benchmarks --readme` -->", "<!-- end of benchmark -->"
_CHAIN = "bare aio-pika chain"


@dataclass(frozen=True)
class Results:
    """What was measured in one run."""

    argon2: Sequence[Measured]
    """Steps at the real cost of a hash."""
    cheap: Sequence[Measured]
    """Steps with hashes that cost nothing."""
    chains: Sequence[Measured]
    bound: Bound


def report(results: Results) -> str:
    """All of it, as it stands in the README."""
    return "\n".join([*_table(results), "", *_verdicts(results), "", machine(), ""])


def _table(results: Results) -> Iterator[str]:
    yield row(_HEADINGS)
    yield row(["---", "---", *["---:"] * (len(_HEADINGS) - 2)])
    for hashing, lines in (("argon2", results.argon2), ("cheap", results.cheap), ("", results.chains)):
        yield from (row(_cells(line, hashing)) for line in lines)
    yield row(["argon2 alone", "argon2", str(results.bound.cores), f"{results.bound.rate:.0f}", *[""] * 11])
    yield ""
    yield (
        "`per s`: done in a second. `p50` to `p99`: milliseconds until the answer. Under each process its milliseconds "
        "of CPU for each one that was done; `all` is their sum, `driver` what the benchmark itself took beside them."
    )


def _cells(line: Measured, hashing: str) -> Iterator[str]:
    yield from (line.what, hashing, str(line.at_once), f"{line.rate:.0f}")
    yield from (f"{line.percentile(percent):.1f}" for percent in (50, 95, 99))
    yield from (f"{line.milliseconds_of(name):.2f}" if name in line.cpu else "" for name in _PROCESSES)
    yield f"{line.milliseconds:.2f}"
    yield f"{1000 * line.driver / len(line.latencies):.2f}"


def _verdicts(results: Results) -> Iterator[str]:
    bound = results.bound
    login = _find(results.argon2, PASSWORD_STEP, 16)
    left = len(login.latencies) / (login.seconds - login.driver / bound.cores)
    yield (
        f"- argon2 alone: {bound.rate:.1f} hashes a second on {bound.cores} cores, {bound.milliseconds:.1f} ms of CPU "
        f"each. Password logins, 16 at once: {login.rate:.1f} a second, {left:.1f} without what the driver takes: "
        f"**{left / bound.rate:.2f}** of it. Of the CPU of such a login {bound.milliseconds / login.milliseconds:.2f} "
        f"is argon2: that much could be reached where both are measured on a machine that does nothing else."
    )
    yield f"- A code, 16 at once: **{_find(results.cheap, OTP_STEP, 16).milliseconds:.2f} ms** of CPU in all processes."
    otp = _find(results.cheap, OTP_STEP, 1).percentile(50)
    chain = _find(results.chains, _CHAIN, 1).percentile(50)
    yield (
        f"- A code, one at a time: {otp:.1f} ms at the median, **{otp / chain:.1f} times** the {chain:.1f} ms of a "
        "bare aio-pika chain of as many hops."
    )


def _find(lines: Iterable[Measured], what: str, at_once: int) -> Measured:
    return next(line for line in lines if (line.what, line.at_once) == (what, at_once))


def row(cells: Iterable[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """What it ran on."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}."
    )


def rewrite(document: Path, text: str, place: tuple[str, str] = PLACE) -> None:
    """Put a report between the two lines of its place in a document. Raises ValueError where there is none."""
    begins, ends = place
    before, begin, rest = document.read_text().partition(begins)
    _, end, after = rest.partition(ends)
    if not begin or not end:
        raise ValueError(f"{document} has no place for it: the lines {begins} and {ends}")
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
