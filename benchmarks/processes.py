"""What processes cost: the CPU that they and their children have used, as Linux counts it in /proc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PARENT, _USED = 1, slice(11, 15)
"""Places after the name in /proc/<pid>/stat (proc(5)): ppid; utime and stime, of all threads and ended children."""


@dataclass(frozen=True)
class Processes:
    """Processes by what people call them."""

    pids: Mapping[str, int]

    def used(self) -> dict[str, float]:
        """Seconds of CPU that each has used since its start, with everything that it has started."""
        stats = _stats()
        children: dict[int, list[int]] = {}
        for pid, stat in stats.items():
            children.setdefault(int(stat[_PARENT]), []).append(pid)

        def family(pid: int) -> float:
            own = sum(map(int, stats[pid][_USED])) / _TICK if pid in stats else 0.0
            return own + sum(map(family, children.get(pid, ())))

        return {name: family(pid) for name, pid in self.pids.items()}


def _stats() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            found[int(folder.name)] = text.rpartition(")")[2].split()
    return found
