"""Flags whose value is JSON: their keys, and what becomes of one that is written in two ways at a time.

An engine may also take `--a.key=1` for a part of the JSON that `--a` takes. vLLM reads the parts of a flag as one value
that replaces its JSON as a whole, without a word (vllm/utils/argparse_utils.py, FlexibleArgumentParser.parse_args,
0.33.0; findings/vllm-json-and-dotted-flag.sh). So both are joined here before an engine sees them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any, Literal

from autotuner.engines.arguments import Argument, parse, tokens, with_unit

Identity = Callable[[Argument], str]
Object = dict[str, Any]
Split = Literal["JSON", "list"]


def whole(flag: str) -> str:
    """The flag that a part of its JSON belongs to; any other flag itself."""
    return flag.partition(".")[0]


def has_parts(lists: Iterable[Sequence[str]]) -> bool:
    """Whether some argument may be a part of JSON: most lists have none, and every configuration is merged."""
    return any("." in token.partition("=")[0] for words in lists for token in words if token.startswith("-"))


def keys(text: str) -> list[str]:
    """The keys of the JSON object that a text is; none if it is something else."""
    return list(_object(text) or ())


def parsed(argument: Argument) -> Object | None:
    """The JSON object that an argument gives its flag; None if it gives none."""
    return _object(argument.values[0]) if len(argument.values) == 1 else None


def _object(text: str) -> Object | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def fault(text: str) -> str | None:
    """Why a text is no JSON; None if it is some."""
    try:
        json.loads(text)
    except json.JSONDecodeError as problem:
        return f"{text} is not JSON: {problem.msg} at character {problem.pos + 1}"
    return None


def without_overruled(lists: Sequence[Sequence[str]], identity: Identity) -> list[list[str]]:
    """The lists without the parts that a later list overrules with the flag's whole JSON.

    Args:
        lists: of arguments, from the weakest to the strongest.
        identity: canonical flag of an argument; of a part with its path (`compilation-config.mode`).
    """
    later: dict[str, Object] = {}
    kept: list[list[str]] = []
    for words in reversed(lists):
        arguments = parse(words)
        kept.append([word for one in arguments if not _says(later, identity(one)) for word in tokens(one)])
        for one in arguments:
            flag, value = identity(one), parsed(one)
            if value is not None and flag == whole(flag):
                later[flag] = {**value, **later.get(flag, {})}
    return kept[::-1]


def joined(words: Sequence[str], identity: Identity) -> list[str]:
    """Make one JSON argument of a flag's JSON and its parts, which win; it stands where the first of them stood."""
    arguments = parse(words)
    parts: dict[str, list[Argument]] = {}
    values: dict[str, Object] = {}
    for one in arguments:
        flag = identity(one)
        if flag != whole(flag):
            parts.setdefault(whole(flag), []).append(one)
        elif (value := parsed(one)) is not None:
            values[flag] = value
    both = parts.keys() & values.keys()
    found: list[str] = []
    for one in arguments:
        flag = whole(identity(one))
        if flag not in both:
            found += tokens(_respelt(one, flag) if flag in parts else one)
        elif flag in values:
            found.append(f"--{flag}={json.dumps(_overlaid(values.pop(flag), parts[flag]), separators=(',', ':'))}")
    return found


def split_over(command: Sequence[str], words: Sequence[str], identity: Identity) -> Iterator[tuple[Split, str, int]]:
    """Flags whose value is split over a command and the arguments after it, which is not what anybody meant.

    Nobody can join them, for a command stays as it is. Beside parts the engine drops a flag's JSON; of a part that is a
    list and occurs twice it makes one longer list.

    Returns:
        What is split, the flag or its part, and the argument's index.
    """
    before = [(identity(one), one) for one in parse(command)]
    for one in parse(words):
        flag = identity(one)
        is_part = flag != whole(flag)
        if not is_part and parsed(one) is None:
            continue
        others = [(name, other) for name, other in before if whole(name) == whole(flag)]
        if any((name != whole(name)) != is_part and (name != whole(name) or parsed(other)) for name, other in others):
            yield "JSON", whole(flag), one.index
        elif is_part and any(name == flag and _is_list(other) and _is_list(one) for name, other in others):
            yield "list", flag, one.index


def _is_list(part: Argument) -> bool:
    return part.spelling.endswith("+") or isinstance(_value(" ".join(part.values)), list)


def shipped(package: str) -> dict[str, Mapping[str, frozenset[str]]]:
    """Version -> JSON flag -> all keys that it takes there, as packaging/engine_json_keys.py has read them."""
    folder = resources.files("autotuner.engines") / "data" / "json_keys"
    documents: Iterable[Mapping[str, Any]] = (
        json.loads(item.read_text()) for item in folder.iterdir() if item.name.startswith(f"{package}-")
    )
    return {one["version"]: {flag: frozenset(keys) for flag, keys in one["keys"].items()} for one in documents}


def keys_of(version: str, known: Mapping[str, Mapping[str, frozenset[str]]]) -> Mapping[str, frozenset[str]]:
    """The keys of each JSON flag in a version; of a version that nobody has read, those of all others together."""
    if version in known:
        return known[version]
    found: dict[str, frozenset[str]] = {}
    for flags in known.values():
        for flag, keys in flags.items():
            found[flag] = found.get(flag, frozenset()) | keys
    return found


def _says(values: Mapping[str, Object], flag: str) -> bool:
    """Whether JSON says what a part of it says, so that one of them must give way."""
    name, *path = flag.split(".")
    value: Any = values.get(name)
    if not path or value is None:
        return False
    for key in path:
        if not isinstance(value, dict):
            return True
        if key.rstrip("+") not in value:
            return False
        value = value[key.rstrip("+")]
    return True


def _respelt(part: Argument, flag: str) -> Argument:
    """A part under its flag's one name: vLLM keeps parts under one of two names alone (-cc, --compilation-config)."""
    _, dot, path = part.spelling.partition(".")
    return replace(part, spelling=f"--{flag}.{path}") if dot else part


def _overlaid(value: Object, parts: Sequence[Argument]) -> Object:
    for one in parts:
        _, *path, last = one.spelling.split(".")
        place = value
        for key in path:
            if not isinstance(place.get(key), dict):
                place[key] = {}
            place = place[key]
        text = " ".join(one.values)
        if last.endswith("+"):  # adds to a list
            before = place.get(last[:-1])
            place[last[:-1]] = [*(before if isinstance(before, list) else []), *text.split(",")]
        else:
            place[last] = _value(text)
    return value


def _value(text: str) -> Any:
    """The value of a part: JSON, a number with a unit, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    size = with_unit(text)
    return text if size is None else size
