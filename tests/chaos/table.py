"""The table of what came of each fault, in Markdown, and its place in the documentation."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import machine, row
from tests.chaos.trial import Result

DOCUMENT = Path("docs/faults.md")
PLACE = "<!-- faults: written by `make chaos WRITE=1` -->", "<!-- end of faults -->"
_HEAD = ("fault", "people", "requests", "successes", "problems", "asked again", "slowest", "recovered after", "broken")


def table(results: Sequence[Result]) -> str:
    """All of it."""
    return "\n".join(map(row, [_HEAD, ["---"] * len(_HEAD), *map(_cells, results)]))


def report(results: Sequence[Result], seconds: float) -> str:
    """The table, and under what circumstances it came to be."""
    others = max((result.others for result in results), default=0.0)
    lag = max((result.lag for result in results), default=0.0)
    return (
        f"{table(results)}\n\n{len(results)} faults in {seconds / 60:.0f} minutes. {machine()} Other programs had "
        f"{others:.0%} of it at the most, and the process that plays the people was late by {lag:.1f} s at the most.\n"
    )


def _cells(result: Result) -> tuple[str, ...]:
    problems = ", ".join(f"{count} {code}" for code, count in sorted(result.problems.items())) or "none"
    return (
        result.fault,
        str(result.people),
        str(result.requests),
        str(result.successes),
        problems,
        str(result.again),
        f"{result.slowest:.1f} s",
        f"{result.recovered:.1f} s",
        str(len(result.broken)),
    )
