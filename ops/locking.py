"""Writes the locks: every package with its version and hashes, for all platforms at once.

`requirements.lock` holds all, `requirements.runtime.lock` the same versions of what a running service needs: a
container has no use for a linter.
"""

import subprocess
import sys

from ops.checkout import ROOT, STATE
from ops.programs import ProgramMissing, Say

_COMPILE = (
    *("pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-annotate", "--custom-compile-command", "make lock", "--quiet"),
)
EVERYTHING = (*_COMPILE, "--group", "dev", "--output-file", "requirements.lock")
RUNTIME = (*_COMPILE, "--constraint", "requirements.lock", "--output-file", "requirements.runtime.lock")


def lock(say: Say) -> None:
    """Resolve pyproject.toml anew, keeping what still fits. The tool for it lives apart: only this command needs it."""
    tool = STATE / "uv"
    if not (tool / "bin" / "uv").exists():
        say("installing uv")
        _run([sys.executable, "-m", "venv", "--clear", str(tool)])
        _run([str(tool / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    say("resolving")
    for resolution in (EVERYTHING, RUNTIME):
        _run([str(tool / "bin" / "uv"), *resolution])


def _run(command: list[str]) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:  # noqa: S603 (fixed words)
        raise ProgramMissing(f"`{' '.join(command)}` failed")
