"""The last command of a shell script, as containers are told to start an engine: `sh -c "... && exec vllm serve ..."`.

Only what can be read for certain is read: simple commands one after the other. A script that does more with its last
command than to run it, such as a pipe, a loop or a substitution of commands, is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SHELLS = ("sh", "bash", "dash", "ash", "zsh")
# Letters after one dash: -c takes the script, the others change nothing that is read here.
_OPTIONS = re.compile(r"-[a-z]*c[a-z]*")
_SEPARATORS = ("&&", ";", "\n")
# One word, or what separates words. In double quotes a dollar sign or a backquote still means something.
_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+|\\\n)
    |(?P<comment>(?<![^\s;&|])\#[^\n]*)
    |(?P<operator>&&|\|\||[;&|<>()\n])
    |(?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s;&|<>()'"\\])+)""",
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = r"(?P<variable>\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*))"
_PIECE = re.compile(
    rf"""(?P<single>'[^']*')|(?P<double>"(?:\\.|[^"\\])*")|(?P<escaped>\\.)|{_VARIABLE}|(?P<plain>[^'"\\$`{{}}]+|\{{[^'"\\$`{{}}]*\}}|.)""",
    re.DOTALL,
)
_QUOTED = re.compile(rf"""(?P<escaped>\\["\\$`\n])|{_VARIABLE}|(?P<substitution>`|\$[({{@*#?!$0-9-])""")
_BRACES = re.compile(r"\{[^{}]*(?:,|\.\.)[^{}]*\}")  # bash makes several words of one, whatever is quoted within
_ARGUMENTS = ('"$@"', "$@", "${@}", '"${@}"')
_RESERVED = (
    *("if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac"),
    *("{", "}", "!", "function"),
)


class UnreadableScriptError(Exception):
    """The script does more than can be read for certain; the message says what."""


@dataclass(frozen=True)
class LastCommand:
    """The command with which a script ends.

    Attributes:
        before: the text of the script before it, kept as it is.
        words: of the command, with variables put in and quotes gone.
        takes_arguments: it passes on the arguments that follow the script.
    """

    before: str
    words: tuple[str, ...]
    takes_arguments: bool

    def with_words(self, words: Sequence[str]) -> str:
        """The script with these words in the place of the command's own."""
        return self.before + shlex.join(words)


def script_index(words: Sequence[str]) -> int | None:
    """Where in these words the script of a shell stands; None if no shell is called with one."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for index, word in enumerate(words[1:], start=1):
        if _OPTIONS.fullmatch(word):
            script = index + 1 + (words[index + 1 : index + 2] == ["--"])
            return script if script < len(words) else None
        if not word.startswith("-"):
            return None
    return None


def keeps_arguments_out(command: Sequence[str], args: Sequence[str]) -> bool:
    """Whether a shell's script starts the program, and other `args` would not be the program's arguments.

    They would take the place of a script that stands there, or follow one in `command` that asks for none.
    """
    index = script_index([*command, *args])
    if index is None:
        return False
    return index >= len(command) or not any(mark in command[index] for mark in (*_ARGUMENTS, "$*", "${*}"))


def last_command(script: str, variables: Mapping[str, str]) -> LastCommand:
    """The command with which a script ends.

    Args:
        script: what the shell is given.
        variables: of the container, as far as their values are known.

    Raises:
        UnreadableScriptError: it cannot be read for certain.
    """
    commands = _commands(script)
    if not commands:
        raise UnreadableScriptError("the script is empty")
    for command in commands:
        if command[0].text in _RESERVED:
            raise UnreadableScriptError(f"the script has more than commands one after the other: {command[0].text!r}")
    last = commands[-1]
    first = next((i for i, token in enumerate(last) if not _is_assignment(token.text)), None)
    if first is None:
        raise UnreadableScriptError("the script ends with an assignment")
    if last[first].text == "exec":
        first += 1
    words: list[str] = []
    takes_arguments = False
    for token in last[first:]:
        if token.text in _ARGUMENTS:
            takes_arguments = True
        else:
            words += _read(token.text, variables)
    start = last[first].start if first < len(last) else len(script)
    return LastCommand(script[:start], tuple(words), takes_arguments)


@dataclass(frozen=True)
class _Token:
    text: str
    start: int


def _commands(script: str) -> list[list[_Token]]:
    commands: list[list[_Token]] = [[]]
    position = 0
    while position < len(script):
        found = _TOKEN.match(script, position)
        if found is None:
            raise UnreadableScriptError(f"an open quote: {script[position : position + 20]!r}")
        kind, text = str(found.lastgroup), found.group()
        if kind == "operator" and text not in _SEPARATORS:
            raise UnreadableScriptError(f"the script has more than commands one after the other: {text!r}")
        if kind == "operator":
            commands.append([])
        elif kind == "word":
            commands[-1].append(_Token(text, position))
        position = found.end()
    return [command for command in commands if command]


def _is_assignment(text: str) -> bool:
    return re.match(r"[A-Za-z_][A-Za-z0-9_]*=", text) is not None


def _read(text: str, variables: Mapping[str, str]) -> list[str]:
    """The words that a word of the script becomes: a variable without quotes may hold several, or none."""
    words, quoted = [""], False
    unquoted = "".join(found[0] if found.lastgroup == "plain" else "_" for found in _PIECE.finditer(text))
    if _BRACES.search(unquoted):
        raise _only_the_shell(text)
    for found in _PIECE.finditer(text):
        piece = found.group()
        if found.lastgroup == "single":
            words[-1], quoted = words[-1] + piece[1:-1], True
        elif found.lastgroup == "double":
            words[-1], quoted = words[-1] + _in_double_quotes(piece[1:-1], variables), True
        elif found.lastgroup == "variable":
            first, *more = re.split(r"[ \t\n]+", _value(piece, variables))
            words[-1] += first
            words += more
        elif found.lastgroup == "escaped":
            words[-1] += piece[1:].replace("\n", "")
        elif piece in "$`":
            raise _only_the_shell(text)
        else:
            words[-1] += piece
    return [word for word in words if word or quoted]


def _only_the_shell(text: str) -> UnreadableScriptError:
    return UnreadableScriptError(f"a substitution that only the shell can do: {text[:40]!r}")


def _in_double_quotes(text: str, variables: Mapping[str, str]) -> str:
    def read(found: re.Match[str]) -> str:
        piece = found.group()
        if found.lastgroup == "variable":
            return _value(piece, variables)
        if found.lastgroup == "substitution":
            raise _only_the_shell(text)
        return piece[1:].replace("\n", "")

    return _QUOTED.sub(read, text)


def _value(reference: str, variables: Mapping[str, str]) -> str:
    name = reference.strip("${}")
    if name not in variables:
        raise UnreadableScriptError(f"the value of ${name} is not written in the container")
    return variables[name]
