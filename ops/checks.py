"""What CI asks of a change: the linters, the generated documents, the tests."""

import os
import subprocess
import sys
from collections.abc import Sequence

from ops import programs
from ops.checkout import ROOT
from ops.programs import ProgramMissing, Say

LINTERS = {
    "ruff check": ["-m", "ruff", "check"],
    "ruff format": ["-m", "ruff", "format", "--check"],
    "mypy": ["-m", "mypy"],
    "lint-imports": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "generated documents": ["-m", "ops.documents", "--check"],
}

TOOLS_OF_TESTS = {
    "zbarimg": "zbar-tools",
    "rsvg-convert": "librsvg2-bin",  # zbarimg reads SVG with its help
    "oathtool": "oathtool",
    "nginx": "nginx-light",
    "promtool": "prometheus",
    "chromium": "chromium",
}
"""Programs that stand in for a phone, a browser and a proxy or try out alert rules, and Debian's packages of them."""

LIBRARIES_OF_TESTS = {"libatomic.so.1": "libatomic1"}
"""Libraries that Playwright's driver is linked to, and Debian's packages of them: its wheel does not bring them."""

_SERVICES = {"nginx-light": "nginx", "prometheus": "prometheus"}
"""What these packages would start at the next boot."""


def lint(say: Say) -> list[str]:
    """Run every linter, all of them whatever the first says; the names of those that found something."""
    failed = []
    for name, arguments in LINTERS.items():
        say(name)
        if subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode != 0:  # noqa: S603
            failed.append(name)
    return failed


def bring_tools(say: Say) -> None:
    """See to it that the tools of the tests are there. Raises ProgramMissing."""
    missing = programs.missing(TOOLS_OF_TESTS) + programs.missing_libraries(LIBRARIES_OF_TESTS)
    if not missing:
        return
    if not programs.may_use_apt():
        raise ProgramMissing(f"The tests need {' and '.join(missing)}. On Debian: apt-get install {' '.join(missing)}")
    say(f"installing {', '.join(missing)} with apt")
    programs.apt_install(missing, bringing=[_SERVICES[package] for package in missing if package in _SERVICES])


def become(module: str, arguments: Sequence[str] = ()) -> None:
    """Become this module in the repository: its exit status and its signals are then those of the command."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606 (no shell wanted)
