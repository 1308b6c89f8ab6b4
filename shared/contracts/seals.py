"""Which fields of a message are sealed: what whoever keeps or shows messages leaves out."""

from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from shared.contracts.vocabulary import SEAL


@cache
def sealed_fields(kind: type[BaseModel]) -> frozenset[str]:
    """The fields of a message in which, at any depth, something sealed may be."""
    return frozenset(
        name
        for name, field in kind.model_fields.items()
        if any(_may_be_sealed(part) for part in (field.annotation, *field.metadata))
    )


def _may_be_sealed(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(sealed_fields(annotation))
    return annotation is SEAL or any(_may_be_sealed(part) for part in get_args(annotation))
