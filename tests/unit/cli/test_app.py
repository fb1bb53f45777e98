"""The command line as a whole: its entry points, its help, and how it refuses what nobody can mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from autotuner import __version__
from autotuner.cli.app import COMMANDS, main, program_name
from tests.support.http_api import ApiOverHttp
from tests.support.public_deployments import chat, nodes
from tests.unit.engines.probed import logged, printed
from tests.unit.html_report.searched_task import finished_story, objects

ROOT = Path(__file__).parents[3]
SCRIPTS = Path(sysconfig.get_path("scripts"))
ENVIRONMENT = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
# Modules that take longer to import than a help text should take to appear.
SLOW = {"cel", "kopf", "kubernetes", "numpy", "pydantic", "rich", "yaml"}


def shell(command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Types a command where the installed programs are on PATH, and a kubeconfig in the folder is the user's."""
    environment = {**ENVIRONMENT, "KUBECONFIG": str(folder / "kubeconfig")}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the files that examples of commands name, and a cluster in which they find what they name."""
    shutil.copy(ROOT / "examples" / "quickstart.yaml", tmp_path / "task.yaml")
    (tmp_path / "live.yaml").write_text(yaml.safe_dump_all([*chat("default"), *nodes()]))
    (tmp_path / "job.log").write_text(logged())
    (tmp_path / "flags.json").write_text(printed())
    finished = objects(finished_story())
    (tmp_path / "finished.yaml").write_text(yaml.safe_dump_all(finished))
    with ApiOverHttp([*chat("llm"), *nodes(), *finished]) as served:
        (tmp_path / "kubeconfig").write_text(served.kubeconfig)
        yield tmp_path


def test_both_programs_are_entry_points_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    installed = {point.name: point for point in entry_points(group="console_scripts", module="autotuner.cli.app")}

    assert installed.keys() == declared.keys() == {"autotuner", "kubectl-autotuner"}
    assert {point.load() for point in installed.values()} == {main}


@pytest.mark.parametrize("program", ["autotuner", "kubectl-autotuner", f"{sys.executable} -m autotuner"])
def test_the_installed_programs_validate(program: str) -> None:
    ended = shell(f"{program} validate examples/quickstart.yaml")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("examples/quickstart.yaml: TuningTask quickstart: valid; ")


@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("/usr/bin/autotuner", "autotuner"),
        ("/root/.krew/bin/kubectl-autotuner", "kubectl autotuner"),
        ("kubectl-autotuner.exe", "kubectl autotuner"),
        ("/site-packages/autotuner/__main__.py", "python -m autotuner"),
    ],
)
def test_help_repeats_what_was_typed(path: str, program: str) -> None:
    assert program_name(path) == program


# Those of `run` measure for a minute: tests/e2e/test_one_machine.py runs them.
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_help_ends_with_examples_that_work(name: str, folder: Path) -> None:
    ended = shell(f"autotuner {name} --help")
    printed = ended.stdout.partition("Examples:\n")[2].splitlines()

    examples = [line.strip() for line in printed]

    assert examples
    assert all(example.startswith(f"autotuner {name} ") for example in examples)
    for example in examples:
        done = shell(example, folder)
        assert done.returncode == 0, f"{example}\n{done.stderr}"


def test_help_of_the_plugin_names_the_plugin() -> None:
    said = shell("kubectl-autotuner validate -h").stdout

    assert said.startswith("Usage: kubectl autotuner validate ")
    assert "  kubectl autotuner validate task.yaml\n" in said


def test_help_lists_every_command_whole() -> None:
    said = shell("autotuner --help").stdout

    for name in COMMANDS:
        assert f"\n  {name} " in said
    assert "..." not in said.partition("Commands:")[2]


def test_the_version_is_that_of_the_package() -> None:
    assert shell("autotuner --version").stdout == f"autotuner {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "Commands:"),
        ("valdate", "No such command 'valdate'. Did you mean 'validate'?"),
        ("validate", "Missing argument 'FILE'."),
        ("validate task.yaml -o yaml", "'yaml' is not one of 'text', 'json'."),
        ("validate task.yaml --preset x", "No such option: --preset (Possible options: --presets)"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_2(arguments: str, words: str, folder: Path) -> None:
    ended = shell(f"autotuner {arguments}", folder)

    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stdout == ""


def test_help_waits_for_nothing_that_is_slow_to_import() -> None:
    code = (
        "import sys; sys.argv = ['autotuner', '--help']\nfrom autotuner.cli.app import main\n"
        "try: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "Commands:" in ended.stdout
    assert "typer" in ended.stderr.split()
    assert not SLOW & set(ended.stderr.split())


def test_validate_needs_nothing_that_only_the_operator_needs() -> None:
    code = (
        "import sys; sys.argv = ['autotuner', 'validate', 'examples/quickstart.yaml']\n"
        "from autotuner.cli.app import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code, *sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    code_and_modules = ended.stderr.split()

    assert code_and_modules[0] == "0"
    assert {"cel", "pydantic"} <= set(code_and_modules)
    assert not {"kopf", "kubernetes", "prometheus_client"} & set(code_and_modules)
