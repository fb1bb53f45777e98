"""The real kubectl reads YAML as `tests/data/kubectl-yaml.json` says, which `validate` is held to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from testbed import Testbed
from tests.tools import tool

WORDS: list[list[Any]] = json.loads((Path(__file__).parents[1] / "data" / "kubectl-yaml.json").read_text())
_TASK = """apiVersion: autotuner.io/v1alpha1
kind: TuningTask
metadata: {{name: "t{number}", namespace: default}}
spec:
  v: {text}
"""


def test_kubectl_reads_yaml_as_it_is_on_record(bed: Testbed, tmp_path: Path) -> None:
    for number, (text, *_) in enumerate(WORDS):
        (tmp_path / f"{number}.yaml").write_text(_TASK.format(number=number, text=text))
    command = [tool("kubectl"), f"--kubeconfig={bed.kubeconfig}", "create", "--dry-run=client", "--validate=false"]
    printed = subprocess.run([*command, "-o", "json", "-f", tmp_path], capture_output=True, text=True).stdout
    found = {one["metadata"]["name"]: one["spec"]["v"] for one in _objects(printed)}
    told = [
        [text, *([found[f"t{number}"]] if f"t{number}" in found else [])] for number, (text, *_) in enumerate(WORDS)
    ]
    assert told == WORDS


def _objects(text: str) -> list[Any]:
    """The objects that kubectl printed: one list, or one after the other."""
    decoder, objects = json.JSONDecoder(), []
    while text := text.strip():
        found, end = decoder.raw_decode(text)
        objects += found.get("items", [found])
        text = text[end:]
    return objects
