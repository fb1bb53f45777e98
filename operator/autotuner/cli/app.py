"""`python -m autotuner validate FILE...`: the operator's checks on files, for CI and editors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autotuner import presets
from autotuner.cli import documents, validation
from autotuner.cli.documents import Document
from autotuner.cli.validation import Finding
from autotuner.presets import Presets

VALID, INVALID, UNREADABLE = 0, 1, 2


@dataclass(frozen=True)
class Source:
    """One object and the file that it is in."""

    file: str
    document: Document

    @property
    def name(self) -> str:
        """Kind and name, for people."""
        body = self.document.body
        return f"{body.get('kind', '?')} {(body.get('metadata') or {}).get('name', '?')}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 all valid, 1 something is wrong, 2 a file cannot be read."""
    chosen = _parser().parse_args(arguments)
    try:
        known = presets.load(presets.default_folder())
        if chosen.presets:
            known = known.under(presets.load(chosen.presets, known))
        sources = [source for file in chosen.files for source in _read(file)]
    except (OSError, ValueError, yaml.YAMLError) as problem:
        sys.stderr.write(f"autotuner: {problem}\n")
        return UNREADABLE
    if not sources:
        sys.stderr.write("autotuner: no objects in these files\n")
        return UNREADABLE
    every = [source.document for source in sources]
    found = [(source, validation.validate(source.document, every, known)) for source in sources]
    sys.stdout.write(_json(found) if chosen.output == "json" else _text(found, every, known))
    return INVALID if any(one.severity == "error" for _, findings in found for one in findings) else VALID


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m autotuner", description="Autotuner on the command line.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    validate = commands.add_parser(
        "validate",
        help="check TuningTasks and TuningExperiments in files, without a cluster",
        description="Check TuningTasks and TuningExperiments in files as API server and operator would."
        " Models and runtimes in the same files count as existing. Exit code: 0 all valid, 1 something is wrong,"
        " 2 a file cannot be read.",
    )
    validate.add_argument("files", nargs="+", metavar="FILE", help="YAML; - is standard input")
    validate.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: text")
    validate.add_argument("--presets", type=Path, metavar="DIR", help="a folder of presets of your own")
    return parser


def _read(file: str) -> list[Source]:
    name = "<stdin>" if file == "-" else file
    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    try:
        return [Source(name, document) for document in documents.read(text)]
    except yaml.YAMLError as problem:
        raise ValueError(f"{name}: not YAML: {problem}") from problem
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from problem


def _text(found: Sequence[tuple[Source, list[Finding]]], every: Sequence[Document], known: Presets) -> str:
    """A line for each finding, as compilers write them, and a last word about each object of ours."""
    lines = []
    for source, findings in found:
        for one in findings:
            at = source.document.position(one.path)
            severity = "" if one.severity == "error" else f"{one.severity}: "
            field = f"{one.field}: " if one.field else ""
            lines.append(f"{source.file}:{at.line}:{at.column}: {severity}{field}{one.message}")
        if source.document.body.get("kind") in ("TuningTask", "TuningExperiment"):
            errors = sum(one.severity == "error" for one in findings)
            unknown = any(one.reason == "NotFound" for one in findings)
            last = f"{errors} error{'s' if errors != 1 else ''}" if errors else "valid"
            words = "" if errors or unknown else validation.summary(source.document, every, known)
            lines.append(f"{source.file}: {source.name}: {last}{'; ' if words else ''}{words}")
    return "".join(f"{line}\n" for line in lines)


def _json(found: Sequence[tuple[Source, list[Finding]]]) -> str:
    items: list[dict[str, Any]] = []
    for source, findings in found:
        for one in findings:
            at = source.document.position(one.path)
            items.append(
                {
                    "file": source.file,
                    "line": at.line,
                    "column": at.column,
                    "object": source.name,
                    "field": one.field,
                    "severity": one.severity,
                    "reason": one.reason,
                    "message": one.message,
                }
            )
    return json.dumps(items, indent=2) + "\n"
