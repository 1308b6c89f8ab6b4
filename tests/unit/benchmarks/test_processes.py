"""What a process costs is counted with all that it starts."""

import subprocess
import sys

from benchmarks.processes import Processes

_BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
_PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_BUSY!r}])"


def test_children_are_counted_and_strangers_are_not() -> None:
    with subprocess.Popen(  # noqa: S603 - this interpreter and a script of ours
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # its child has used 0.2 seconds
        used = Processes({"parent": parent.pid, "gone": 2**22 + 1}).used()
        parent.communicate(b"\n")

    assert 0.15 < used["parent"] < 2
    assert used["gone"] == 0
