"""The backend Deployment: what a snapshot holds, and what is made of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.experiment import Service
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object, content
from autotuner.serving.backend import NotCreated, Serving, Starting
from autotuner.serving.pods import view
from tests.unit.builders import make_experiment, make_pod
from tests.unit.task_builders import make_task, shipped

BACKEND = backend_choice.BACKENDS["Deployment"]
PRESET = {"preset": "llama-3-1-8b-instruct"}
HUB_ID = "meta-llama/Llama-3.1-8B-Instruct"
TOKEN = {"name": "hf", "key": "token"}
CACHE = {"claimName": "hub", "subPath": "a", "cache": True}


def spec_of(model: Object | None = None, runtime: str = "vllm-llama-small") -> TaskSpec:
    return TaskSpec.model_validate({**make_task()["spec"], "model": model or PRESET, "runtime": {"preset": runtime}})


def snapshot_of(model: Object | None = None, runtime: str = "vllm-llama-small") -> Object:
    spec = spec_of(model, runtime)
    known = BACKEND.wanted_model(spec.model, shipped(), "team")
    assert known is not None
    found = BACKEND.wanted_runtime(spec, shipped(), known, "team")
    assert found is not None
    return found


def pod_of(snapshot: Object) -> Object:
    pod: Object = snapshot["data"]["template"]["spec"]
    return pod


def variables(container: Object) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def served(snapshot: Object, **service: Any) -> tuple[Object, Service]:
    reference = {"kind": "ControllerRevision", "name": snapshot["metadata"]["name"]}
    body = make_experiment(
        service={"backend": "Deployment", "container": "engine", "runtime": reference, "image": "", **service}
    )
    return body, Service.model_validate(body["spec"]["service"])


def test_a_snapshot_is_named_after_its_content() -> None:
    one, other = snapshot_of(), snapshot_of({**PRESET, "overrides": {"storage": {"path": "/models/a"}}})
    assert one == snapshot_of()
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert one["metadata"]["name"].startswith("vllm-llama-small-")


def test_an_engine_loads_a_presets_model_from_the_hub_before_it_starts() -> None:
    pod = pod_of(snapshot_of({**PRESET, "tokenSecret": TOKEN}))
    (engine,), (download,) = pod["containers"], pod["initContainers"]
    token = {"HF_HOME": "/var/cache/autotuner/hub", "HF_TOKEN": {"secretKeyRef": TOKEN}}
    address = {"POD_IP": {"fieldRef": {"fieldPath": "status.podIP"}}}

    assert variables(engine) == {"MODEL_PATH": HUB_ID, **token, **address}
    assert variables(download) == {"MODEL_PATH": HUB_ID, **token}
    assert download["image"] == engine["image"]
    assert {"name": "autotuner-model", "emptyDir": {}} in pod["volumes"]
    assert {"name": "autotuner-model", "mountPath": "/var/cache/autotuner/hub"} in engine["volumeMounts"]


def test_a_claim_keeps_what_was_downloaded() -> None:
    pod = pod_of(snapshot_of({**PRESET, "volume": CACHE}))

    assert {"name": "autotuner-model", "persistentVolumeClaim": {"claimName": "hub"}} in pod["volumes"]
    mount = {"name": "autotuner-model", "mountPath": "/var/cache/autotuner/hub", "subPath": "a"}
    assert mount in pod["containers"][0]["volumeMounts"]


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({**PRESET, "overrides": {"storage": {"path": "/models/a"}}}, "/models/a"),
        ({**PRESET, "volume": {"claimName": "weights", "mountPath": "/w"}}, "/w"),
    ],
)
def test_weights_that_are_there_are_not_downloaded(model: Object, path: str) -> None:
    pod = pod_of(snapshot_of(model))
    assert variables(pod["containers"][0])["MODEL_PATH"] == path
    assert "initContainers" not in pod


def test_a_folder_of_the_nodes_is_mounted_and_known() -> None:
    model = {**PRESET, "overrides": {"storage": {"path": "/models/a"}}}
    found = snapshot_of(model)
    host = {"name": "autotuner-model", "hostPath": {"path": "/models/a", "type": "Directory"}}

    assert host in pod_of(found)["volumes"]
    assert BACKEND.weights(found["data"]["model"]).path == "/models/a"
    assert BACKEND.weights(snapshot_of()["data"]["model"]).path == ""


def test_the_simulated_engine_downloads_nothing() -> None:
    assert "initContainers" not in pod_of(snapshot_of(runtime="simulated-vllm"))


def test_the_engine_is_read_from_preset_and_snapshot_alike() -> None:
    preset = shipped().runtimes["vllm-llama-small"].spec
    before, after = BACKEND.engine_template(preset), BACKEND.engine_template(content(snapshot_of()))
    assert (before.image, before.command, before.args) == (after.image, after.command, after.args)
    assert BACKEND.engine_template(None).container == {}


def test_a_deployment_runs_the_snapshot_with_the_experiments_words() -> None:
    snapshot = snapshot_of()
    before = copy.deepcopy(snapshot)
    own = {
        "args": ["--max-num-seqs=8"],
        "env": [{"name": "A", "value": "1"}],
        "accelerator": {"resource": "nvidia.com/gpu", "count": 2, "product": "H100"},
        "labels": {"cost": "7"},
        "priorityClassName": "low",
        "queueName": "gpus",
        "nodeSelector": {"pool": "a"},
    }
    body, service = served(snapshot, **own)
    root = BACKEND.render(body, service, snapshot)
    pod = root["spec"]["template"]
    (engine,) = pod["spec"]["containers"]
    labels = {"cost": "7", "autotuner.io/experiment": "chat-1", "autotuner.io/experiment-uid": "uid-chat-1"}
    labels |= {"autotuner.io/backend": "Deployment", "kueue.x-k8s.io/queue-name": "gpus"}

    assert root["metadata"]["labels"] == pod["metadata"]["labels"] == labels
    assert root["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert root["metadata"]["ownerReferences"][0]["uid"] == "uid-chat-1"
    assert engine["args"] == ["--max-num-seqs=8"]
    assert engine["command"][:2] == ["vllm", "serve"]
    assert variables(engine)["A"] == "1"
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pod["spec"]["nodeSelector"] == {"pool": "a", "nvidia.com/gpu.product": "H100"}
    assert pod["spec"]["priorityClassName"] == "low"
    assert snapshot == before


def test_without_arguments_the_snapshots_own_stay() -> None:
    snapshot = snapshot_of()
    body, service = served(snapshot, args=[])
    (engine,) = BACKEND.render(body, service, snapshot)["spec"]["template"]["spec"]["containers"]
    assert engine["args"] == BACKEND.engine_template(content(snapshot)).args


def test_a_service_leads_to_the_engine_and_not_to_the_benchmark() -> None:
    snapshot = snapshot_of()
    body, service = served(snapshot)
    root = {**BACKEND.render(body, service, snapshot), "apiVersion": "apps/v1", "kind": "Deployment"}
    root["metadata"]["uid"] = "uid-root"
    ((resource, found),) = BACKEND.companions(body, service, root)

    assert (resource.kind, found["metadata"]["name"]) == ("Service", "chat-1")
    assert found["spec"]["selector"] == root["spec"]["selector"]["matchLabels"]
    assert "autotuner.io/backend" in found["spec"]["selector"], "the benchmark's pod has the experiment's labels too"
    assert found["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": 8080}]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["blockOwnerDeletion"]) == ("uid-root", False)
    assert str(BACKEND.endpoint(body, view(make_pod(), "ome-container"))) == "http://chat-1.team.svc:80"


def test_the_winner_stays_and_has_nothing_of_the_experiment() -> None:
    snapshot = snapshot_of()
    body, service = served(snapshot, queueName="gpus", labels={"cost": "7"})
    found = BACKEND.winner(body, service, snapshot, "llama")

    assert isinstance(found.body, dict)
    assert found.body["metadata"] == {"name": "llama", "namespace": "team", "labels": {"cost": "7", "app": "llama"}}
    assert found.body["spec"]["selector"] == {"matchLabels": {"app": "llama"}}
    assert found.body["spec"]["template"]["metadata"]["labels"] == {"cost": "7", "app": "llama"}
    assert "autotuner.io" not in str(found.body)


FAILED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}


@pytest.mark.parametrize(
    ("conditions", "words", "kind"),
    [([], "kube-controller-manager", None), ([FAILED], "exceeded quota: gpus", "Quota")],
)
def test_what_keeps_a_pod_away_is_the_deployments_word(conditions: list[Object], words: str, kind: str | None) -> None:
    state = BACKEND.observe([{"kind": "Deployment", "status": {"conditions": conditions}}], None, ())
    assert isinstance(state, NotCreated)
    assert words in state.why
    assert (state.refusal.kind if state.refusal else None) == kind


@pytest.mark.parametrize(("ready", "state"), [(True, Serving()), (False, Starting())])
def test_a_pod_serves_once_it_is_ready(ready: bool, state: object) -> None:
    pod = make_pod()
    pod["status"]["conditions"] = [{"type": "Ready", "status": str(ready)}]
    assert BACKEND.observe([], view(pod, "ome-container"), ()) == state
