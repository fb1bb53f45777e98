"""A package as the checks see it: its modules, what they import, and how long their functions are."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Function:
    """One function or method.

    Attributes:
        name: without its class.
        line: of its `def`.
        length: lines from its `def` to its last, docstring and functions within it included, decorators not.
    """

    name: str
    line: int
    length: int


@dataclass(frozen=True)
class Module:
    """One file.

    Attributes:
        name: full, as it is imported; of a package's `__init__.py` the package's.
        path: of its file.
        text: its source.
    """

    name: str
    path: Path
    text: str

    @property
    def room(self) -> str:
        """Its folder below the package, with dots; a module of the package itself is a room of its own."""
        parts = self.name.split(".")[1:]
        if self.path.name != "__init__.py":
            parts = parts[:-1] or parts
        return ".".join(parts) or self.name

    @cached_property
    def syntax(self) -> ast.Module:
        """Its parsed source."""
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Full names of what it imports, wherever in it; `from a import b` gives a and a.b."""
        return frozenset(name for pair in self.statements for name in pair)

    @property
    def functions(self) -> Iterator[Function]:
        """All its functions and methods, nested ones too."""
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None, "it was parsed from text"
                yield Function(node.name, node.lineno, node.end_lineno - node.lineno + 1)

    @property
    def statements(self) -> Iterator[tuple[str, str]]:
        """Each import as (module, wanted): (a, a) for `import a`, (a, a.b) for `from a import b`."""
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                yield from ((alias.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                yield from ((source, f"{source}.{alias.name}") for alias in node.names)


@dataclass(frozen=True)
class Tree:
    """A package.

    Attributes:
        package: its name.
        modules: by their full names.
    """

    package: str
    modules: Mapping[str, Module]

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        """Module -> modules of the package that it imports."""
        return {name: {*self._targets(module)} - {name} for name, module in self.modules.items()}

    @cached_property
    def arrows(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """Room -> room that it imports -> the imports, as pairs of module and module."""
        found: dict[str, dict[str, list[tuple[str, str]]]] = {room: {} for room in sorted(self.rooms)}
        for name, targets in self.graph.items():
            for target in sorted(targets):
                here, there = self.modules[name].room, self.modules[target].room
                if here != there:
                    found[here].setdefault(there, []).append((name, target))
        return found

    @cached_property
    def rooms(self) -> dict[str, list[Module]]:
        """Room -> its modules."""
        found: dict[str, list[Module]] = {}
        for module in self.modules.values():
            found.setdefault(module.room, []).append(module)
        return found

    def reachable(self, start: str) -> set[str]:
        """Every name that importing a module imports in the end."""
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            module = self.modules.get(waiting.pop())
            new = module.imports - seen if module else set()
            seen |= new
            waiting += new
        return seen

    def _targets(self, module: Module) -> Iterator[str]:
        for source, wanted in module.statements:
            if wanted in self.modules:
                yield wanted
            elif source in self.modules:
                yield source


def read(package: Path) -> Tree:
    """Read all modules of the package in a folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, path.read_text())
    return Tree(package.name, found)


def within(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of these or below it."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
