"""Other processes, watched without sleeping: the kernel says when one ends."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ops.checkout import ROOT


class Program:
    """A Python program of this repository, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, pattern: str) -> str:
        """Read what it says up to the first line that fits, and return that line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"ended without saying {pattern!r}:\n{''.join(self.said)}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read the rest, wait until it has ended, and return its exit status."""
        assert self._process.stdout is not None
        self.said.extend(self._process.stdout)
        return self._process.wait()


@contextmanager
def program(code: str, environ: Mapping[str, str] | None = None, *, within: float = 120.0) -> Iterator[Program]:
    """Run this Python code in a process of its own; killed when the block ends, or after `within` seconds."""
    environment = {**(os.environ if environ is None else environ), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 (this repository's own code)
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        guard = threading.Timer(within, process.kill)
        guard.start()
        try:
            yield Program(process)
        finally:
            guard.cancel()
            process.kill()


def descendants(pid: int) -> dict[int, str]:
    """Every process that this one started, directly or not, with its command line."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended while we looked
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: commands[each] for each in found - {pid} if each in commands}


@contextmanager
def watched(pids: Sequence[int]) -> Iterator["Watch"]:
    """Hold on to processes, so that their end is seen even where their numbers are given to others."""
    handles = [os.pidfd_open(pid) for pid in pids]
    try:
        yield Watch(handles)
    finally:
        for handle in handles:
            os.close(handle)


class Watch:
    """Processes that are held on to."""

    def __init__(self, handles: Sequence[int]) -> None:
        self._handles = handles

    def still_running(self, within: float = 10.0) -> int:
        """How many have not ended within so many seconds each."""
        return sum(1 for handle in self._handles if not select.select([handle], [], [], within)[0])
