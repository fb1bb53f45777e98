"""What the stand-in for KServe makes of an LLMInferenceService, by what was measured of the real one."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from testbed.llmisvc import status
from testbed.llmisvc.install import PRESET, preset
from testbed.llmisvc.render import FinalError, children, combined, deployment_name, service_name

OPERATORS = {"autotuner.io/experiment-uid": "u"}


def service(name: str = "n", annotations: Object | None = None, **spec: Any) -> Object:
    meta = {"name": name, "namespace": "team", "uid": "u", "generation": 3, "annotations": annotations or {}}
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": meta,
        "spec": {"model": {"uri": "hf://a/b"}, **spec},
    }


def made(found: Object, *configurations: Object, tls: bool = False) -> tuple[Object, Object]:
    deployment, cluster_service = children(found, combined(found, [preset(), *configurations], tls), tls)
    return deployment, cluster_service


def main_of(deployment: Object) -> Object:
    (main,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(main)


def base(**spec: Any) -> Object:
    return {"metadata": {"name": "base", "namespace": "team"}, "spec": spec}


def test_arguments_replace_those_of_a_base_reference_and_variables_merge() -> None:
    below = base(template={"containers": [{"name": "main", "args": ["--base"], "env": [{"name": "A", "value": "1"}]}]})
    own = {"name": "main", "args": ["--own"], "env": [{"name": "A", "value": ""}, {"name": "B", "value": "2"}]}
    main = main_of(made(service(template={"containers": [own]}), below)[0])
    assert main["args"] == ["--own"]
    env = {one["name"]: one.get("value") for one in main["env"]}
    assert (env["A"], env["B"]) == ("1", "2"), "an empty value is left out, and the inherited one stays"
    assert "args" not in main_of(made(service())[0])


def test_the_preset_names_the_model_and_its_degree() -> None:
    script = main_of(made(service(parallelism={"tensor": 4}))[0])["command"][2]
    assert '--served-model-name "n" "publishers/team/models/n"' in script
    assert "--tensor-parallel-size 4" in script
    assert "--tensor" not in main_of(made(service(model={"name": "m"}))[0])["command"][2]


def test_an_own_command_loses_the_presets_flags() -> None:
    own = {"name": "main", "command": ["vllm", "serve", "m"], "args": ["--a"]}
    main = main_of(made(service(template={"containers": [own]}))[0])
    assert (main["command"], main["args"]) == (["vllm", "serve", "m"], ["--a"])
    assert "startupProbe" in main


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (service(template={"containers": [{"name": "main", "args": ["{{ messages }}"]}]}), "CombineBaseError"),
        (service(template={"containers": [{"name": "main", "args": ["{{ .ObjectMeta.Name"]}]}), "CombineBaseError"),
        (service(worker={"containers": []}), "ConfigNotFound"),
    ],
)
def test_what_can_never_be_made(found: Object, reason: str) -> None:
    with pytest.raises(FinalError) as caught:
        combined(found, [preset()], False)
    assert caught.value.reason == reason
    told = status.impossible(found, caught.value.reason, str(caught.value))
    assert {one["type"]: one["status"] for one in told["conditions"]}["PresetsCombined"] == "False"


def test_a_base_reference_that_is_missing_is_told() -> None:
    with pytest.raises(FinalError):
        combined(service(), [preset(), None], False)


def test_labels_of_the_spec_reach_pods_and_selector_and_those_of_the_object_do_not() -> None:
    found = service(labels={"app.kubernetes.io/name": "other", **OPERATORS})
    found["metadata"]["labels"] = {"x": "y"}
    deployment, cluster_service = made(found)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "other", "stronger than the controller's own"
    assert "x" not in labels
    assert OPERATORS.items() <= deployment["spec"]["selector"]["matchLabels"].items()
    assert cluster_service["spec"]["selector"]["app.kubernetes.io/name"] == "n"


def test_long_names_are_shortened() -> None:
    assert (deployment_name("a" * 56), service_name("a" * 43)) == (
        f"{'a' * 56}-kserve",
        f"{'a' * 43}-kserve-workload-svc",
    )
    for name in (deployment_name("a" * 57), service_name("a" * 44)):
        assert len(name) == 63
        assert "aaaa-kserve" not in name


def test_the_switch_makes_probes_and_port_https() -> None:
    deployment, cluster_service = made(service(), tls=True)
    assert main_of(deployment)["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert cluster_service["spec"]["ports"][0]["name"] == "https"
    assert made(service())[1]["spec"]["ports"][0]["appProtocol"] == "http"


@pytest.mark.parametrize(("switch", "blocks"), [("", True), ("leaves-pods", False)])
def test_the_race_of_a_deletion_is_played_on_request(switch: str, blocks: bool) -> None:
    deployment, _ = made(service(annotations={"testbed.autotuner.io/llmisvc": switch}))
    assert deployment["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] == blocks


@pytest.mark.parametrize(
    ("available", "router", "expected"),
    [
        ({}, None, {"WorkloadsReady": "False", "RouterReady": "True", "Ready": "False"}),
        ({"status": "True"}, None, {"WorkloadsReady": "True", "RouterReady": "True", "Ready": "True"}),
        ({"status": "True"}, {"route": {}}, {"WorkloadsReady": "True", "RouterReady": "False", "Ready": "False"}),
        (
            {"status": "False", "reason": "MinimumReplicasUnavailable"},
            None,
            {"WorkloadsReady": "False", "RouterReady": "True", "Ready": "False"},
        ),
    ],
)
def test_conditions_follow_the_deployment(available: Object, router: Object | None, expected: dict[str, str]) -> None:
    deployment = {"status": {"conditions": [{"type": "Available", **available}]}}
    told = status.serving(service(router=router), deployment, [{"name": PRESET}])
    found = {one["type"]: one["status"] for one in told["conditions"]}
    assert expected.items() <= found.items()
    assert told["observedGeneration"] == 3
    assert told["workloads"]["service"]["name"] == "n-kserve-workload-svc"
