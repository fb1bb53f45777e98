"""A task asks its image for the engine's flags first: what the image does not have ends it before it costs anything."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotuner.kubernetes_object import Object
from tests.e2e.story import Story, condition
from tests.support.waiting import wait_for

RESTRICTED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
# A package as vLLM's: its parser, which greets as engines do, and a release that no table knows.
PACKAGE = {
    "__init__.py": "__version__ = '7.0.1+ours'\nprint('INFO a greeting')\n",
    "config.py": "",
    "platforms.py": "class current_platform:\n    device_type = ''\n",
    "entrypoints/cli_args.py": (
        "import argparse\n"
        "class FlexibleArgumentParser(argparse.ArgumentParser): pass\n"
        "def make_arg_parser(parser):\n"
        "    parser.add_argument('--max-num-seqs', type=int, default=256)\n"
        "    parser.add_argument('--new-flag', choices=['a', 'b'])\n"
        "    return parser\n"
    ),
}


@pytest.fixture
def python() -> Iterator[Path]:
    """The Python of an image that has the package; not below /tmp, where a clone may be: a pod has its own."""
    interpreter = Path(sys.executable).resolve()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        for path, text in PACKAGE.items():
            (folder / "vllm" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "vllm" / path).write_text(text)
        program = folder / "python3"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {interpreter} "$@"\n')
        program.chmod(0o755)
        yield program


async def make_task(story: Story, python: Path, parameters: list[Object], image: str = "testbed/shell:7.0.1") -> None:
    # A model without a folder on the node, which a restricted namespace does not allow.
    model = await story.make_model(f"{story.namespace}-elsewhere", storage={"storageUri": "vendor://elsewhere"})
    runner = {"image": image, "command": [str(python), "-m", "vllm.entrypoints.openai.api_server"]}
    await story.make_runtime("vllm", {"spec.engineConfig.runner": {"name": "ome-container", **runner}})
    await story.create_task(
        {
            "spec.model": {"name": model},
            "spec.runtime": {"name": f"{story.namespace}-vllm", "engine": "VLLM", "probe": True},
            "spec.parameters": parameters,
            "spec.baseline": {"args": ["--max-num-seqs=32"]},
            "spec.benchmark.tokenizer": {"source": "Hub", "id": "any/model"},
        }
    )


async def test_what_the_image_does_not_have_ends_the_task(story: Story, python: Path) -> None:
    await story.api.patch(f"/api/v1/namespaces/{story.namespace}", RESTRICTED)
    # One that only this image has, and one that every known release has but this image.
    parameters = [
        {"name": "new-flag", "choices": ["a", "b"]},
        {"name": "gpu-memory-utilization", "values": [0.8, 0.9]},
    ]
    async with story.recorder() as recorder:
        await make_task(story, python, parameters)
        task = await story.task_finished()

    status = task["status"]
    assert condition(task, "Succeeded")["reason"] == "UnknownFlag", status["message"]
    assert "parameters[gpu-memory-utilization]: vLLM 7.0.1 has no such flag any more" in status["message"]
    assert "new-flag" not in status["message"]
    assert (status["probe"]["version"], status["probe"]["flags"]) == ("7.0.1", 2)
    kept = await story.api.get(f"/api/v1/namespaces/{story.namespace}/configmaps/{status['probe']['configMap']}")
    assert {flag["name"] for flag in json.loads(kept["data"]["flags.json"])["flags"]} == {"max-num-seqs", "new-flag"}
    assert kept["metadata"]["ownerReferences"][0]["uid"] == task["metadata"]["uid"]
    assert {sighting.name for kind in ("Job", "TuningExperiment") for sighting in recorder.of(kind)} == {"chat-flags"}
    assert recorder.of("InferenceService") == []
    await story.event_seen("TuningTask", "chat", "ImageProbed")


@pytest.mark.full
async def test_a_probe_that_fails_is_told_and_the_task_goes_on(story: Story, python: Path) -> None:
    await make_task(story, python, [{"name": "max-num-seqs", "values": [64, 128]}], "registry.example/vllm:7.0.1")

    async def look() -> Object | None:
        found = await story.experiments()
        return found[0] if found else None

    await wait_for(look, "the baseline is created", 90)

    async def told() -> Object | None:
        task = await story.task()
        valid = condition(task, "Valid")
        words = "runtime.probe: the image's own parser could not be asked for its flags: "
        return task if valid["status"] == "True" and valid["message"].startswith(words) else None

    task = await wait_for(told, "Valid says so")
    assert "registry.example/vllm:7.0.1 cannot be pulled: ImagePullBackOff" in task["status"]["probe"]["failure"]
    await story.event_seen("TuningTask", "chat", "ProbeFailed")
