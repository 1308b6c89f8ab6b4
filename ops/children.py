"""Child processes that cannot outlive the process that started them."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")

# The kernel takes the *thread* that forked for the parent (PR_SET_PDEATHSIG in prctl(2)): a child started from a worker
# thread would die with that worker. So one thread, which lives as long as the interpreter, starts them all.
_spawner = ThreadPoolExecutor(1, "spawner")


def is_in_use(log: Path) -> bool:
    """Whether a process that writes this log still runs, whoever started it."""
    if not log.exists():
        return False
    with log.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Child:
    """One process in a session of its own: no terminal's Ctrl-C or hang-up reaches it, only what is told here."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        farewell: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start nothing yet; `farewell` is what the kernel sends it when this process is gone, however it went."""
        self.name = name
        self.log = log
        self.command = [str(part) for part in command]
        self._environment = dict(environment)
        self._farewell = farewell
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, which is also its process group's."""
        return self._started.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it and return at once; standard output and error are appended to the log."""
        if self.is_running:
            return
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(self._farewell))]
        with self.log.open("ab") as log:
            fcntl.flock(log, fcntl.LOCK_SH)  # handed on with the file, and held until the last who has it ends
            self._process = _spawner.submit(
                subprocess.Popen,
                [*tether, *self.command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ).result()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._started.poll()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if self.is_running:
            self._started.terminate()

    def kill(self) -> None:
        """End it and everything it started, at once (SIGKILL), and wait until it is gone."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._started.wait()

    def stop(self, grace: float) -> None:
        """Ask it to end, and kill it when it has not done so within `grace` seconds."""
        if self._process is None:
            return
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._started.wait(grace)
        self.kill()

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process
