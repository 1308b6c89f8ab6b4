"""Writes requirements.lock: every package with its version and hashes, for all platforms at once."""

import subprocess
import sys
from pathlib import Path

from ops.programs import ProgramMissing, Say

ROOT = Path(__file__).resolve().parent.parent

COMPILE = (
    *("pip", "compile", "pyproject.toml", "--group", "dev", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-annotate", "--custom-compile-command", "make lock"),
    *("--output-file", "requirements.lock", "--quiet"),
)


def lock(say: Say) -> None:
    """Resolve pyproject.toml anew, keeping what still fits. The tool for it lives apart: only this command needs it."""
    tool = ROOT / ".wardgate" / "uv"
    if not (tool / "bin" / "uv").exists():
        say("installing uv")
        _run([sys.executable, "-m", "venv", "--clear", str(tool)])
        _run([str(tool / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    say("resolving")
    _run([str(tool / "bin" / "uv"), *COMPILE])


def _run(command: list[str]) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:  # noqa: S603 (fixed words)
        raise ProgramMissing(f"`{' '.join(command)}` failed")
