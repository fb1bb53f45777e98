"""How many refusals of SGLang are known as such: `python -m tests.benchmarks.engine_refusals [VERSION ...]`.

Installs the published package without its dependencies, takes the message of every `raise`, `assert` and
`parser.error` of its argument stage, prints it as the engine would, and asks the diagnosis. The last column says
whether the share is within the bar.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autotuner.engines import get
from tests.benchmarks.checkout import UV

VERSIONS = ("0.5.5.post3", "0.5.23")
ARGUMENT_STAGE = ("sglang/srt/server_args.py", "sglang/srt/arg_groups")
BAR = 0.95
_STANDS_FOR_A_VALUE = "8"


@dataclass(frozen=True)
class Refusal:
    """A statement of the argument stage that ends it."""

    file: str
    line: int
    error: str  # the class, or "" for what the parser refuses
    message: str
    source: str

    def log(self) -> str:
        """What the engine prints, and the long usage text that comes before a parser's error."""
        if not self.error:
            return "usage: sglang serve [-h]\n" + "  [--flag FLAG]\n" * 500 + f"sglang serve: error: {self.message}\n"
        told = f"{self.error}: {self.message}" if self.message else self.error
        frames = (("sglang/launch_server.py", 60, "<module>", "run_server(server_args)"),)
        own = (self.file, self.line, "_handle", self.source)
        printed = [
            f'  File "/opt/py/{file}", line {line}, in {name}\n    {text}' for file, line, name, text in (*frames, own)
        ]
        return "\n".join(["Traceback (most recent call last):", *printed, told, ""])

    @property
    def known(self) -> bool:
        """Whether the diagnosis says what it is."""
        found = get("SGLang").diagnose(self.log(), 1 if self.error else 2)
        return found is not None and found.reason == "InvalidArguments"


def refusals(root: Path) -> Iterator[Refusal]:
    """Every refusal of the argument stage of the package that is installed in a folder."""
    for place in ARGUMENT_STAGE:
        path = root / place
        for module in [path] if path.is_file() else sorted(path.rglob("*.py")):
            yield from _of_module(module, str(module.relative_to(root)))


def _of_module(path: Path, name: str) -> Iterator[Refusal]:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if (found := _refusal(node)) is not None:
            error, message = found
            source = (ast.get_source_segment(text, node) or "").partition("\n")[0]
            yield Refusal(name, getattr(node, "lineno", 0), error, message, source)


def _refusal(node: ast.AST) -> tuple[str, str] | None:
    """The class and the message of a statement that refuses."""
    match node:
        case ast.Raise(exc=ast.Call(func=error, args=args)):
            return ast.unparse(error), _text(args[0]) if args else ""
        case ast.Raise(exc=ast.Name(id=name)) if name[0].isupper():
            return name, ""
        case ast.Assert(msg=message):
            return "AssertionError", _text(message) if message else ""
        case ast.Call(func=ast.Attribute(value=owner, attr="error"), args=[message, *_]) if "parser" in ast.unparse(
            owner
        ):
            return "", _text(message)
    return None


def _text(node: ast.expr) -> str:
    """A message as it reads with some value for each placeholder."""
    match node:
        case ast.Constant(value=str() as value):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            return _text(template)
    return _STANDS_FOR_A_VALUE


def main() -> int:
    """Print a line for each version; returns 1 if a share is below the bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    parser.add_argument("--unknown", action="store_true", help="print what is not known")
    asked = parser.parse_args()
    below = 0
    for version in asked.versions:
        with tempfile.TemporaryDirectory() as folder:
            install = [
                str(UV),
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--python",
                sys.executable,
                "--target",
                folder,
            ]
            subprocess.run([*install, f"sglang=={version}"], check=True)
            found = list(refusals(Path(folder)))
        known = [one for one in found if one.known]
        share = len(known) / len(found)
        below += share < BAR
        verdict = "ok" if share >= BAR else f"below {BAR:.0%}"
        print(f"sglang {version:12} {len(known):4} of {len(found):4} refusals known  {share:6.1%}  {verdict}")
        if asked.unknown:
            print(*(f"  {one.file}:{one.line} {one.error}: {one.message}" for one in found if not one.known), sep="\n")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
