"""Writing an InferenceService."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.experiment import ExperimentSpec
from autotuner.kubernetes_object import Object
from autotuner.serving.ome.inference_service import inference_service, winner
from tests.unit.builders import make_experiment


def service_of(**service: Any) -> Object:
    experiment = make_experiment(service=service)
    return inference_service(experiment, ExperimentSpec.model_validate(experiment["spec"]).service)


def test_is_complete() -> None:
    experiment = make_experiment(service={"args": ["--tp-size=2", "--enable-x"]})
    body = inference_service(experiment, ExperimentSpec.model_validate(experiment["spec"]).service)

    assert body == {
        "apiVersion": "ome.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "chat-1",
            "namespace": "team",
            "labels": {"autotuner.io/experiment": "chat-1", "autotuner.io/experiment-uid": "uid-chat-1"},
            "annotations": {"ome.io/deploymentMode": "RawDeployment", "ome.io/autoscalerClass": "external"},
            "ownerReferences": [
                {
                    "apiVersion": "autotuner.io/v1alpha1",
                    "kind": "TuningExperiment",
                    "name": "chat-1",
                    "uid": "uid-chat-1",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "model": {"kind": "ClusterBaseModel", "name": "llama"},
            "runtime": {"kind": "ClusterServingRuntime", "name": "engine-runtime"},
            "engine": {
                "minReplicas": 1,
                "maxReplicas": 1,
                "terminationGracePeriodSeconds": 10,
                "annotations": {"ome.io/deploymentMode": "RawDeployment"},
                "runner": {
                    "name": "ome-container",
                    "args": ["--tp-size=2", "--enable-x"],
                    "resources": {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}},
                },
            },
        },
    }


def test_without_accelerators_asks_for_none() -> None:
    runner = service_of(accelerator={"resource": "", "count": 2})["spec"]["engine"]["runner"]

    assert "resources" not in runner


def test_without_arguments_leaves_the_runtimes() -> None:
    assert "args" not in service_of(args=[])["spec"]["engine"]["runner"]


def test_carries_image_and_variables() -> None:
    runner = service_of(image="my/engine:2", env=[{"name": "X", "value": "1"}])["spec"]["engine"]["runner"]

    assert (runner["image"], runner["env"]) == ("my/engine:2", [{"name": "X", "value": "1"}])


def test_is_placed() -> None:
    engine = service_of(
        nodeSelector={"pool": "gpu"},
        accelerator={"product": "H100"},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
    )["spec"]["engine"]

    assert engine["nodeSelector"] == {"pool": "gpu", "nvidia.com/gpu.product": "H100"}
    assert engine["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("accelerator", "label"),
    [
        ({"resource": "amd.com/gpu"}, "amd.com/gpu.product-name"),
        ({"resource": "nvidia.com/mig-1g.10gb"}, "nvidia.com/mig-1g.10gb.product"),
        ({"resource": "amd.com/gpu", "label": "beta.amd.com/gpu.product-name"}, "beta.amd.com/gpu.product-name"),
        ({"label": "pool"}, "pool"),
        ({"resource": "", "label": "pool"}, "pool"),
    ],
)
def test_is_pinned_by_the_label_that_says_the_model(accelerator: Object, label: str) -> None:
    engine = service_of(accelerator={**accelerator, "product": "one"})["spec"]["engine"]

    assert engine["nodeSelector"] == {label: "one"}


def test_is_not_pinned_where_nothing_says_the_model() -> None:
    engine = service_of(accelerator={"resource": "", "product": "one"})["spec"]["engine"]

    assert not engine.get("nodeSelector")


def test_is_queued() -> None:
    body = service_of(queueName="gpus", priorityClassName="low", workloadPriorityClassName="batch")

    assert body["metadata"]["labels"] == {
        "autotuner.io/experiment": "chat-1",
        "autotuner.io/experiment-uid": "uid-chat-1",
        "kueue.x-k8s.io/queue-name": "gpus",
        "kueue.x-k8s.io/priority-class": "batch",
    }
    assert body["spec"]["engine"]["priorityClassName"] == "low"


def test_on_a_claim_reads_it_there_and_nothing_else() -> None:
    volume = {"claimName": "weights", "subPath": "meta/llama", "mountPath": "/w"}
    body = service_of(volume=volume, env=[{"name": "X", "value": "1"}])
    engine = body["spec"]["engine"]

    assert engine["volumes"] == [
        {"name": "autotuner-model", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}}
    ]
    assert engine["runner"]["volumeMounts"] == [
        {"name": "autotuner-model", "mountPath": "/w", "subPath": "meta/llama", "readOnly": True}
    ]
    assert engine["runner"]["env"] == [{"name": "X", "value": "1"}, {"name": "MODEL_PATH", "value": "/w"}]
    assert not [key for key in body["metadata"]["annotations"] if key.startswith("ome.io/pvc")]


def test_on_the_root_of_a_claim() -> None:
    (mount,) = service_of(volume={"claimName": "weights"})["spec"]["engine"]["runner"]["volumeMounts"]

    assert mount == {"name": "autotuner-model", "mountPath": "/models", "readOnly": True}


def test_a_path_that_is_given_is_kept() -> None:
    env = [{"name": "MODEL_PATH", "value": "/models/deeper"}]

    assert service_of(volume={"claimName": "weights"}, env=env)["spec"]["engine"]["runner"]["env"] == env


def test_leaves_mounting_to_an_ome_that_reads_annotations() -> None:
    volume = {"claimName": "weights", "subPath": "meta/llama", "mountPath": "/w", "annotations": True}
    body = service_of(volume=volume)
    engine = body["spec"]["engine"]

    assert body["metadata"]["annotations"] == {
        "ome.io/deploymentMode": "RawDeployment",
        "ome.io/autoscalerClass": "external",
        "ome.io/storage-type": "pvc",
        "ome.io/pvc-name": "weights",
        "ome.io/pvc-subpath": "meta/llama",
        "ome.io/mount-path": "/w",
    }
    # It would mount the claim a second time at the same place, which the API server refuses.
    assert "volumes" not in engine
    assert "volumeMounts" not in engine["runner"]
    assert engine["runner"]["env"] == [{"name": "MODEL_PATH", "value": "/w"}]


@pytest.mark.parametrize(
    "argument",
    [
        '--x="a: b"',
        "--x=- y",
        "--x={a: 1}\n  image: evil",
        "--x=#no comment",
        "--x=%}{{",
        "--x='",
        "--x=\u2028\x7f😀",
    ],
)
def test_no_argument_breaks_out_of_its_place(argument: str) -> None:
    runner = service_of(args=[argument, "--y=1"])["spec"]["engine"]["runner"]

    assert runner["args"] == [argument, "--y=1"]
    assert "image" not in runner


def test_carries_what_the_user_gave_to_everything_and_still_ours() -> None:
    given = {"labels": {"cost-centre": "4711"}, "annotations": {"karpenter.sh/do-not-disrupt": "true"}}
    experiment = make_experiment(service=given)
    service = ExperimentSpec.model_validate(experiment["spec"]).service
    meta = inference_service(experiment, service)["metadata"]

    assert meta["labels"] == {
        "cost-centre": "4711",
        "autotuner.io/experiment": "chat-1",
        "autotuner.io/experiment-uid": "uid-chat-1",
    }
    assert meta["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert meta["annotations"]["ome.io/deploymentMode"] == "RawDeployment"
    won = winner(experiment, service, "best").body["metadata"]
    assert won["labels"] == given["labels"]
    assert won["annotations"] == {"ome.io/deploymentMode": "RawDeployment", **given["annotations"]}
