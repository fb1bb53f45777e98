"""What `create` reads of a kind that two backends serve, and of which one copies."""

from __future__ import annotations

from pathlib import Path

import yaml

from autotuner.cli import what_runs
from autotuner.cli.what_runs import Named
from tests.unit.builders import make_model
from tests.unit.serving.ome.test_inference_service_copies import CHAT, RUNTIME
from tests.unit.task_builders import shipped


def test_an_inference_service_of_ome_is_read_with_its_model_and_runtime(tmp_path: Path) -> None:
    file = tmp_path / "live.yaml"
    file.write_text(yaml.safe_dump_all([CHAT, RUNTIME, make_model()]))
    found = what_runs.of_files([file], Named("inferenceservices.ome.io", "chat"), "team", shipped())

    assert found.backend.capabilities.name == "OMEInferenceService"
    assert found.target.api_version == "ome.io/v1beta1"
    assert found.recognised.template.args == ["--tp-size=2", "--max-running-requests=8"]
    assert found.data["model"] == make_model()["spec"]
