"""Rules in CEL over `p`, the parameters: compiled once, and every complaint told in the user's words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import cel

from autotuner.engines.arguments import Value, text

# Nested comprehensions in a text of 1,024 characters can take longer than the universe has; one of them cannot.
_COMPREHENSION = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_TEXTS = re.compile(
    r"""//[^\n]*|\b[bB]?[rR](?:"[^"]*"|'[^']*')|"{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""",
    re.DOTALL,
)
# p.name, but p alone for p.name(...), p[...] and p itself.
_PARAMETER = re.compile(r"(?<![\w.])p\b(?:\s*\.\s*(\w+)(\s*\()?)?")
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*?)(?: expecting .*)?$", re.MULTILINE)


class RuleError(Exception):
    """A rule cannot be answered; the text says why and what to write instead."""


def field_name(parameter: str) -> str:
    """What a parameter is called in a rule: dashes and dots become underscores."""
    return re.sub(r"[-.]", "_", parameter)


@dataclass(frozen=True)
class CompiledRule:
    """A compiled rule.

    Attributes:
        text: as the user wrote it.
        names: fields of p that it reads.
        whole: it reads p as a whole, hence every parameter.
    """

    text: str
    names: frozenset[str]
    whole: bool
    _program: cel.Program = field(compare=False, repr=False)

    def holds(self, p: Mapping[str, Value]) -> bool:
        """The answer for these parameters; absent ones are absent.

        Raises:
            RuleError: it has no answer, or one that is no boolean.
        """
        try:
            answer = self._program.execute({"p": dict(p)})
        except KeyError as error:
            raise RuleError(self._missing(str(error.args[0]))) from None
        except Exception as error:
            raise RuleError(f"{_first_sentence(error)}{self._given(p)}") from None
        if not isinstance(answer, bool):
            raise RuleError(f"gives {answer!r}, which is neither true nor false{self._given(p)}")
        return answer

    def unknown(self, known: Iterable[str]) -> str | None:
        """What is wrong with the names that it reads; None if all of them are known fields of p."""
        fields = sorted(known)
        for name in sorted(self.names.difference(fields)):
            close = difflib.get_close_matches(name, fields, n=1)
            there_are = f"there are {', '.join(f'p.{one}' for one in fields)}" if fields else "there are none"
            return f"p.{name} is no parameter; {f'did you mean p.{close[0]}?' if close else there_are}"
        return None

    def _missing(self, key: str) -> str:
        if key not in self.names and not self.whole:
            return f"has no key {key!r}"
        return (
            f"p.{key} is absent where that parameter is unset or inactive; ask first: has(p.{key}) && ..., or"
            f" !has(p.{key}) || ..."
        )

    def _given(self, p: Mapping[str, Value]) -> str:
        given = [f"p.{name} is {_typed(p[name])}" for name in sorted(self.names) if name in p]
        return f" ({', '.join(given)})" if given else ""


@lru_cache(maxsize=1024)
def compiled(rule: str) -> CompiledRule:
    """The condition of a rule's text.

    Raises:
        RuleError: it is no CEL.
    """
    try:
        program = cel.compile(rule)
    except Exception as error:
        raise RuleError(_syntax(str(error))) from None
    bare = _TEXTS.sub("''", rule)
    if len(_COMPREHENSION.findall(bare)) > 1:
        raise RuleError("has several of all, exists, exists_one, map and filter; use one in a rule, or several rules")
    found = _PARAMETER.findall(bare)
    names = frozenset(name for name, call in found if name and not call)
    return CompiledRule(rule, names, any(not name or call for name, call in found), program)


def _syntax(message: str) -> str:
    found = _SYNTAX.search(message)
    if found is None:
        return f"is no CEL: {message.splitlines()[0] if message else 'it cannot be read'}"
    line, column, complaint = found.groups()
    return f"is no CEL: line {line}, column {column}: {complaint}"


def _first_sentence(error: Exception) -> str:
    """The library's complaint, less its general advice, with the one piece of advice that fits a rule."""
    message = str(error)
    undefined = re.match(r"Undefined variable or function: '(.*?)'", message)
    if undefined:
        return f"{undefined[1]} is neither a function of CEL nor p; a parameter is written p.{undefined[1]}"
    said = re.split(r"\.\s|: the operation", message, maxsplit=1)[0].rstrip(".")
    if isinstance(error, TypeError):
        return f"{said}: types are never mixed, so convert: double(p.x), int(p.x) or string(p.x)"
    return said


def _typed(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value}' (a string)"
    kind = "a bool" if isinstance(value, bool) else "an int" if isinstance(value, int) else "a double"
    return f"{text(value)} ({kind})"
