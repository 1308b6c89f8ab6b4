"""A law for import-linter: these modules may import only what is named, and Python's own library."""

import re
import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyImports(Contract):
    """What a room may import, as a list of what is allowed: whatever is new is forbidden until somebody allows it.

    `*` stands for one part of a name; a package stands for all modules inside it.
    """

    type_name = "only"

    modules: Any = fields.SetField(subfield=fields.StringField())
    may_import: Any = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's own signature
        """Look at every direct import of every module of the room."""
        rooms = _pattern(self.modules)
        allowed = _pattern({*self.modules, *self.may_import})
        broken = sorted(
            (module, imported)
            for module in graph.modules
            if rooms.fullmatch(module)
            for imported in graph.find_modules_directly_imported_by(module)
            if not (allowed.fullmatch(imported) or imported.partition(".")[0] in sys.stdlib_module_names)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say which module imports what it may not."""
        for module, imported in check.metadata["broken"]:
            output.print_error(f"{module} must not import {imported}", bold=False)


def _pattern(names: Any) -> re.Pattern[str]:
    """Matches the modules of these names and whatever is inside them."""
    alternatives = "|".join(re.escape(name).replace(r"\*", "[^.]+") for name in sorted(names))
    return re.compile(rf"(?:{alternatives})(?:\..+)?")
