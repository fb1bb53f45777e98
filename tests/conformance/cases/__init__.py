"""What an API server does, one case a function: run against the API in memory and against a real one."""

from __future__ import annotations

import inspect
from types import ModuleType

from tests.conformance.cases import (
    applying,
    controllers,
    deleting,
    editing,
    finding,
    garbage,
    specs,
    validating,
    watching,
    writing,
)
from tests.conformance.server import Case


def _of(module: ModuleType) -> dict[str, Case]:
    subject = module.__name__.rpartition(".")[2]
    functions = inspect.getmembers(module, inspect.iscoroutinefunction)
    return {
        f"{subject}: {name.replace('_', ' ')}": function
        for name, function in functions
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


CASES: dict[str, Case] = {
    name: case
    for module in (writing, validating, specs, editing, applying, deleting, garbage, finding, watching, controllers)
    for name, case in _of(module).items()
}
