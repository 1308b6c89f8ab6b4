"""The table of what came of each fault, in Markdown, and its place in the documentation."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import machine
from tests.chaos.trial import Result

DOCUMENT = Path("docs/faults.md")
_BEGIN, _END = "<!-- faults: written by `make chaos WRITE=1` -->", "<!-- end of faults -->"
_HEAD = ("fault", "people", "requests", "successes", "problems", "asked again", "slowest", "recovered after", "broken")


def table(results: Sequence[Result]) -> str:
    """All of it."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def report(results: Sequence[Result], seconds: float) -> str:
    """The table, and under what circumstances it came to be."""
    others = max((result.others for result in results), default=0.0)
    lag = max((result.lag for result in results), default=0.0)
    return (
        f"{table(results)}\n\n{len(results)} faults in {seconds / 60:.0f} minutes. {machine()} Other programs had "
        f"{others:.0%} of it at the most, and the process that plays the people was late by {lag:.1f} s at the most."
    )


def rewrite(document: Path, told: str) -> None:
    """Put the report into its place. Raises ValueError where there is none."""
    before, begin, rest = document.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for it: the lines {_BEGIN} and {_END}")
    document.write_text(f"{before}{begin}\n\n{told}\n\n{end}{after}")


def _row(result: Result) -> tuple[str, ...]:
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
