"""Logs: JSON lines on standard output, one shape for our own words and for those of the libraries."""

import logging
import sys
from typing import Any

import structlog
import structlog.tracebacks
from pydantic import ValidationError

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(service: str, level: str) -> None:
    """Send everything that is logged in this process through one formatter.

    Tracebacks are written without what a secret could stand in: see `traces`.
    """
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(traces),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("pymongo", "faststream", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for noisy in (
        "aio_pika",
        "aiormq",
    ):  # a lost connection is a page of tracebacks to them; `messaging` says it in a line
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(service=service)


_MONGODB_QUOTES = (", full error", " dup key")
"""Behind these words MongoDB's errors name keys, and the whole operation that failed."""

_transformed = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def traces(exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    """An exception and its causes, without local variables and without what pydantic and MongoDB quote.

    A frame of a handler holds opened secrets, and a stored document that cannot be read holds a password's hash.
    """
    return [_without_input(trace) for trace in _transformed(exc_info)]


def _without_input(trace: dict[str, Any]) -> dict[str, Any]:
    within = [[_without_input(each) for each in traces] for traces in trace.get("exceptions", ())]
    return trace | {"exceptions": within, "exc_value": _without_quotes(trace["exc_type"], trace["exc_value"])}


def _without_quotes(kind: str, said: str) -> str:
    """What an error says, up to where it begins to quote."""
    if kind == ValidationError.__name__:
        # pydantic writes what it read only into the indented lines, below the name of each field.
        return "\n".join(line for line in said.splitlines() if not line.startswith(" "))
    for quotes in _MONGODB_QUOTES:
        said = said.partition(quotes)[0]
    return said
