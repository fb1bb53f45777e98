"""Read which keys an engine's JSON flags take: `python packaging/engine_json_keys.py 0.33.0`, for vLLM.

Fetches the sources of the published wheel; the engine is neither installed nor imported.
Writes operator/autotuner/engines/data/json_keys/vllm-VERSION.json: flag -> the keys of its configuration class. vLLM's
decorator `config` (vllm/config/utils.py) makes these classes forbid every other key.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine_release import unpack

DATA = Path(__file__).parents[1] / "operator" / "autotuner" / "engines" / "data" / "json_keys"

Classes = Mapping[str, ast.ClassDef]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version")
    version = parser.parse_args().version
    with tempfile.TemporaryDirectory() as folder:
        unpack("vllm", version, Path(folder))
        paths = [Path(folder) / "vllm/engine/arg_utils.py", *sorted(Path(folder).glob("vllm/config/*.py"))]
        found = read([path.read_text() for path in paths])
    if "compilation-config" not in found:
        sys.exit(f"vllm {version} keeps its configuration elsewhere; read its new layout")
    DATA.mkdir(exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(flag)}: {json.dumps(found[flag])}" for flag in sorted(found))
    path = DATA / f"vllm-{version}.json"
    path.write_text(f'{{\n "engine": "vllm",\n "version": "{version}",\n "keys": {{\n{lines}\n }}\n}}\n')
    sys.stdout.write(f"{path.name}: {len(found)} flags\n")


def read(texts: Sequence[str]) -> dict[str, list[str]]:
    """Flag -> keys, of the flags whose configuration class forbids other keys."""
    classes = {node.name: node for text in texts for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    strict = {name.lower(): node for name, node in classes.items() if any(map(_forbids, node.decorator_list))}
    found = {}
    for field, _ in fields(classes["EngineArgs"]):
        flag = field.replace("_", "-")
        if flag.endswith("-config") and (owner := strict.get(field.replace("_", ""))):
            found[flag] = sorted(keys(owner, classes))
    return found


def _forbids(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id == "config"


def keys(owner: ast.ClassDef, classes: Classes) -> set[str]:
    """The fields of a class and its bases that can be given."""
    found = {key for base in owner.bases for key in keys(classes[ast.unparse(base)], classes)} if owner.bases else set()
    return found | {name for name, default in fields(owner) if not _is_computed(default)}


def fields(owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """The annotated fields of a class with their defaults."""
    for node in owner.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if not ast.unparse(node.annotation).startswith("ClassVar"):
            yield node.target.id, node.value


def _is_computed(default: ast.expr | None) -> bool:
    """Whether a field is set by the class itself: `field(init=False)`."""
    options = {one.arg: one.value for one in default.keywords} if isinstance(default, ast.Call) else {}
    given = options.get("init")
    return isinstance(given, ast.Constant) and given.value is False


if __name__ == "__main__":
    main()
