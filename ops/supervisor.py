"""Keeps processes running: says that one stopped, and starts it again, later each time that it stops soon."""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ops.programs import Say

LONGEST_DELAY = 30.0  # seconds
FORGIVEN_AFTER = 60.0  # seconds that a process must have run for its earlier failures to be forgotten


class Watched(Protocol):
    """A process, as far as the supervisor has to do with it."""

    @property
    def name(self) -> str:
        """What people call it."""

    def launch(self) -> None:
        """Start it if it does not run, and return at once."""

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def stop(self, grace: float) -> None:
        """See to it that it ends, within `grace` seconds or a moment later."""


@dataclass
class _Watch:
    process: Watched
    launched: float
    failures: int = 0
    due: float | None = None


class Supervisor:
    """Watches processes; `look()` is to be called a few times a second."""

    def __init__(self, processes: Iterable[Watched], say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._watches = [_Watch(process, clock()) for process in processes]

    def failing(self, times: int) -> str | None:
        """The name of a process that has stopped at least so many times in a row."""
        return next((watch.process.name for watch in self._watches if watch.failures >= times), None)

    def look(self) -> None:
        """Say what has stopped since the last look, and start what is due."""
        for watch in self._watches:
            if watch.due is None and (status := watch.process.poll()) is not None:
                self._bury(watch, status)
            if watch.due is not None and self._clock() >= watch.due:
                watch.process.launch()
                watch.launched, watch.due = self._clock(), None

    def _bury(self, watch: _Watch, status: int) -> None:
        watch.process.stop(0)  # what it started may still be there
        if self._clock() - watch.launched > FORGIVEN_AFTER:
            watch.failures = 0
        watch.failures += 1
        delay = delay_after(watch.failures)
        watch.due = self._clock() + delay
        when = f"starting it again in {delay:.0f} s" if delay else "starting it again"
        self._say(f"{watch.process.name} stopped with {told(status)}; {when} ({watch.failures})")


def delay_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0, 1, 2, 4 and so on up to LONGEST_DELAY."""
    return 0.0 if failures < 2 else min(2.0 ** min(failures - 2, 10), LONGEST_DELAY)  # noqa: PLR2004 (the second one)


def told(status: int) -> str:
    """An exit status in words."""
    try:
        return f"exit status {status}" + (f" ({signal.Signals(-status).name})" if status < 0 else "")
    except ValueError:  # a real-time signal has no name
        return f"exit status {status}"


def stop_all(processes: Sequence[Watched], grace: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Ask all to end at once, and see to it that they have within `grace` seconds for all together."""
    for process in processes:
        process.terminate()
    deadline = clock() + grace
    for process in processes:
        process.stop(max(0.0, deadline - clock()))
