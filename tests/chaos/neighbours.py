"""What other programs take of the machine meanwhile: with half of it, everything here lasts twice as long."""

import os
import time
from pathlib import Path

from benchmarks.processes import Processes

_TICK = os.sysconf("SC_CLK_TCK")
_RESTING = slice(3, 5)
"""Places in the first line of /proc/stat: idle, and waiting for a disk."""
_GUESTS = 8
"""Places there that count; those of virtual machines on this one are in others already."""


class Neighbours:
    """Looks at the machine from now on."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    @property
    def share(self) -> float:
        """The part of the time of all processors that went to others: 0 where nobody else does anything."""
        others = (_busy() - self._busy) - (_own() - self._own)
        whole = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, others / whole))


def _busy() -> float:
    """Seconds in which a processor worked, for whomever."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().partition("\n")[0].split()[1 : 1 + _GUESTS]]
    return (sum(ticks) - sum(ticks[_RESTING])) / _TICK


def _own() -> float:
    """Seconds of this process and of all that it started, servers and services."""
    return Processes({"own": os.getpid()}).used()["own"]
