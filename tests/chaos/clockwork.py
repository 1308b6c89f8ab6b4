"""A clock that can be stepped, and a service that runs on it: `python -m tests.chaos.clockwork FILE SERVICE …`.

Time is told in one place (`shared.runtime.clock`), so that is where it is wound, before anybody asks. Intervals are
measured as ever, as where a real clock is set. libfaketime 0.9.10 cannot do that to Python 3.11: with intervals left
alone every `time.sleep` fails.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from shared.runtime import clock, serving


class Clockwork:
    """The clock of one service, in a file."""

    def __init__(self, state: Path) -> None:
        self.file = state / "clock"
        self.step(0)

    def step(self, seconds: int) -> None:
        """Let it be so many seconds ahead of the true time; behind, if negative."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)  # nobody reads half of it


def main() -> None:
    """Serve the service on a clock that is as wrong as the file says."""
    file, true = Path(sys.argv.pop(1)), clock.now

    def now() -> datetime:
        return true() + timedelta(seconds=int(file.read_text()))

    clock.now = now
    serving.main()


if __name__ == "__main__":
    main()
