"""Read which architectures an engine registers: `python packaging/engine_architectures.py vllm 0.33.0`.

Fetches the sources of the published wheel; the engine is neither installed nor imported.
Writes tests/data/architectures/ENGINE-VERSION.json, which a test of the presets reads.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine_release import unpack

DATA = Path(__file__).parents[1] / "tests" / "data" / "architectures"
# Of vLLM: what generates text; the other tables hold embeddings, rewards and drafts.
_GENERATING = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS")
_SOURCES = {"sglang": "sglang/srt/models/*.py", "vllm": "vllm/model_executor/models/registry.py"}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=sorted(_SOURCES))
    parser.add_argument("version")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unpack(chosen.engine, chosen.version, Path(folder))
        trees = [ast.parse(path.read_text()) for path in sorted(Path(folder).glob(_SOURCES[chosen.engine]))]
    reader = {"sglang": of_sglang, "vllm": of_vllm}[chosen.engine]
    names = sorted({name for tree in trees for name in reader(tree)})
    if not names:
        sys.exit(f"{chosen.engine} {chosen.version} registers nothing where it did; read its new layout")
    document = {"engine": chosen.engine, "version": chosen.version, "architectures": names}
    path = DATA / f"{chosen.engine}-{chosen.version}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    sys.stdout.write(f"{path.name}: {len(names)} architectures\n")


def of_sglang(module: ast.Module) -> Iterator[str]:
    """The classes that a module of models names in `EntryClass`."""
    for value in _assigned(module, ("EntryClass",)):
        yield from (node.id for node in ast.walk(value) if isinstance(node, ast.Name))


def of_vllm(module: ast.Module) -> Iterator[str]:
    """The keys of the registry's tables."""
    for value in _assigned(module, _GENERATING):
        if isinstance(value, ast.Dict):
            yield from (key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _assigned(module: ast.Module, names: tuple[str, ...]) -> Iterator[ast.expr]:
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id in names for one in node.targets):
            yield node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in names:
            yield from [node.value] if node.value else []


if __name__ == "__main__":
    main()
