"""The command `validate`: the operator's checks on files, for CI and editors."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Exit, Option, echo

if TYPE_CHECKING:
    from autotuner.cli.diagnostics import Diagnostic
    from autotuner.cli.documents import Document
    from autotuner.engines.probed_flags import ProbedFlags
    from autotuner.presets import Presets

EXAMPLES = (
    "validate task.yaml",
    "validate --flags flags.json task.yaml",
    "validate --output json *.yaml",
    "validate - < task.yaml",
)

INVALID, UNREADABLE = 1, 2


@dataclass(frozen=True)
class Checked:
    """One object, the file that holds it, and what there is to tell about it.

    Attributes:
        file: as the user named it.
        document: the object.
        ours: whether the object is a task or an experiment; the checks say nothing about others.
        diagnostics: what the checks found.
        summary: what a valid task comes to; empty for anything else.
    """

    file: str
    document: Document
    ours: bool
    diagnostics: Sequence[Diagnostic]
    summary: str

    @property
    def name(self) -> str:
        """Kind and name of the object, for people."""
        body, metadata = self.document.body, self.document.body.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        generated = f"{named['generateName']}..." if named.get("generateName") else "?"
        return f"{body.get('kind', '?')} {named.get('name') or generated}"

    @property
    def errors(self) -> int:
        """The number of diagnostics for which the object would be refused."""
        return sum(one.severity == "error" for one in self.diagnostics)


def run(
    files: Annotated[list[str], Argument(metavar="FILE", help="YAML; - is standard input.")],
    output: Annotated[
        Literal["text", "json"], Option("--output", "-o", help="Lines for people, or JSON for machines.")
    ] = "text",
    presets: Annotated[Path | None, Option(metavar="DIR", help="A folder of presets of your own.")] = None,
    flags: Annotated[
        list[Path] | None,
        Option(metavar="FILE", help="What `flags --read` printed of your image; may be repeated, once an engine."),
    ] = None,
) -> None:
    """Check tasks and experiments in files, without a cluster.

    The checks are those of the API server and of the operator. Models and runtimes in the same files count as existing.

    Exit code: 0 all valid, 1 something is wrong, 2 a file cannot be read.
    """
    try:
        known, told = _presets(presets), _read_flags(flags or ())
    except (OSError, ValueError) as problem:
        echo(f"autotuner: {problem}", err=True)
        raise Exit(UNREADABLE) from None
    answer = judge_files(files, known, told)
    if output == "json":
        echo(answer.json, nl=False)
    else:
        echo(answer.text, nl=False)
        for one in answer.unreadable:
            echo(f"autotuner: {one.file}: {one.why}", err=True)
    if answer.code:
        raise Exit(answer.code)


@dataclass(frozen=True)
class Unreadable:
    """A file that says nothing, and why; line and column count from 1."""

    file: str
    why: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Answer:
    """What there is to tell of all files."""

    checked: Sequence[Checked]
    unreadable: Sequence[Unreadable]

    @property
    def text(self) -> str:
        """For people, but for the files that cannot be read."""
        return _text(self.checked)

    @property
    def json(self) -> str:
        """For machines."""
        return _json(self.checked, self.unreadable)

    @property
    def code(self) -> int:
        """The exit code."""
        if self.unreadable:
            return UNREADABLE
        return INVALID if any(one.errors for one in self.checked) else 0


def judge_files(files: Sequence[str], presets: Presets, flags: Mapping[str, ProbedFlags]) -> Answer:
    """Judge all objects in files; `-` is standard input. Whatever they say, there is an answer."""
    sources, unreadable = _read(files)
    return Answer(_check(sources, presets, flags), unreadable)


def _presets(own: Path | None) -> Presets:
    """The presets, with those of a folder of the user's own before them.

    Raises:
        OSError, ValueError: a preset is broken.
    """
    from autotuner import presets

    known = presets.load(presets.default_folder())
    return known.under(presets.load(own, known)) if own else known


def _read(files: Sequence[str]) -> tuple[list[tuple[str, Document]], list[Unreadable]]:
    """Read the objects of all files, each with the name of its file, and which files cannot be read."""
    sources: list[tuple[str, Document]] = []
    unreadable: list[Unreadable] = []
    for file in files:
        name = "<stdin>" if file == "-" else file
        found = _read_file(file, name)
        if isinstance(found, Unreadable):
            unreadable.append(found)
        else:
            sources += [(name, document) for document in found]
    if not sources and not unreadable:
        unreadable.append(Unreadable(files[0], "no objects in these files"))
    return sources, unreadable


def _read_file(file: str, name: str) -> list[Document] | Unreadable:
    from autotuner.cli import documents
    from autotuner.cli.kubectl_yaml import NotYamlError

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return documents.read(data.decode())
    except OSError as problem:
        return Unreadable(name, problem.strerror or str(problem))
    except UnicodeDecodeError as problem:
        return Unreadable(name, f"not text: byte {problem.start} is no UTF-8")
    except NotYamlError as problem:
        return Unreadable(name, str(problem), problem.position.line, problem.position.column)


def _read_flags(files: Sequence[Path]) -> dict[str, ProbedFlags]:
    """Read what images told of their flags, by the package of the engine.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not what `flags --read` prints, or two are of one engine.
    """
    from autotuner.engines import probed_flags

    found: dict[str, ProbedFlags] = {}
    for file in files:
        try:
            told = probed_flags.of(file.read_text())
        except ValueError as problem:
            raise ValueError(f"{file}: {problem}; give what `autotuner flags --read` printed") from problem
        if told.package in found:
            raise ValueError(f"{file}: there are flags of {told.package} already; give one file for each engine")
        found[told.package] = told
    return found


def _check(
    sources: Sequence[tuple[str, Document]], presets: Presets, flags: Mapping[str, ProbedFlags]
) -> list[Checked]:
    """Check each object, with all others at hand."""
    from autotuner.cli.diagnostics import AtHand, is_ours, judge

    known = AtHand([document for _, document in sources], presets, flags)
    checked = []
    for file, document in sources:
        verdict = judge(document, known)
        checked.append(Checked(file, document, is_ours(document.body), verdict.diagnostics, verdict.summary))
    return checked


def _text(checked: Sequence[Checked]) -> str:
    """A line for each diagnostic, as compilers write them, and a last line for each object of ours."""
    lines = []
    for one in checked:
        lines += [_line(one, diagnostic) for diagnostic in one.diagnostics]
        if one.ours:
            verdict = f"{one.errors} error{'s' if one.errors != 1 else ''}" if one.errors else "valid"
            lines.append(f"{one.file}: {one.name}: {verdict}{'; ' if one.summary else ''}{one.summary}")
    return "".join(f"{line}\n" for line in lines)


def _line(checked: Checked, diagnostic: Diagnostic) -> str:
    at = checked.document.position(diagnostic.path)
    severity = "" if diagnostic.severity == "error" else f"{diagnostic.severity}: "
    field = f"{diagnostic.field}: " if diagnostic.field else ""
    return f"{checked.file}:{at.line}:{at.column}: {severity}{field}{diagnostic.message}"


def _json(checked: Sequence[Checked], unreadable: Sequence[Unreadable]) -> str:
    items = [_item(one, diagnostic) for one in checked for diagnostic in one.diagnostics]
    return json.dumps([*map(_unreadable_item, unreadable), *items], indent=2) + "\n"


def _unreadable_item(one: Unreadable) -> dict[str, Any]:
    return {
        "file": one.file,
        "line": one.line,
        "column": one.column,
        "object": "",
        "field": "",
        "severity": "error",
        "reason": "Unreadable",
        "message": one.why,
    }


def _item(checked: Checked, diagnostic: Diagnostic) -> dict[str, Any]:
    at = checked.document.position(diagnostic.path)
    return {
        "file": checked.file,
        "line": at.line,
        "column": at.column,
        "object": checked.name,
        "field": diagnostic.field,
        "severity": diagnostic.severity,
        "reason": diagnostic.reason,
        "message": diagnostic.message,
    }
