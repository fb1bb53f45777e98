"""Read an engine's command line out of its published package: `python packaging/engine_flags.py sglang 0.5.5.post3`.

Needs a Python with pip. Downloads the wheel and reads its source; the engine is neither installed nor imported.
Writes operator/autotuner/engines/data/ENGINE-VERSION.json. What cannot be read without running the engine (choices that
it computes) is left open: such a flag is known, and its values are not judged.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "operator" / "autotuner" / "engines" / "data"
SOURCES = {
    "sglang": ["sglang/srt/server_args.py"],
    "vllm": [
        "vllm/entrypoints/openai/cli_args.py",
        "vllm/engine/arg_utils.py",
        "vllm/config/",
        "vllm/v1/attention/backends/registry.py",
    ],
}
Flag = dict[str, Any]
# Of vLLM: numbers that may be written 4k, and auto (arg_utils.py, human_readable_int and _or_auto).
HUMAN_READABLE = ("max_model_len", "max_num_batched_tokens", "kv_cache_memory_bytes")
BOUNDS = ("ge", "gt", "le", "lt")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=sorted(SOURCES))
    parser.add_argument("version")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = downloaded(chosen.engine, chosen.version, Path(folder))
        trees = [ast.parse(text) for text in sources(chosen.engine, wheel)]
        date = released(wheel)
    reader = {"sglang": read_sglang, "vllm": read_vllm}[chosen.engine]
    flags = {flag["name"]: flag for flag in reader(trees)}
    path = DATA / f"{chosen.engine}-{chosen.version}.json"
    path.write_text(written(chosen.engine, chosen.version, date, [flags[name] for name in sorted(flags)]))
    sys.stdout.write(f"{path.name}: {len(flags)} flags\n")


def downloaded(engine: str, version: str, folder: Path) -> Path:
    """The wheel of a version."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*command, f"{engine}=={version}"], check=True)  # noqa: S603 - a developer's own words
    (wheel,) = folder.glob("*.whl")
    return wheel


def sources(engine: str, wheel: Path) -> Iterator[str]:
    """The texts of the modules that make up the engine's command line."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".py") and name.startswith(tuple(SOURCES[engine])):
                yield archive.read(name).decode()


def released(wheel: Path) -> str:
    """The day on which a wheel was built."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (item for item in archive.infolist() if item.filename.endswith(".dist-info/METADATA"))
        year, month, day, *_ = metadata.date_time
    return f"{year}-{month:02}-{day:02}"


def written(engine: str, version: str, date: str, flags: list[Flag]) -> str:
    """The data file: a line for each flag, so that versions can be compared."""
    lines = ",\n".join(f"    {json.dumps(flag, sort_keys=True)}" for flag in flags)
    head = {"engine": engine, "version": version, "built": date, "generatedBy": "packaging/engine_flags.py"}
    fields = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    return f'{{\n{fields}  "flags": [\n{lines}\n  ]\n}}\n'


# SGLang: one long function of argparse calls.


def read_sglang(trees: list[ast.Module]) -> Iterator[Flag]:
    """Every add_argument of ServerArgs.add_cli_args."""
    names = constants(trees)
    for call in add_argument_calls(trees):
        options = {keyword.arg: keyword.value for keyword in call.keywords}
        yield flag_of(call, argparse_kind(options), choices=literal(options.get("choices"), names))


def argparse_kind(options: Mapping[str | None, ast.expr]) -> str:
    """What argparse makes of the flag's values."""
    action = options.get("action")
    if isinstance(action, ast.Constant) and action.value == "store_true":
        return "switch"
    if action is not None and "BooleanOptionalAction" in ast.unparse(action):
        return "boolean"
    if "nargs" in options or action is not None:
        return "list"
    kind = ast.unparse(options["type"]) if "type" in options else "str"
    return {"int": "int", "float": "float", "json.loads": "json"}.get(kind, "str")


# vLLM: argparse calls whose options come from the annotated fields of configuration classes.


def read_vllm(trees: list[ast.Module]) -> Iterator[Flag]:
    """The server's own fields, then every add_argument of the engine's arguments."""
    names = constants(trees)
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    for owner in ("BaseFrontendArgs", "FrontendArgs"):
        for field, annotated in fields(classes[owner]).items():
            yield named(f"--{field.replace('_', '-')}", **described(annotated, names))
    for function in functions(trees, "add_cli_args"):
        kwargs = dict(config_kwargs(function))
        for call in add_argument_calls([function]):
            yield vllm_flag(call, kwargs, names, classes)
    for function in functions(trees, "make_arg_parser"):
        for call in add_argument_calls([function]):
            options = {keyword.arg: keyword.value for keyword in call.keywords}
            yield flag_of(call, argparse_kind(options))


