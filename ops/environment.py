"""Makes the Python environment of the lock in `.venv`; runs on the machine's own Python, with nothing but its library.

pip does it, and not a faster tool, because pip is what a machine's owner has told about his mirrors and certificates.
"""

import fcntl
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from ops.checkout import ROOT
from ops.programs import ProgramMissing, apt_install, may_use_apt


def main() -> None:
    """Make the environment if it is not there, half made, outdated, or made for another place."""
    try:
        prepare(ROOT)
    except ProgramMissing as missing:
        sys.exit(str(missing))
    except OSError as error:
        sys.exit(f"The Python environment cannot be made: {error}")


def prepare(root: Path) -> None:
    """See to it that `.venv` holds what the lock says."""
    environment, lock = root / ".venv", root / "requirements.lock"
    if is_prepared(environment, lock):
        return
    (root / ".wardgate").mkdir(mode=0o700, exist_ok=True)
    with (root / ".wardgate" / "environment.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # a `make run` and a `make test` of a fresh clone, at once
        if not is_prepared(environment, lock):
            if not is_usable(environment):
                _make(environment)
            _install(environment, lock)
            (environment / "stamp").write_text(stamp(environment, lock))


def stamp(environment: Path, lock: Path) -> str:
    """What an environment was made of and for: the line of Python, the place (its scripts name it), the packages."""
    return f"{_maker(environment)}{lock.read_text()}"


def is_prepared(environment: Path, lock: Path) -> bool:
    """Whether the environment was made to its end, here, by this Python, from this lock."""
    return _stamped(environment) == stamp(environment, lock)


def is_usable(environment: Path) -> bool:
    """Whether the environment was made to its end, here, by this Python, from whatever lock.

    It is then brought up to date in place, under the feet of what may run in it, which is quicker than anew.
    """
    return _stamped(environment).startswith(_maker(environment))


def _maker(environment: Path) -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}\n{environment}\n"


def _stamped(environment: Path) -> str:
    """What the stamp says; nothing where there is none, or where the Python that the environment leans on is gone."""
    made = environment / "stamp"
    return made.read_text() if made.exists() and (environment / "bin" / "python").exists() else ""


def _make(environment: Path) -> None:
    if not find_spec("ensurepip"):  # Debian keeps it in a package of its own
        if not may_use_apt():
            raise ProgramMissing(
                "This Python cannot make environments. On Debian or Ubuntu: apt-get install python3-venv"
            )
        _say("installing python3-venv with apt")
        apt_install(["python3-venv"])
    _say("making the Python environment in .venv")
    _run([sys.executable, "-m", "venv", "--clear", str(environment)])


def _install(environment: Path, lock: Path) -> None:
    """Install every package of the lock, telling how far it is."""
    total = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    python = str(environment / "bin" / "python")
    command = [python, "-m", "pip", "install", "--no-user", "--require-hashes", "--requirement", str(lock)]
    quiet = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}
    began, collected, told = time.monotonic(), 0, ""
    with subprocess.Popen(  # noqa: S603 (the environment's own pip)
        command, env=quiet, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            told = f"{told}{line}"[-4000:]
            if line.startswith(("Collecting ", "Processing ")):
                collected += 1
                _progress(f"fetching {collected} of {total} packages")
            elif line.startswith("Installing collected packages"):
                _progress(f"installing {collected} packages")
    _progress("")
    if pip.returncode != 0:
        raise ProgramMissing(f"The packages of requirements.lock could not be installed:\n{told}")
    _say(f"installed {collected} packages in {time.monotonic() - began:.0f} s")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise ProgramMissing(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (nothing better is installed yet)


def _progress(text: str) -> None:
    """Show a line that the next one replaces; nothing where nobody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
