"""The command line, with one module for each command.

Every call imports the modules of all commands, even `--help`: they import what is slow to import when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

from typer import Exit, Option, Typer, echo

from autotuner import __version__
from autotuner.cli import create, flags, report, run, validate

# What people type to run the program, by the name of the file that runs.
_PROGRAMS = {"__main__": "python -m autotuner", "kubectl-autotuner": "kubectl autotuner"}


class CliCommand(Protocol):
    """What the module of a command has."""

    @property
    def EXAMPLES(self) -> Sequence[str]:  # noqa: N802
        """Commands that work, without the program's name, for the end of the command's help."""

    @property
    def run(self) -> Callable[..., None]:
        """The command: its parameters are arguments and options, its docstring is the help."""


# In the order of the help.
COMMANDS: Mapping[str, CliCommand] = {
    "create": create,
    "validate": validate,
    "run": run,
    "report": report,
    "flags": flags,
}


def main() -> None:
    """Run the command that the arguments of this process name; end the process with its exit code."""
    program = program_name(sys.argv[0])
    application(program)(prog_name=program)


def program_name(path: str) -> str:
    """The words that started the program whose file is at `path`, as its help repeats them."""
    return _PROGRAMS.get(Path(path).stem, "autotuner")


def application(program: str) -> Typer:
    """The command line of a program of this name.

    Help and errors are plain text, like kubectl's: what a user's file is called is never read as markup.
    """
    typer = Typer(
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    typer.callback()(_options)
    for name, command in COMMANDS.items():
        lines = [f"  {program} {example}" for example in command.EXAMPLES]
        # The mark \b keeps the lines of a paragraph apart.
        typer.command(name, epilog="\n".join(["\b", "Examples:", *lines]))(command.run)
    return typer


def _print_version(wanted: bool) -> None:
    if wanted:
        echo(f"autotuner {__version__}")
        raise Exit


def _options(
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find the best engine parameters for a model by measuring them on your own cluster."""
