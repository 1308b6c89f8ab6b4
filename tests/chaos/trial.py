"""One fault in the middle of many logins and enrollments, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from shared.runtime.clock import now
from tests.chaos.faults import Fault
from tests.chaos.invariants import broken
from tests.chaos.lab import Lab
from tests.chaos.notes import Notes
from tests.chaos.people import Somebody

_APART = 0.01
"""Seconds from one door that opens to the next: people do not come in the same millisecond."""
_BEGUN_WITHIN = 30.0
"""Seconds after which something goes wrong even though hardly anybody has got in."""
_ALL_DONE_WITHIN = 150.0
"""Seconds after which somebody who has not got in is said to be kept out."""
_RECOVERED_WITHIN = 30.0
"""Seconds from the end of a fault, which for a server is the order to start it, in which all requests succeed again."""


@dataclass(frozen=True)
class Result:
    """What those saw who were there."""

    fault: str
    people: int
    requests: int
    successes: int
    problems: Counter[str]
    again: int
    """How many people had to ask again."""
    slowest: float
    lag: float
    others: float
    recovered: float
    """Seconds from the end of the fault to the end of the last request that failed for it."""
    broken: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """The same, for programs."""
        return asdict(replace(self, problems=Counter())) | {"problems": dict(self.problems)}


async def tried(fault: Fault, lab: Lab, *, at_once: int, most: int) -> Result:
    """Let so many people sign in at once, one after the other at each door, and something go wrong meanwhile."""
    notes, began = Notes(), now()
    crowd = await lab.crowd(most, notes)
    async with notes.allowing():
        came, ended = await _signed_in(crowd, fault, lab, at_once)
    inside, seen = [somebody for somebody in came if somebody.sessions], replace(notes, all=list(notes.all))
    kept_out = [f"{somebody.person.username} could not sign in" for somebody in came if not somebody.sessions]
    found = await broken(lab, inside, seen, began, may_be_lost=fault.loses_requests)
    if (recovered := max(0.0, seen.last_problem() - ended)) > _RECOVERED_WITHIN * seen.stretch:
        found.append(f"the last request failed {recovered:.1f} s after the end of the fault")
    return Result(
        fault.name,
        len(came),
        len(seen.all),
        sum(note.is_success for note in seen.all),
        seen.problems(),
        sum(somebody.again > 0 for somebody in came),
        seen.slowest,
        seen.lag,
        seen.others,
        recovered,
        tuple(kept_out + found),
    )


async def _signed_in(crowd: Iterable[Somebody], fault: Fault, lab: Lab, at_once: int) -> tuple[list[Somebody], float]:
    """Who came, and when the fault ended; when it has, nobody new comes."""
    arriving, came, inside = iter(crowd), list[Somebody](), list[Somebody]()
    middle, over = asyncio.Event(), asyncio.Event()

    async def door(number: int) -> None:
        await asyncio.sleep(number * _APART)
        for somebody in arriving:
            came.append(somebody)
            await somebody.sign_in()
            inside.append(somebody)
            if len(inside) >= at_once // 10:
                middle.set()
            if over.is_set():
                return

    doors = [asyncio.create_task(door(number)) for number in range(at_once)]
    begun = asyncio.create_task(middle.wait())
    await asyncio.wait({begun, *doors}, timeout=_BEGUN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    await fault.begin(lab)
    await asyncio.sleep(fault.lasts)
    ended = time.monotonic()
    await fault.end(lab)
    over.set()
    done, outside = await asyncio.wait(doors, timeout=_ALL_DONE_WITHIN)
    for left in (begun, *outside):
        left.cancel()
    await asyncio.gather(begun, *outside, return_exceptions=True)
    for each in done:
        each.result()
    return came, ended
