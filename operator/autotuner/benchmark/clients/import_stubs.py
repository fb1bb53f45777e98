"""Stand-ins for what genai-bench imports at every start and a text benchmark never uses.

Clouds, spreadsheets, plots and data sets are two thirds of its start: without them 4 s instead of 11, 110 MB instead of
275. With an engine that starts fast this is time in which a GPU waits.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence

UNUSED = ("datasets", "matplotlib", "oci", "oci_openai", "openai", "openpyxl", "pandas")


class _AnyName(type):
    def __getattr__(cls, name: str) -> type[_Nothing]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Nothing(metaclass=_AnyName):
    """Any class of a module that is not there: can be named and inherited from."""


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> type[_Nothing]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in UNUSED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, _module: types.ModuleType) -> None:
        """There is nothing to execute."""


def leave_out() -> None:
    """Make the modules in UNUSED empty for the rest of this process."""
    sys.meta_path.insert(0, _Finder())
