"""The documents say what the code does: reasons, variables, links."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import get_args

import pytest

from autotuner import settings
from autotuner.policy.experiment.reasons import REASONS
from autotuner.validation_messages import ValidReason
from testbed.operator_process import ROOT
from tests.support.console import commands

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
INSTALLATION = (ROOT / "docs" / "installation.md").read_text()
POLICY = ROOT / "operator" / "autotuner" / "policy"


def table(heading: str) -> dict[str, set[str]]:
    """First column -> words of the second, of the table below a heading; an empty first cell repeats the one above."""
    section = OPERATIONS.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    found, last = defaultdict(set), ""
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith(("| condition", "| reason")):
            first, second = (cell.strip() for cell in line.split("|")[1:3])
            last = first or last
            found[last] |= set(second.split(", "))
    return dict(found)


CONDITIONS = defaultdict[str, set[str]](set)
for title in ("Conditions of a TuningTask", "Conditions of a TuningExperiment"):
    for kind, reasons in table(title).items():
        CONDITIONS[kind] |= reasons


def test_every_end_of_an_experiment_is_explained() -> None:
    assert set(table("How an experiment ends")) == set(REASONS)


def test_every_refusal_of_a_spec_is_explained() -> None:
    assert CONDITIONS["Valid"] == {"Valid", *get_args(ValidReason)}


def reasons(folder: Path) -> set[tuple[str, str]]:
    """Condition and reason of every call of `conditions.set` in a folder, however deep."""
    text = "\n".join(path.read_text() for path in folder.rglob("*.py"))
    return set(re.findall(r'conditions\.set\(\s*"(\w+)", [^,]+, "(\w+)"', text))


def test_reasons_of_folders_within_are_found(tmp_path: Path) -> None:
    (tmp_path / "task" / "deeper").mkdir(parents=True)
    (tmp_path / "task" / "deeper" / "module.py").write_text('conditions.set(\n    "Ready", False, "Unheard", "x")')

    assert reasons(tmp_path) == {("Ready", "Unheard")}


def test_every_condition_and_reason_of_the_policy_is_explained() -> None:
    written = reasons(POLICY)

    assert len(written) > 15
    missing = {(kind, reason) for kind, reason in written if kind != "Finished" and reason not in CONDITIONS[kind]}
    assert missing == set()


def test_every_variable_of_the_operator_is_explained() -> None:
    source = Path(settings.__file__).read_text()
    read = set(re.findall(r'\b(?!get\b)[a-z]+\("([A-Z_]+)"', source))

    told = set(re.findall(r"^\| `AUTOTUNER_([A-Z_]+)` \|", INSTALLATION, re.MULTILINE))
    assert read == told


def test_the_readme_is_one_page_and_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text()
    contributors_only = {"testing.md"}

    assert len(readme.splitlines()) <= 90
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", readme))
    assert linked | contributors_only == {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_begins_with_what_it_is_for(document: Path) -> None:
    text = re.sub(r"^<!--.*-->\n", "", document.read_text())
    title, blank, first = text.splitlines()[:3]

    assert title.startswith("# ")
    assert blank == ""
    assert document.parent == ROOT or first.startswith("This page ")


def anchors(text: str) -> set[str]:
    """Where links into a document can lead."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_and_section_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text()), target
    for name in re.findall(
        r"`((?:docs|examples|gitops|monitoring|packaging|presets|testbed|tests|operator)/[\w./-]+)`", text
    ):
        assert (ROOT / name).exists(), name


class TestCommands:
    def test_they_are_the_lines_with_a_prompt_in_console_blocks(self) -> None:
        text = "```console\n$ a b\n$ c\n```\n\n```sh\nd\n```\n\n```console\n$ e \\\n    --f\n```\n"

        assert commands(text) == ["a b", "c", "e --f"]

    def test_output_beside_them_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not a command: printed"):
            commands("```console\n$ a\nprinted\n```\n")
