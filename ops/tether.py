"""Becomes the command that it is given, after tying its own life to its parent's.

Run as a script: `python tether.py PARENT_PID SIGNAL COMMAND...`. A launcher that is killed with SIGKILL cannot tidy up,
so the kernel does it instead. It is a program that replaces itself because code between fork and exec is not safe
beside threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for the signal at the parent's death, then become the command."""
    parent, farewell, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(farewell))
    if os.getppid() != int(parent):  # it died before the kernel was asked, so no signal will ever come
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606 (becoming another program without a shell is the point)


if __name__ == "__main__":
    main()
