"""YAML texts as plain data: read fast, and written so that kubectl reads what was meant.

kubectl reads with Go's YAML library of version 2 (sigs.k8s.io/yaml). What a plain word means there is neither YAML 1.1
nor 1.2: `yes`, `n` and `010` are what 1.1 makes of them, `1e-5` and `0o10` what 1.2 does, and `12:30`, `2024-01-01` and
`=` are strings. PyYAML means 1.1, and writes the strings `n` and `1e-5` without quotes. ruamel.yaml knows the two
versions of YAML, but not this mixture.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

# libyaml where PyYAML has it: ten times as fast as in Python.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING = "tag:yaml.org,2002:str"

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_FLOATS = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"([-+]?)(?:0([xX])([0-9a-fA-F]+)|0([bB])([01]+)|0([oO]?)([0-7]+)|([1-9][0-9]*|0))")
_BASES = ((2, 16), (4, 2), (6, 8))  # the groups of a prefix and their base
_LONGEST = 64  # digits of a number of 64 bits, in base 2


def read(text: str) -> Any:
    """The only document of a text, by YAML 1.1: for files of our own.

    Raises:
        yaml.YAMLError: it is no YAML, or holds several documents.
    """
    return yaml.load(text, Loader=_LOADER)  # noqa: S506


class Dumper(yaml.SafeDumper):
    """Puts quotes around strings that either PyYAML or kubectl would take for something else; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Each part stands where it belongs, even where two are one object here."""
        return True

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag that a reader gives a scalar; none where the two readers differ."""
        tag = str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        if kind is yaml.ScalarNode and implicit[0] and tag == _STRING and not isinstance(word(value), str):
            return ""  # no tag of a string, so that it gets quotes
        return tag


class BlockDumper(Dumper):
    """Writes a text of several lines as a block, for those who read it."""


def _written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_STRING, text, style="|" if "\n" in text else None)


BlockDumper.add_representer(str, _written)


def dump(document: Any, dumper: type[Dumper] = Dumper) -> str:
    """The text of a document, with its keys in their order."""
    return str(yaml.dump(document, Dumper=dumper, sort_keys=False, width=120, allow_unicode=True))


def in_one_line(value: Any) -> str:
    """The text of a value in one line, however long."""
    written = yaml.dump(
        value, Dumper=Dumper, default_flow_style=True, sort_keys=False, width=math.inf, allow_unicode=True
    )
    return str(written).removesuffix("...\n").strip()


def word(text: str) -> Any:
    """What a word without quotes means to kubectl."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if text[0] == ".":
        return _float(text) if _FLOATS.fullmatch(text) else text
    digits = text.replace("_", "")
    whole = _integer(digits)
    if whole is not None:
        return whole
    return _float(digits, text) if _FLOATS.fullmatch(digits) else text


def _float(digits: str, otherwise: str = "") -> Any:
    value = float(digits)
    return value if math.isfinite(value) else otherwise or digits


def _integer(digits: str) -> int | float | None:
    """A whole number of 64 bits, by its prefix of base 16, 8, 2 or 10; None if it is none.

    In JSON one without a sign that needs all 64 bits is a float.
    """
    found = _WHOLE.fullmatch(digits)
    if found is None:
        return None
    base, figures = 10, found[8]
    for group, known in _BASES:
        if found[group + 1] is not None:
            base, figures = known, found[group + 1]
    if len(figures.lstrip("0")) > _LONGEST:
        return None
    value = int(f"{found[1]}{figures}", base)
    if -(2**63) <= value < 2**63:
        return value
    return float(value) if 0 < value < 2**64 and not found[1] else None
