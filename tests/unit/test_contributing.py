"""The map in CONTRIBUTING.md leads where it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from testbed.operator_process import ROOT

PACKAGE = ROOT / "operator" / "autotuner"
_ROW = re.compile(r"^\| ([^|]+) \| `([^`|]+)` \| `([^`|]+)` \|$", re.MULTILINE)
MAP = (ROOT / "CONTRIBUTING.md").read_text().split("\n## Where to change what\n")[1].split("\n## ")[0]
ROWS = _ROW.findall(MAP)


def problem(file: str, symbol: str) -> str:
    """What is wrong with a row: no such file, or a symbol that it does not define (Python) or contain (others)."""
    path = next((place / file for place in (PACKAGE, ROOT) if (place / file).is_file()), None)
    if path is None:
        return f"there is no {file}"
    known = defined(path) if path.suffix == ".py" else set(re.findall(r"[\w-]+", path.read_text()))
    return "" if symbol in known else f"{file} has no {symbol}"


def defined(module: Path) -> set[str]:
    """The classes, functions and constants of a module."""
    found = set()
    for statement in ast.parse(module.read_text()).body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_the_map_has_its_rows() -> None:
    table = [line for line in MAP.splitlines() if line.startswith("| ")]

    assert len(ROWS) == len(table) - 1 >= 28, "rows, each of three cells, and a heading"
    assert len({what for what, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("what", "file", "symbol"), ROWS, ids=[what for what, _, _ in ROWS])
def test_a_row_leads_to_what_it_names(what: str, file: str, symbol: str) -> None:
    assert problem(file, symbol) == ""


@pytest.mark.parametrize(
    ("file", "symbol", "want"),
    [
        ("policy/nowhere.py", "decide", "there is no policy/nowhere.py"),
        ("policy/task/decide.py", "decided", "policy/task/decide.py has no decided"),
        ("policy/task/decide.py", "ObservedTask", "policy/task/decide.py has no ObservedTask"),
        ("helm/autotuner/files/rbac.yaml", "gardens", "helm/autotuner/files/rbac.yaml has no gardens"),
    ],
    ids=["no file", "no symbol", "only imported there", "not in a file of another kind"],
)
def test_a_row_that_leads_nowhere_is_told(file: str, symbol: str, want: str) -> None:
    assert problem(file, symbol) == want
