"""What the stand-in needs on the API server: its kinds, and in KServe's namespace a preset and the settings."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.api import Api

MANAGER = "testbed-llmisvc"
SYSTEM = "kserve"
PRESET = "kserve-config-llm-template"
SETTINGS = "inferenceservice-config"
PORT = 8000
_PROBE = {"path": "/health", "port": PORT, "scheme": "{{ Scheme }}"}
# In our own words what KServe's does, with the simulated engine in vLLM's place.
_SCRIPT = """set -e
if [ -n "${KSERVE_SIMULATED_GPU}" ]; then export GPU_FLAG="--sim-gpu=${KSERVE_SIMULATED_GPU}"; fi
eval "exec python -m autotuner.simulator --dialect=vllm --model=meta-llama/Llama-3.2-1B-Instruct --host=${POD_IP} \\
  --served-model-name "{{ .Spec.Model.Name }}" "publishers/{{ .ObjectMeta.Namespace }}/models/{{ .Spec.Model.Name }}" \\
  --port 8000 ${GPU_FLAG} {{ TensorFlag }} \\
  ${VLLM_ADDITIONAL_ARGS} $@"
"""


def definitions() -> list[Object]:
    """Returns the stand-in's own small CustomResourceDefinitions of KServe's kinds."""
    path = Path(__file__).parent.parent / "crds" / "llmisvc.yaml"
    items: list[Object] = yaml.safe_load(path.read_text())["items"]
    return items


def preset() -> Object:
    """Returns the preset of one engine on one node."""
    main = {
        "name": "main",
        "image": "docker.io/autotuner/benchmark:0.1.0",
        "command": ["/bin/bash", "-c", _SCRIPT, "--"],
        "env": [
            {"name": "HOME", "value": "/home"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": {"httpGet": _PROBE, "periodSeconds": 10, "failureThreshold": 60},
        "readinessProbe": {"httpGet": _PROBE, "periodSeconds": 1},
        "livenessProbe": {"httpGet": _PROBE, "periodSeconds": 10},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "15"]}}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceServiceConfig",
        "metadata": {"name": PRESET, "namespace": SYSTEM},
        "spec": {"template": {"containers": [main], "terminationGracePeriodSeconds": 60}},
    }


def settings(tls: bool = False) -> Object:
    """Returns the ConfigMap with KServe's settings, as far as the stand-in reads them."""
    ingress = json.dumps({"enableLLMInferenceServiceTLS": tls})
    metadata = {"name": SETTINGS, "namespace": SYSTEM}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ingress": ingress}}


async def install(api: Api) -> None:
    """Installs all that; returns when the kinds are served."""
    await api.apply_all(definitions(), MANAGER)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    await api.apply_all([namespace, settings()], MANAGER)
    # By its path: a kind is served a moment before it can be discovered.
    collection = f"/apis/serving.kserve.io/v1alpha2/namespaces/{SYSTEM}/llminferenceserviceconfigs"
    await api.apply(f"{collection}/{PRESET}", preset(), MANAGER)
