"""`autotuner run` with an image: what ends a task says why, and nothing is left of its containers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.local.containers.finding import Engine
from autotuner.local.containers.host import Containers
from testbed.container_engines import IMAGE
from testbed.operator_process import ROOT
from tests.support.objects import edited


def _run(folder: Path, engine: Engine, image: str, command: list[str], memory: str = "64Mi") -> tuple[int, str, Any]:
    """Tune with an engine that is a container; returns the exit code, what was printed, and the last experiment."""
    engine_container = {
        "name": "ome-container",
        "image": image,
        "command": command,
        "args": ["--port=8080"],
        "resources": {"limits": {"memory": memory}},
    }
    runtime = {
        "engine": "VLLM",
        "allowUnknownFlags": True,
        "custom": {
            "name": "busybox",
            "spec": {"engineConfig": {"runner": engine_container}, "supportedModelFormats": [{"name": "safetensors"}]},
        },
    }
    body = edited(
        yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text()),
        {
            "spec.runtime": runtime,
            "spec.placement": {"acceleratorResource": ""},
            "spec.parameters": [{"name": "max-num-seqs", "values": [1, 2]}],
            "spec.search.maxExperiments": 1,
            "spec.timeouts": {"pullSeconds": 5, "startupSeconds": 30},
        },
    )
    (folder / "task.yaml").write_text(yaml.safe_dump(body))
    ended = subprocess.run(
        [sys.executable, "-m", "autotuner", "run", "task.yaml"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "DOCKER_HOST": f"unix://{engine.place.socket}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    places = (folder / "quickstart.autotuner" / "objects" / "tuningexperiments").glob("*.yaml")
    found = [yaml.safe_load(path.read_text()) for path in places]
    last: Any = max(found, key=lambda one: str(one["metadata"]["name"]), default={})
    return ended.returncode, ended.stdout + ended.stderr, last


async def test_an_engine_whose_worker_runs_out_of_memory_is_told_so(
    engine: Engine, host: Containers, tmp_path: Path
) -> None:
    """Its exit code is 0, and one of the two container engines says nothing of memory."""
    code, printed, last = await asyncio.to_thread(_run, tmp_path, engine, IMAGE, ["/bin/greedy", "autotuner.simulator"])

    assert code == 3, printed
    assert last["status"]["reason"] == "OutOfMemory", printed
    assert f"images run in {host.engine.name}" in printed
    assert await host.mine((tmp_path / "quickstart.autotuner" / "identity").read_text()) == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("image", "program", "reason", "words"),
    [
        ("localhost:9/no/engine:1", "/bin/greedy", "ImagePullFailed", "localhost:9/no/engine:1"),
        (IMAGE, "/bin/nosuch", "EngineCrashed", "nosuch"),
    ],
)
async def test_what_cannot_start_is_told(
    engine: Engine, host: Containers, tmp_path: Path, image: str, program: str, reason: str, words: str
) -> None:
    code, printed, last = await asyncio.to_thread(_run, tmp_path, engine, image, [program, "autotuner.simulator"])

    assert code == 3, printed
    assert last["status"]["reason"] == reason, printed
    assert words in last["status"]["message"] + str(last["status"].get("evidence")), printed
    assert await host.mine((tmp_path / "quickstart.autotuner" / "identity").read_text()) == []
