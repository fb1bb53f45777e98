"""Runs an engine's own parser without the libraries that it imports, and prints its flags as JSON.

`python packaging/stand_ins.py sglang FOLDER`: FOLDER holds the sources of a release. An engine imports gigabytes of
libraries before it makes its parser, and the parser asks nearly nothing of them. So every module that is not there is
played by a stand-in, from which anything can be imported, called and inherited; and a module of the engine that fails
although it is there becomes one too, unless the parser is made in it. A stand-in that ends up in a flag is an error.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import json
import runpy
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READER = Path(__file__).parents[1] / "operator" / "autotuner" / "engines" / "parser_reading.py"
VERSION = "99.0.0"  # of every library: an engine refuses old ones
# Of accelerators that an engine takes for present when their library is.
ABSENT = frozenset({"torch_npu", "torch_musa", "torch_mlu", "habana_frameworks"})
# Where the parsers are made: these modules are themselves, or nothing is read.
ESSENTIAL = (
    *("sglang.srt.server_args", "sglang.srt.arg_groups"),
    *("vllm.engine.arg_utils", "vllm.utils.argparse_utils", "vllm.config", "vllm.entrypoints"),
)


class Base:
    """What a class inherits that would inherit a stand-in."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Take the keywords of any class."""


class StandIn:
    """Anything of a library that is not there. It is false, empty and zero."""

    def __init__(self, name: str) -> None:
        """Remember the name, for messages."""
        self.__dict__["_name"] = name

    def __repr__(self) -> str:
        return f"<stand-in for {self._name}>"

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, self._name, name)

    def __deepcopy__(self, memo: object) -> StandIn:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Another stand-in; as a decorator, what it decorates."""
        decorated = args[0] if len(args) == 1 and not kwargs else None
        if isinstance(decorated, types.FunctionType | type | classmethod | staticmethod | property):
            return decorated
        return StandIn(f"{self._name}()")

    def __getitem__(self, key: object) -> StandIn:
        return StandIn(f"{self._name}[]")

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (Base,)

    def __instancecheck__(self, one: object) -> bool:
        return False

    def __subclasscheck__(self, one: type) -> bool:
        return False

    def __or__(self, other: Any) -> Any:
        return typing.Union[self, other]  # noqa: UP007 - made of values

    def __ror__(self, other: Any) -> Any:
        return typing.Union[other, self]  # noqa: UP007

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> typing.Iterator[Any]:
        return iter(())

    def __contains__(self, one: object) -> bool:
        return False

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was entered."""

    def __index__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def _smaller(self, _: object) -> bool:
        return False

    __lt__ = __le__ = __gt__ = __ge__ = _smaller

    def _result(self, *_: object) -> StandIn:
        return StandIn(f"a result of {self._name}")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _result
    __floordiv__ = __rfloordiv__ = __mod__ = __pow__ = __rpow__ = __and__ = __lshift__ = __neg__ = __invert__ = _result

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()


class StandInModule(types.ModuleType):
    """A module that is not there."""

    __path__: typing.MutableSequence[str] = []  # noqa: RUF012 - a package's, as Python has it

    def __getattr__(self, name: str) -> Any:
        return _attribute(self, self.__name__, name)


def _attribute(owner: object, owner_name: str, name: str) -> Any:
    if name == "__version__":
        return VERSION
    if name.startswith("__") and name.endswith("__"):
        raise AttributeError(name)
    made = StandIn(f"{owner_name}.{name}")
    owner.__dict__[name] = made
    return made


class Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what no other finder has found."""

    def __init__(self, package: str) -> None:
        """Remember the engine's package."""
        self._package = package

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """A stand-in, but for parts of libraries that are there: those are optional."""
        top, dot = name.partition(".")[:2]
        if top in sys.stdlib_module_names or top in ABSENT or top.startswith(("_", "pydantic")):
            return None
        if dot and top != self._package and not isinstance(sys.modules.get(top), StandInModule):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The stand-in."""
        return StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to execute."""


class Own(importlib.abc.MetaPathFinder):
    """Finds the engine's own modules; one that fails becomes a stand-in, unless the parser is made in it."""

    def __init__(self, package: str) -> None:
        """Remember the engine's package."""
        self._package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As Python would, with another loader."""
        if name.partition(".")[0] != self._package:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = Lenient(spec.loader.name, spec.loader.path)
        return spec


class Lenient(importlib.machinery.SourceFileLoader):
    """Loads a module that may fail."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Execute it; what fails is a stand-in from then on."""
        try:
            super().exec_module(module)
        except Exception as error:
            if module.__name__.startswith(ESSENTIAL):
                raise
            sys.stderr.write(f"stand-in for {module.__name__}: {error!r:.200}\n")
            module.__class__ = StandInModule


def main() -> None:
    """Entry point."""
    package, folder = sys.argv[1:]
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, Own(package))
    sys.meta_path.append(Missing(package))
    output = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # engines greet
        found = runpy.run_path(str(READER))["flags"](package)
    text = json.dumps(found, default=repr)
    if "<stand-in for" in text:
        sys.exit(f"a stand-in got into the flags: ...{text[text.index('<stand-in for') - 200 :][:300]}")
    output.write(text)


if __name__ == "__main__":
    main()
