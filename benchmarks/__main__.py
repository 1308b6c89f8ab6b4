"""python -m benchmarks [--quick] [--readme]: measures, and prints a table in Markdown."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.looping import run
from benchmarks.measuring import Measured
from benchmarks.people import People
from benchmarks.report import Results, report, rewrite
from benchmarks.steps import STEPS, Steps
from benchmarks.system import System, system
from benchmarks.yardsticks import Bound, argon2_bound, chain
from ops.checkout import ROOT
from ops.interruption import Interrupted, interruptible
from ops.terminal import Terminal

Plan = Sequence[tuple[int, int, int]]
"""How many at once, and how many logins and how many enrollments then."""

ARGON2: Plan = ((1, 150, 60), (16, 600, 250), (64, 600, 250))
CHEAP: Plan = ((1, 500, 120), (16, 3000, 600), (64, 3000, 600))
QUICK: Plan = ((1, 30, 10), (16, 160, 32), (64, 192, 64))
WITH_AN_APP, WITHOUT = 17_000, 3_000


async def steps(running: System, people: People, plan: Plan, terminal: Terminal) -> list[Measured]:
    """Every step of a login, with so many at once as the plan says."""
    steps = Steps(running, *people.takers())
    terminal.say("waiting until all of the import has been told")
    await steps.warm_up()
    results: list[Measured] = []
    for at_once, logins, enrollments in plan:
        terminal.say(f"logins and enrollments, {at_once} at once")
        results += await steps.logins(logins, at_once=at_once)
        results += await steps.enrollments(enrollments, at_once=at_once)
    return sorted(results, key=lambda line: STEPS.index(line.what))


async def chains(running: System, plan: Plan, terminal: Terminal) -> list[Measured]:
    """Bare chains, as many messages as there are logins in the plan."""
    results = []
    for library in ("aio-pika", "aiormq"):
        terminal.say(f"bare {library} chain")
        results += await chain(library, running, [(at_once, logins) for at_once, logins, _ in plan])
    return results


def measure(terminal: Terminal, *, quick: bool) -> Results:
    """One run, with its own yardsticks."""
    people = People(2_000, 400) if quick else People(WITH_AN_APP, WITHOUT)
    with system(people, terminal, cheap=False) as running:
        bounds = [argon2_bound(1 if quick else 4)]
        argon2 = run(steps(running, people, QUICK if quick else ARGON2, terminal))
        bounds.append(argon2_bound(1 if quick else 4))
    with system(people, terminal, cheap=True) as running:
        plan = QUICK if quick else CHEAP
        cheap = run(steps(running, people, plan, terminal))
        bare = run(chains(running, plan, terminal))
    return Results(argon2, cheap, bare, Bound.mean(bounds))


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure how fast Wardgate is here.")
    parser.add_argument("--quick", action="store_true", help="two minutes instead of seven, and not to be relied on")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md as well")
    told = parser.parse_args()
    with interruptible(), ExitStack() as stack:
        terminal = stack.enter_context(Terminal(sys.stderr))
        try:
            text = report(measure(terminal, quick=told.quick))
        except Interrupted:
            sys.exit("stopped")
    if told.readme:
        rewrite(ROOT / "README.md", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