def functions(trees: list[ast.Module], name: str) -> Iterator[ast.FunctionDef]:
    """Functions of a name, also those of classes."""
    for tree in trees:
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def config_kwargs(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """`model_kwargs = get_kwargs(ModelConfig)` as (model_kwargs, ModelConfig)."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            called = node.value
            if isinstance(called.func, ast.Name) and called.func.id == "get_kwargs":
                yield ast.unparse(node.targets[0]), ast.unparse(called.args[0])


def vllm_flag(
    call: ast.Call, kwargs: Mapping[str, str], names: Mapping[str, Any], classes: Mapping[str, ast.ClassDef]
) -> Flag:
    """A flag of which `**model_kwargs["dtype"]` says the rest, or argparse's own words."""
    parts = [node for keyword in call.keywords if keyword.arg is None for node in ast.walk(keyword.value)]
    for node in parts:
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in kwargs:
            owner, field = kwargs[ast.unparse(node.value)], ast.literal_eval(node.slice)
            annotated = fields(classes[owner]).get(field) if owner in classes else None
            if annotated is not None:
                rest = described(annotated, names)
                return flag_of(call, **(rest | {"kind": "size"} if field in HUMAN_READABLE else rest))
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    return flag_of(call, argparse_kind(options), choices=literal(options.get("choices"), names))


def fields(owner: ast.ClassDef) -> dict[str, ast.AnnAssign]:
    """The annotated fields of a class."""
    found = [node for node in owner.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return {node.target.id: node for node in found if isinstance(node.target, ast.Name)}


def described(annotated: ast.AnnAssign, names: Mapping[str, Any]) -> dict[str, Any]:
    """Kind, choices, bounds and whether None is a value, as vLLM's get_kwargs reads them, in its order."""
    members = list(union(annotated.annotation))
    hints = [hint for part in members if not is_none(part) for hint in resolved(part, names)]
    texts = [ast.unparse(hint) for hint in hints]
    nullable = {"nullable": True} if any(map(is_none, members)) else {}
    if any(text.endswith("Config") for text in texts):
        return {"kind": "json", **nullable}
    if "bool" in texts:
        return {"kind": "boolean"}
    if values := [value for hint in hints for value in literal_values(hint) if value is not None]:
        choices = {} if "str" in texts else {"choices": [str(value) for value in values]}
        return {"kind": "str", **choices, **nullable}
    if any(text.startswith(("list", "tuple", "set")) for text in texts):
        return {"kind": "list", **nullable}
    for kind in ("int", "float"):
        if kind in texts:
            return {"kind": kind, **declared_bounds(annotated.value), **nullable}
    kind = "json" if "str" not in texts and any(text.startswith("dict") for text in texts) else "str"
    return {"kind": kind, **nullable}


def union(annotation: ast.expr) -> Iterator[ast.expr]:
    """The members of `A | B | None`, wrappers taken off."""
    if isinstance(annotation, ast.BinOp):
        yield from union(annotation.left)
        yield from union(annotation.right)
    elif isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "SkipValidation":
        yield from union(annotation.slice)
    else:
        yield annotation


def is_none(annotation: ast.expr) -> bool:
    """Whether it is None."""
    return isinstance(annotation, ast.Constant) and annotation.value is None


def resolved(hint: ast.expr, names: Mapping[str, Any]) -> Iterator[ast.expr]:
    """A hint, or what the alias of this name stands for."""
    found = names.get(ast.unparse(hint))
    if isinstance(found, ast.expr):
        for part in union(found):
            yield from resolved(part, names)
    else:
        yield hint


def literal_values(hint: ast.expr) -> list[Any]:
    """The values of `Literal[...]`; none of anything else."""
    if not (isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "Literal"):
        return []
    try:
        values = ast.literal_eval(hint.slice)
    except ValueError:
        return []
    return list(values) if isinstance(values, tuple) else [values]


def declared_bounds(default: ast.expr | None) -> dict[str, float]:
    """ge, gt, le and lt of `Field(default=1, ge=1)`."""
    if not isinstance(default, ast.Call):
        return {}
    found = {keyword.arg: keyword.value for keyword in default.keywords}
    numbers = {bound: literal_number(found[bound]) for bound in BOUNDS if bound in found}
    return {bound: number for bound, number in numbers.items() if number is not None}


def literal_number(node: ast.expr) -> float | None:
    """A number that is written out; None if it is computed."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, int | float) else None


# Both.


def constants(trees: list[ast.Module]) -> dict[str, Any]:
    """Module-level lists of literals, and aliases of types (as expressions)."""
    found: dict[str, Any] = {}
    for tree in trees:
        for node in tree.body:
            target, value = None, None
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                target, value = node.targets[0].id, node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                target, value = node.target.id, node.value
            if target is None or value is None:
                continue
            try:
                found[target] = ast.literal_eval(value)
            except ValueError:
                if "Literal" in ast.unparse(value):
                    found[target] = value
    return found


def add_argument_calls(trees: list[Any]) -> Iterator[ast.Call]:
    """Calls of add_argument that name a flag."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and str(first.value).startswith("-"):
                    yield node


def literal(node: ast.expr | None, names: Mapping[str, Any]) -> list[Any] | None:
    """A list that is written out, or named; None if it is computed."""
    if node is None:
        return None
    if isinstance(node, ast.Name):
        found = names.get(node.id)
        return found if isinstance(found, list) else None
    try:
        return list(ast.literal_eval(node))
    except (ValueError, TypeError):
        return None


def flag_of(call: ast.Call, kind: str, choices: list[Any] | None = None, **more: Any) -> Flag:
    """The flag that a call of add_argument makes."""
    return named(*(str(ast.literal_eval(one)) for one in call.args), kind=kind, choices=choices, **more)


def named(*spellings: str, kind: str, choices: list[Any] | None = None, **more: Any) -> Flag:
    """A flag by its first long spelling."""
    name = next(one for one in spellings if one.startswith("--"))
    flag: Flag = {"name": name.removeprefix("--"), "kind": kind, **more}
    others = [one for one in spellings if one != name]
    if others:
        flag["aliases"] = others
    if choices:
        flag["choices"] = [str(choice) for choice in choices]
    return flag


if __name__ == "__main__":
    main()
