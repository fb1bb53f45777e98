"""The real vLLM as a model, a runtime and experiments of a story, and what it printed."""

from __future__ import annotations

import re
import signal
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotuner.kubernetes_object import Object
from testbed import processes
from testbed.vllm_cpu import environment
from testbed.vllm_cpu.model import FAULTS, write_model
from tests.e2e.story import FORMAT, OME, Story
from tests.realengine.wrong_starts import VERSION
from tests.support.waiting import wait_for

ARGUMENTS = ("--load-format=dummy", "--enforce-eager")
VARIABLES = {"VLLM_CPU_KVCACHE_SPACE": "1"}
_RUNNER: Object = {
    "name": "ome-container",
    "image": f"docker.io/vllm/vllm-openai-cpu:v{VERSION}",
    "command": [
        *("python3", "-m", "vllm.entrypoints.openai.api_server", "--host", "$(POD_IP)", "--port", "8080"),
        *("--model", "$(MODEL_PATH)", "--served-model-name", "model"),
    ],
    "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    "ports": [{"name": "http1", "containerPort": 8080, "protocol": "TCP"}],
    "startupProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1, "failureThreshold": 600},
    "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 2, "timeoutSeconds": 10},
}


@dataclass
class RealEngine:
    """What the experiments of one story share; all their objects begin with the story's namespace."""

    story: Story
    folder: Path

    @property
    def runtime(self) -> str:
        """The name of the runtime that tasks use."""
        return f"{self.story.namespace}-vllm"

    async def make_runtimes(self) -> None:
        """One for tasks, and one whose variables the experiments of a story set themselves."""
        await self._make_runtime(self.runtime, VARIABLES)
        await self._make_runtime(f"{self.runtime}-bare", {})

    async def _make_runtime(self, name: str, variables: Mapping[str, str]) -> None:
        """A ClusterServingRuntime of the real engine, for models of the story's format."""
        listed = [{"name": name, "value": value} for name, value in variables.items()]
        runner = {**_RUNNER, "args": list(ARGUMENTS), "env": [*_RUNNER["env"], *listed]}
        spec = {
            "disabled": False,
            "protocolVersions": ["openAI"],
            "supportedModelFormats": [{**FORMAT, "name": "safetensors"}],
            "engineConfig": {"runner": runner},
        }
        await self.story.api.create(
            f"{OME}/clusterservingruntimes",
            {
                "apiVersion": "ome.io/v1beta1",
                "kind": "ClusterServingRuntime",
                "metadata": {"name": name},
                "spec": spec,
            },
        )

    async def make_model(self, name: str, fault: str = "") -> str:
        """A model in a folder of this machine, whole or with a fault; returns its name."""
        place = self.folder / name
        write_model(place)
        if fault:
            FAULTS[fault](place)
        storage = {"storageUri": "vendor://tiny", "path": str(place)}
        return await self.story.make_model(f"{self.story.namespace}-{name}", storage=storage)

    def edits(self, model: str, arguments: tuple[str, ...], variables: Mapping[str, str | None]) -> Object:
        """What makes the story's experiment one of this engine."""
        chosen = {**VARIABLES, **variables}
        return {
            "spec.parameters": [],
            "spec.service.model.name": model,
            "spec.service.runtime.name": f"{self.runtime}-bare",
            "spec.service.engine": "VLLM",
            "spec.service.args": [*ARGUMENTS, *arguments],
            "spec.service.env": [{"name": name, "value": value} for name, value in chosen.items() if value is not None],
        }

    def log(self, experiment: str) -> str:
        """What the engine of an experiment printed, in its first container; empty before it began."""
        found = self.story.bed.logs.glob(f"pods/{self.story.namespace}_{experiment}-engine-*/ome-container/0.log")
        return next((path.read_text(errors="replace") for path in found), "")

    async def kill_worker(self, experiment: str) -> None:
        """Kill the engine's worker, as the kernel does where memory ends."""

        async def look() -> str | None:
            found = re.search(r"\(Worker pid=(\d+)\)", self.log(experiment))
            return found[1] if found else None

        processes.kill(int(await wait_for(look, "the engine has a worker")), signal.SIGKILL)

    def places(self) -> dict[str, str]:
        """This machine's folders that the engine's words name -> what stands for each on record."""
        standard = Path(sysconfig.get_path("stdlib"))
        return {
            str(environment.folder()): "/opt/venv",
            str(standard): f"/usr/lib/{standard.name}",
            str(self.story.bed.folder): "/var/lib/node",
            **{str(path): f"/mnt/models/{path.name}" for path in self.folder.iterdir()},
            f"{self.folder}/": "/mnt/models/",
        }
