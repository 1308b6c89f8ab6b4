"""What the person at the terminal sees: steps with the seconds they took, and what is being waited for."""

import os
import signal
import sys
import time
from types import TracebackType
from typing import IO, Self, TextIO, cast

from rich.console import Console, RenderableType
from rich.text import Text


class Terminal:
    """Says things, and keeps one line moving under them while something is awaited."""

    def __init__(self, stream: TextIO | None = None) -> None:
        forgiving = cast(IO[str], _Forgiving(stream or sys.stdout))
        self._console = Console(file=forgiving, highlight=False, soft_wrap=True)
        self._status = self._console.status("")
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rest()

    def say(self, text: str) -> None:
        """Say that something is done or happens now."""
        self._status.update(Text(text))
        self._console.print(Text.assemble((f"{time.monotonic() - self._began:5.1f} s  ", "dim"), text))

    def show(self, *parts: RenderableType) -> None:
        """Show something as it is."""
        self._console.print(*parts)

    def rest(self) -> None:
        """Nothing is awaited any more."""
        self._status.stop()


class _Forgiving:
    """A stream that does not mind being gone, so that the launcher can tidy up; it then counts as a terminal closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_gone = False
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError:
            self._lose()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._lose()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _lose(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            os.kill(os.getpid(), signal.SIGHUP)
