"""Reading pods, models and OME's words, and writing an InferenceService."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner import ownership
from autotuner.api.experiment import ExperimentSpec, ModelRef
from autotuner.objects import Object
from autotuner.serving import pods
from autotuner.serving.ome import inference_service, models
from autotuner.serving.pods import Terminated
from tests.unit.builders import at, controller, make_experiment, make_model, make_pod, merged, terminated


def service_of(**service: Any) -> Object:
    experiment = make_experiment(service=service)
    return inference_service.inference_service(experiment, ExperimentSpec.model_validate(experiment["spec"]).service)


class TestPods:
    def test_a_pod_that_nobody_looked_at(self) -> None:
        pod = make_pod(node=None)
        del pod["status"]

        seen = pods.view(pod, "ome-container")

        assert (seen.node, seen.scheduled_at, seen.started_at, seen.ready_at, seen.ended) == (None,) * 5
        assert (seen.unschedulable, seen.waiting_reason, seen.image_id) == ("", "", "")
        assert seen.image == "engine:1"  # as declared

    def test_one_that_waits_for_a_node(self) -> None:
        seen = pods.view(make_pod(node=None, unschedulable="insufficient gpu"), "ome-container")

        assert (seen.node, seen.scheduled_at, seen.unschedulable) == (None, None, "insufficient gpu")

    def test_one_that_is_ready(self) -> None:
        seen = pods.view(make_pod(started=10, ready=20), "ome-container")

        assert (seen.node, seen.scheduled_at, seen.started_at, seen.ready_at) == ("node-a", at(3), at(10), at(20))
        assert (seen.running, seen.restarts, seen.port, seen.image_id) == (True, 0, 8080, "sha256:engine")

    def test_one_that_has_ended(self) -> None:
        seen = pods.view(make_pod(ended=terminated(2, message="usage")), "ome-container")

        assert seen.ended == Terminated(2, "Error", "usage", at(60))
        assert seen.started_at == at(5)
        assert not seen.running

    def test_one_that_runs_again_has_ended_once(self) -> None:
        seen = pods.view(make_pod(started=70, restarted=terminated(137, "OOMKilled")), "ome-container")

        assert seen.ended == Terminated(137, "OOMKilled", "", at(60))
        assert (seen.running, seen.restarts) == (True, 1)

    def test_one_that_waits_to_run_again_has_ended_once(self) -> None:
        pod = make_pod(waiting=("CrashLoopBackOff", "back-off 10s"), restarted=terminated(1))

        seen = pods.view(pod, "ome-container")

        assert (seen.waiting_reason, seen.waiting_message) == ("CrashLoopBackOff", "back-off 10s")
        assert seen.ended is not None
        assert seen.started_at == at(5)

    def test_one_that_is_being_deleted(self) -> None:
        assert pods.view(make_pod(deleting=True), "ome-container").deleting
        assert not pods.view(make_pod(), "ome-container").deleting

    def test_another_container_does_not_count(self) -> None:
        pod = make_pod(started=10)
        sidecar = {"name": "sidecar", "state": {"terminated": terminated(1)}, "restartCount": 3, "image": "x"}
        pod["status"]["containerStatuses"].insert(0, sidecar)
        pod["spec"]["containers"].insert(0, {"name": "sidecar", "image": "x", "ports": [{"containerPort": 1}]})

        seen = pods.view(pod, "ome-container")

        assert (seen.ended, seen.restarts, seen.image, seen.port) == (None, 0, "engine:1", 8080)

    def test_the_port_is_8080_unless_declared(self) -> None:
        pod = make_pod()
        assert pods.view({**pod, "spec": {"containers": [{"name": "ome-container"}]}}, "ome-container").port == 8080
        pod["spec"]["containers"][0]["ports"] = [{"containerPort": 30000}]
        assert pods.view(pod, "ome-container").port == 30000

    @pytest.mark.parametrize(
        ("conditions", "want"),
        [
            ([{"type": "Ready", "status": "True"}], True),
            ([{"type": "Ready", "status": "Unknown"}], False),
            ([{"type": "DiskPressure", "status": "True"}], False),
            ([], False),
        ],
    )
    def test_a_node_is_ready_if_it_says_so(self, conditions: list[Object], want: bool) -> None:
        assert pods.node_ready({"status": {"conditions": conditions}}) is want


class TestModels:
    def test_reading(self) -> None:
        assert models.state(make_model("In_Transit")) == "In_Transit"
        assert models.state(make_model("")) == ""
        assert models.state(None) == ""
        assert models.path(make_model(path="/m")) == "/m"
        assert models.path({"spec": {"storage": {}}}) == ""
        assert models.path(None) == ""

    @pytest.mark.parametrize(
        ("nodes", "where"),
        [([], "on any node"), (["a"], "on a"), (list("abcdefg"), "on a, b, c, d, e and 2 more")],
    )
    def test_where_it_failed(self, nodes: list[str], where: str) -> None:
        assert where + ";" in models.failed_nodes(make_model("Failed", nodesFailed=nodes))

    @pytest.mark.parametrize(
        ("address", "words"),
        [
            (
                "hf://a/b",
                "check free space and rights at /models/llama on the node, access to hf://a/b and the token in",
            ),
            ("local:///data/x", "check that the files are at /data/x on the node; the log of OME's model agent"),
            ("vendor://a/b/c", "nothing is downloaded for it; the log of OME's model agent says how far it is"),
            ("pvc://team:weights/x", "OME before 1.2.2 never makes a pvc:// model Ready; with an older one, name the"),
            ("s3://bucket/x", "OME's model agent has no downloader for s3://, so it stays like this; use hf:// or"),
        ],
    )
    def test_what_to_do_about_one_that_is_not_ready(self, address: str, words: str) -> None:
        model = merged(make_model("In_Transit"), {"spec": {"storage": {"storageUri": address, "key": "token"}}})

        assert models.unready(model).startswith(words)

    def test_one_that_nobody_looked_at(self) -> None:
        assert models.unready(make_model("")).startswith("OME has not looked at it; check that ome-controller-manager")

    @pytest.mark.parametrize("state", ["In_Transit", "Failed"])
    def test_what_newer_versions_say_themselves(self, state: str) -> None:
        said = [
            {"type": "Ready", "status": "False", "reason": "PVCNotBound", "message": "claim is Pending"},
            {"type": "Other", "status": "True", "reason": "Fine"},
        ]
        model = merged(make_model(state, conditions=said), {"spec": {"storage": {"storageUri": "pvc://weights/x"}}})
        words = models.failed_nodes(model) if state == "Failed" else models.unready(model)

        assert words == "OME says PVCNotBound: claim is Pending"

    @pytest.mark.parametrize(
        ("address", "want"),
        [
            ("pvc://weights/meta/llama", ("", "weights", "meta/llama")),
            ("pvc://team:weights/meta/llama/", ("team", "weights", "meta/llama")),
            ("pvc://weights", ("", "weights", "")),
            ("hf://meta/llama", None),
        ],
    )
    def test_the_claim_of_its_own(self, address: str, want: tuple[str, str, str] | None) -> None:
        spec = {"storage": {"storageUri": address, "path": "/ignored"}}
        found = models.claim(spec)

        assert (found and (found.namespace, found.volume.claim_name, found.volume.sub_path)) == want
        assert models.host_path(spec) == ("" if want else "/ignored")

    @pytest.mark.parametrize(
        ("model", "want"),
        [
            (ModelRef(name="llama"), "models.ome.io/clusterbasemodel.llama"),
            (ModelRef(kind="BaseModel", name="llama"), "models.ome.io/team.basemodel.llama"),
            (ModelRef(name="a" * 32), f"models.ome.io/clusterbasemodel.{'a' * 32}"),
            # sha256("aaa...a", 33 times), first eight digits, and the last 23 characters
            (ModelRef(name="a" * 33), f"models.ome.io/clusterbasemodel.852785c8-{'a' * 23}"),
        ],
        ids=["cluster-wide", "of the namespace", "just short enough", "too long"],
    )
    def test_the_label_of_the_nodes_that_have_it(self, model: ModelRef, want: str) -> None:
        assert models.node_label(model, "team") == want


class TestInferenceService:
    def test_is_complete(self) -> None:
        experiment = make_experiment(service={"args": ["--tp-size=2", "--enable-x"]})
        body = inference_service.inference_service(
            experiment, ExperimentSpec.model_validate(experiment["spec"]).service
        )

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
                    "runner": {
                        "name": "ome-container",
                        "args": ["--tp-size=2", "--enable-x"],
                        "resources": {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}},
                    },
                },
            },
        }

    def test_without_accelerators_asks_for_none(self) -> None:
        runner = service_of(accelerator={"resource": "", "count": 2})["spec"]["engine"]["runner"]

        assert "resources" not in runner

    def test_without_arguments_leaves_the_runtimes(self) -> None:
        assert "args" not in service_of(args=[])["spec"]["engine"]["runner"]

    def test_carries_image_and_variables(self) -> None:
        runner = service_of(image="my/engine:2", env=[{"name": "X", "value": "1"}])["spec"]["engine"]["runner"]

        assert (runner["image"], runner["env"]) == ("my/engine:2", [{"name": "X", "value": "1"}])

    def test_is_placed(self) -> None:
        engine = service_of(
            nodeSelector={"pool": "gpu"},
            accelerator={"product": "H100"},
            tolerations=[{"key": "gpu", "operator": "Exists"}],
        )["spec"]["engine"]

        assert engine["nodeSelector"] == {"pool": "gpu", "nvidia.com/gpu.product": "H100"}
        assert engine["tolerations"] == [{"key": "gpu", "operator": "Exists"}]

    def test_on_a_claim_reads_it_there_and_nothing_else(self) -> None:
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

    def test_on_the_root_of_a_claim(self) -> None:
        (mount,) = service_of(volume={"claimName": "weights"})["spec"]["engine"]["runner"]["volumeMounts"]

        assert mount == {"name": "autotuner-model", "mountPath": "/models", "readOnly": True}

    def test_a_path_that_is_given_is_kept(self) -> None:
        env = [{"name": "MODEL_PATH", "value": "/models/deeper"}]

        assert service_of(volume={"claimName": "weights"}, env=env)["spec"]["engine"]["runner"]["env"] == env

    def test_leaves_mounting_to_an_ome_that_reads_annotations(self) -> None:
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
    def test_no_argument_breaks_out_of_its_place(self, argument: str) -> None:
        runner = service_of(args=[argument, "--y=1"])["spec"]["engine"]["runner"]

        assert runner["args"] == [argument, "--y=1"]
        assert "image" not in runner


class TestOwnership:
    OWNER = make_experiment()

    @pytest.mark.parametrize(
        ("references", "want"),
        [
            ([controller(OWNER)], True),
            ([controller(OWNER) | {"controller": False}], False),
            ([controller(OWNER) | {"uid": "another"}], False),
            ([], False),
            (None, False),
        ],
    )
    def test_only_a_controller_reference_of_the_same_uid_counts(
        self, references: list[Object] | None, want: bool
    ) -> None:
        labels = ownership.labels("chat-1", "uid-chat-1")
        meta: Object = {"labels": labels, **({"ownerReferences": references} if references is not None else {})}

        assert ownership.controlled_by({"metadata": meta}, "uid-chat-1") is want


class TestWords:
    def test_events_are_read_oldest_first(self) -> None:
        events: list[Object] = [
            {"type": "Warning", "reason": "Late", "message": "b", "lastTimestamp": at(9), "count": 4},
            {"type": "Normal", "reason": "Early", "message": "a", "eventTime": at(2), "lastTimestamp": None},
        ]

        assert inference_service.read_events(events) == [
            inference_service.ServingEvent("Normal", "Early", "a", 1),
            inference_service.ServingEvent("Warning", "Late", "b", 4),
        ]

    @pytest.mark.parametrize(
        ("deployment", "want"),
        [
            (None, None),
            ({}, None),
            ({"status": {"conditions": [{"type": "ReplicaFailure", "status": "False"}]}}, None),
            (
                {
                    "status": {
                        "conditions": [
                            {"type": "Progressing", "status": "True"},
                            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"},
                        ]
                    }
                },
                "FailedCreate: quota",
            ),
        ],
        ids=["no Deployment", "no status", "no failure", "a failure"],
    )
    def test_why_a_deployment_makes_no_pods(self, deployment: Object | None, want: str | None) -> None:
        assert inference_service.replica_failure(deployment) == want
