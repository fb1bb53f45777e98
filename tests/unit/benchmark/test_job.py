"""The benchmark's Job: what it is told, what it may do, where it runs."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.common import Volume
from autotuner.api.experiment import ExperimentSpec
from autotuner.benchmark.contract.spec import RequiredThroughput, RunnerSpec
from autotuner.benchmark.job import JobSurroundings, benchmark_job
from autotuner.kubernetes_object import Object
from autotuner.local.podspec import expand
from autotuner.serving.backend import Claim, Endpoint, Weights
from tests.unit.builders import make_experiment

ENGINE_AT = Endpoint("http", "chat-1-engine.team.svc", 30000)
AROUND = JobSurroundings(ENGINE_AT, image="operator/benchmark:1")


def job_of(around: JobSurroundings = AROUND, **spec: Any) -> Object:
    experiment = make_experiment(**spec)
    return benchmark_job(experiment, ExperimentSpec.model_validate(experiment["spec"]), around)


def pod_of(around: JobSurroundings = AROUND, **spec: Any) -> Object:
    pod: Object = job_of(around, **spec)["spec"]["template"]["spec"]
    return pod


def variables(pod: Object) -> dict[str, Object]:
    return {variable["name"]: variable for variable in pod["containers"][0]["env"]}


def runner_spec(pod: Object) -> RunnerSpec:
    """What the runner reads once the kubelet has expanded its variables."""
    everything = {"HOME": "/home/x", "POD_IP": "10.0.0.1"}
    return RunnerSpec.model_validate_json(expand(variables(pod)["AUTOTUNER_BENCHMARK"]["value"], everything))


def test_runs_once_and_stays_for_its_experiment_to_delete() -> None:
    job = job_of(timeouts={"pullSeconds": 100, "startupSeconds": 200, "benchmarkSeconds": 300})

    assert job["metadata"]["name"] == "chat-1"
    assert job["metadata"]["ownerReferences"][0]["uid"] == "uid-chat-1"
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"]
    assert job["metadata"]["labels"]["autotuner.io/experiment-uid"] == "uid-chat-1"
    assert (job["spec"]["backoffLimit"], job["spec"]["podReplacementPolicy"]) == (0, "Failed")
    assert job["spec"]["activeDeadlineSeconds"] == 1200  # all clocks and ten minutes
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_has_no_rights() -> None:
    pod = pod_of()
    container = pod["containers"][0]

    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {key for volume in pod["volumes"] for key in volume} == {"name", "emptyDir"}  # nothing of the host
    assert len(pod["containers"]) == 1


def test_tells_the_runner_all_it_needs() -> None:
    spec = runner_spec(
        pod_of(
            block=2,
            benchmark={"seed": "s", "requestParams": {"temperature": 0}, "concurrency": [4, 8]},
            stop={
                "slos": [{"metric": "TTFT", "statistic": "P95", "max": "500ms"}, {"metric": "ErrorRate", "max": "1%"}]
            },
            timeouts={"pullSeconds": 100, "startupSeconds": 200},
        )
    )

    assert spec.api_base == "http://chat-1-engine.team.svc:30000"
    assert spec.backend == "sglang"
    assert (spec.seed, spec.block, spec.concurrency) == ("s", 2, [4, 8])
    assert spec.request_params == {"temperature": 0}
    assert spec.startup_seconds == 300
    assert [(slo.metric, slo.statistic, slo.max, slo.min) for slo in spec.slos] == [
        ("TTFT", "P95", 0.5, None),
        ("ErrorRate", None, 0.01, None),
    ]
    assert spec.required_throughput is None


def test_a_ladder_of_rates_is_sent_by_the_client_of_the_open_loop() -> None:
    benchmark = {
        "concurrency": None,
        "rates": [4, 0.5],
        "arrivals": {"process": "Gamma", "burstiness": 0.3},
        "requestLimits": [{"metric": "TTFT", "max": "500ms"}],
        "pod": {"resources": {"requests": {"cpu": "2500m"}}},
    }
    spec = runner_spec(pod_of(benchmark=benchmark))

    assert (spec.client, spec.concurrency, spec.rates, spec.processes) == ("open-loop", None, [0.5, 4], 2)
    assert (spec.arrivals.process, spec.arrivals.burstiness) == ("Gamma", 0.3)
    assert [(limit.metric, limit.max) for limit in spec.request_limits] == [("TTFT", 0.5)]
    assert [rate for _, rate in spec.levels] == [0.5, 4]


def test_a_ladder_of_users_is_walked_by_that_of_the_closed_loop() -> None:
    spec = runner_spec(pod_of())

    assert (spec.client, spec.rates) == ("genai-bench", None)


def test_tells_the_runner_what_the_engine_as_a_whole_must_reach() -> None:
    stop = {
        "slos": [{"metric": "OutputThroughputPerGPU", "min": "100tok/s"}],
        "metric": "OutputThroughputPerGPU",
        "threshold": 500.0,
        "noiseMargin": 0.1,
    }
    spec = runner_spec(pod_of(service={"accelerator": {"count": 4}}, stop=stop))

    assert spec.required_throughput == RequiredThroughput(metric="OutputThroughput", threshold=2000)
    assert spec.noise_margin == 0.1
    assert [(slo.metric, slo.min) for slo in spec.slos] == [("OutputThroughput", 400.0)]


@pytest.mark.parametrize(
    ("engine", "backend", "cache_flush", "holds_length"),
    [("SGLang", "sglang", "/flush_cache", True), ("VLLM", "vllm", "", True), ("Custom", "openai", "", False)],
)
def test_speaks_to_each_engine_in_its_way(engine: str, backend: str, cache_flush: str, holds_length: bool) -> None:
    spec = runner_spec(pod_of(service={"engine": engine}))

    assert (spec.backend, spec.cache_flush, spec.holds_length) == (backend, cache_flush, holds_length)
    assert bool(spec.version_calls) is (engine != "Custom")


def test_seeds_prompts_by_its_own_uid_if_nobody_gave_a_seed() -> None:
    assert runner_spec(pod_of()).seed == "uid-chat-1"


@pytest.mark.parametrize("text", ["$(HOME)", "$$(HOME)", "$$$(HOME)", "$HOME $$ $", "$(", 'a"b\\n', "😀 \u2028"])
def test_no_variable_is_expanded_in_what_the_runner_is_told(text: str) -> None:
    assert runner_spec(pod_of(benchmark={"requestParams": {"user": text}})).request_params == {"user": text}


@pytest.mark.parametrize(
    ("image", "want"), [("", "operator/benchmark:1"), ("my/benchmark:2", "my/benchmark:2")], ids=["default", "own"]
)
def test_image(image: str, want: str) -> None:
    assert pod_of(benchmark={"pod": {"image": image}})["containers"][0]["image"] == want


@pytest.mark.parametrize(
    ("resources", "want"),
    [
        (None, {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}),
        ({"requests": {"cpu": "3"}}, {"requests": {"cpu": "3"}}),
    ],
    ids=["a whole core, and no limit that would throttle it", "as the experiment says"],
)
def test_resources(resources: Object | None, want: Object) -> None:
    assert pod_of(benchmark={"pod": {"resources": resources}})["containers"][0]["resources"] == want


BOUNDS: Object = {"spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}}]}}


@pytest.mark.parametrize(
    ("resources", "cpu"), [(None, ("1", "2")), ({"requests": {"cpu": "3"}}, ("3", None))], ids=["its own", "as told"]
)
def test_only_its_own_resources_are_made_to_fit_a_limit_range(
    resources: Object | None, cpu: tuple[str, str | None]
) -> None:
    around = JobSurroundings(ENGINE_AT, "x", limit_ranges=(BOUNDS,))
    found = pod_of(around, benchmark={"pod": {"resources": resources}})["containers"][0]["resources"]

    assert (found["requests"]["cpu"], found.get("limits", {}).get("cpu")) == cpu


HUB: Object = {"source": "Hub", "id": "org/model", "tokenSecret": {"name": "hf", "key": "token"}}


class TestTokenizer:
    def test_built_in_needs_nothing(self) -> None:
        own = {"AUTOTUNER_BENCHMARK", "TERMINATION_LOG", "HOME", "NO_PROXY", "no_proxy"}
        assert set(variables(pod_of(AROUND))) == own

    def test_of_the_hub_is_named_and_its_token_never_read(self) -> None:
        pod = pod_of(benchmark={"tokenizer": HUB})

        assert runner_spec(pod).tokenizer.id == "org/model"
        assert variables(pod)["HF_TOKEN"] == {
            "name": "HF_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}},
        }
        assert "HF_ENDPOINT" not in variables(pod)

    def test_of_a_mirror(self) -> None:
        pod = pod_of(JobSurroundings(ENGINE_AT, "x", hub_endpoint="http://mirror"), benchmark={"tokenizer": HUB})

        assert variables(pod)["HF_ENDPOINT"]["value"] == "http://mirror"

    def test_of_the_models_volume_runs_where_the_model_lies(self) -> None:
        around = JobSurroundings(
            ENGINE_AT, "x", weights=Weights("/raid/llama"), model_node_label="models.ome.io/clusterbasemodel.llama"
        )
        toleration = {"key": "nvidia.com/gpu", "operator": "Exists"}
        pod = pod_of(around, benchmark={"tokenizer": {"source": "ModelVolume"}}, service={"tolerations": [toleration]})

        assert pod["nodeSelector"] == {"models.ome.io/clusterbasemodel.llama": "Ready"}
        assert pod["tolerations"] == [toleration]
        assert {"name": "model", "hostPath": {"path": "/raid/llama"}} in pod["volumes"]
        assert {"name": "model", "mountPath": "/raid/llama", "readOnly": True} in pod["containers"][0]["volumeMounts"]
        assert str(runner_spec(pod).tokenizer.path) == "/raid/llama"

    def test_of_a_claim_runs_wherever_the_claim_can_be_mounted(self) -> None:
        volume = {"claimName": "weights", "subPath": "meta/llama", "mountPath": "/w"}
        around = JobSurroundings(
            ENGINE_AT, "x", weights=Weights("/raid/llama"), model_node_label="models.ome.io/clusterbasemodel.llama"
        )
        pod = pod_of(around, benchmark={"tokenizer": {"source": "ModelVolume"}}, service={"volume": volume})
        source = {"claimName": "weights", "readOnly": True}
        mount = {"name": "model", "mountPath": "/w", "readOnly": True, "subPath": "meta/llama"}

        assert "nodeSelector" not in pod
        assert {"name": "model", "persistentVolumeClaim": source} in pod["volumes"]
        assert mount in pod["containers"][0]["volumeMounts"]
        assert not [one for one in pod["volumes"] if "hostPath" in one]
        assert str(runner_spec(pod).tokenizer.path) == "/w"

    def test_of_a_model_that_lies_on_a_claim_itself(self) -> None:
        volume = Volume(claim_name="weights", sub_path="meta/llama", mount_path="/opt/ml/model")
        around = JobSurroundings(ENGINE_AT, "x", weights=Weights(claim=Claim("team", volume)))
        pod = pod_of(around, benchmark={"tokenizer": {"source": "ModelVolume"}})

        assert {"name": "model", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}} in pod["volumes"]
        assert str(runner_spec(pod).tokenizer.path) == "/opt/ml/model"

    def test_of_the_hub_mounts_no_claim(self) -> None:
        pod = pod_of(benchmark={"tokenizer": HUB}, service={"volume": {"claimName": "weights"}})

        assert {key for volume in pod["volumes"] for key in volume} == {"name", "emptyDir"}

    def test_of_another_source_mounts_no_model(self) -> None:
        around = JobSurroundings(ENGINE_AT, "x", weights=Weights("/raid/llama"), model_node_label="models.ome.io/x")
        pod = pod_of(around)

        assert "nodeSelector" not in pod
        assert runner_spec(pod).tokenizer.path is None


def test_is_queued_as_its_engine() -> None:
    named = {"queueName": "gpus", "priorityClassName": "low", "workloadPriorityClassName": "batch"}
    job = job_of(service=named)
    queued = {"kueue.x-k8s.io/queue-name": "gpus", "kueue.x-k8s.io/priority-class": "batch"}

    assert queued.items() <= job["metadata"]["labels"].items()
    assert job["spec"]["template"]["spec"]["priorityClassName"] == "low"
    # A pod of a Job in a queue is not queued by itself.
    assert not queued.keys() & job["spec"]["template"]["metadata"]["labels"].keys()


class TestPod:
    """What a cluster demands of pods."""

    def test_goes_where_it_is_told(self) -> None:
        own = [{"key": "dedicated", "operator": "Exists"}]
        pod = pod_of(benchmark={"pod": {"nodeSelector": {"kubernetes.io/arch": "arm64"}, "tolerations": own}})

        assert pod["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
        assert pod["tolerations"] == own

    def test_beside_its_engine_it_also_goes_where_that_may_go(self) -> None:
        both, own = {"key": "gpu", "operator": "Exists"}, {"key": "dedicated", "operator": "Exists"}
        around = JobSurroundings(ENGINE_AT, "x", weights=Weights("/raid/llama"), model_node_label="models.ome.io/m")
        benchmark = {
            "tokenizer": {"source": "ModelVolume"},
            "pod": {"nodeSelector": {"pool": "x"}, "tolerations": [own, both]},
        }
        pod = pod_of(around, benchmark=benchmark, service={"tolerations": [both]})

        assert pod["nodeSelector"] == {"pool": "x", "models.ome.io/m": "Ready"}
        assert pod["tolerations"] == [both, own]

    def test_has_its_own_environment_before_what_the_runner_is_told(self) -> None:
        env = [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "HF_ENDPOINT", "value": "http://own"}]
        around = JobSurroundings(ENGINE_AT, "x", hub_endpoint="http://mirror")
        found = pod_of(around, benchmark={"pod": {"env": env}})["containers"][0]["env"]

        assert [one for one in found if one["name"] in ("HTTPS_PROXY", "HF_ENDPOINT")] == env

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ([], ENGINE_AT.host),
            ([("NO_PROXY", "10.0.0.0/8")], f"10.0.0.0/8,{ENGINE_AT.host}"),
            ([("no_proxy", ".corp"), ("NO_PROXY", ".corp")], f".corp,{ENGINE_AT.host}"),
        ],
    )
    def test_asks_its_engine_through_no_proxy(self, given: list[tuple[str, str]], expected: str) -> None:
        env = [{"name": "HTTP_PROXY", "value": "http://proxy"}, *({"name": n, "value": v} for n, v in given)]
        found = pod_of(benchmark={"pod": {"env": env}})["containers"][0]["env"]

        spared = [(one["name"], one["value"]) for one in found if one["name"].upper() == "NO_PROXY"]
        assert spared == [("NO_PROXY", expected), ("no_proxy", expected)]

    def test_pulls_with_secrets(self) -> None:
        pod = pod_of(benchmark={"pod": {"imagePullSecrets": [{"name": "registry"}]}})

        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert "imagePullSecrets" not in pod_of()

    def test_has_a_priority_of_its_own(self) -> None:
        own = {"pod": {"priorityClassName": "high"}}

        assert pod_of(benchmark=own, service={"priorityClassName": "low"})["priorityClassName"] == "high"

    def test_names_no_user_where_the_platform_chooses_one(self) -> None:
        kept = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        ours = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}

        assert pod_of(benchmark={"pod": {"securityContext": "Platform"}})["securityContext"] == kept
        assert pod_of(benchmark={"pod": {"securityContext": "Restricted"}})["securityContext"] == kept | ours

    def test_is_labelled_with_all_that_was_given_and_still_ours(self) -> None:
        job = job_of(
            service={"labels": {"cost": "1", "team": "a"}, "annotations": {"note": "x"}, "queueName": "gpus"},
            benchmark={"pod": {"labels": {"cost": "2"}, "annotations": {"sidecar.istio.io/inject": "false"}}},
        )
        own = {"autotuner.io/experiment": "chat-1", "autotuner.io/experiment-uid": "uid-chat-1"}
        pod = job["spec"]["template"]["metadata"]

        assert job["metadata"]["labels"] == {"cost": "1", "team": "a", "kueue.x-k8s.io/queue-name": "gpus", **own}
        assert job["metadata"]["annotations"] == {"note": "x"}
        assert pod == {
            "labels": {"cost": "2", "team": "a", **own},
            "annotations": {"note": "x", "sidecar.istio.io/inject": "false"},
        }

    def test_asks_an_engine_with_a_key_that_only_the_pod_sees(self) -> None:
        secret = {"name": "engine-key", "key": "token"}
        pod = pod_of(service={"apiKeySecret": secret, "servedModelName": "base"})

        assert variables(pod)["AUTOTUNER_API_KEY"]["valueFrom"] == {"secretKeyRef": secret}
        assert runner_spec(pod).model == "base"
        assert runner_spec(pod_of()).model == ""


class TestTraces:
    def test_are_mounted_for_reading_and_found_there(self) -> None:
        trace = {"format": "Mooncake", "configMap": "traces", "path": "day.jsonl", "speed": 2}
        files = {"format": "ShareGPT", "claim": "files", "path": "a/chats.json", "maxRequests": 9}
        scenarios = [
            {"name": "day", "trace": trace},
            {"name": "made", "load": "D(9,9)"},
            {"name": "text", "trace": files},
        ]
        pod = pod_of(benchmark={"scenarios": scenarios, "concurrency": None, "rates": [1]})
        day, _, text = runner_spec(pod).scenarios

        assert pod["volumes"][1:] == [
            {"name": "trace-0", "configMap": {"name": "traces", "optional": True}},
            {"name": "trace-2", "persistentVolumeClaim": {"claimName": "files", "readOnly": True}},
        ]
        mounts = pod["containers"][0]["volumeMounts"][1:]
        assert [(mount["name"], mount["readOnly"]) for mount in mounts] == [("trace-0", True), ("trace-2", True)]
        assert day.trace and text.trace
        assert day.trace.file == f"{mounts[0]['mountPath']}/day.jsonl" and day.trace.speed == 2
        assert text.trace.file == f"{mounts[1]['mountPath']}/a/chats.json" and text.trace.max_requests == 9
        assert (day.trace.source, text.trace.source) == (
            "key day.jsonl in ConfigMap traces",
            "file a/chats.json on PersistentVolumeClaim files",
        )

    def test_at_their_own_times_are_a_level_of_an_open_loop(self) -> None:
        trace = {"format": "Azure", "configMap": "traces", "path": "a.csv"}
        scenarios = [{"name": "day", "trace": trace}]
        spec = runner_spec(pod_of(benchmark={"scenarios": scenarios, "concurrency": None}))

        assert (spec.client, spec.rates, spec.concurrency, list(spec.ladder)) == ("open-loop", None, None, [0])


ENGINE: Object = {
    "labelSelector": {
        "matchLabels": {"autotuner.io/experiment-uid": "uid-chat-1"},
        "matchExpressions": [{"key": "batch.kubernetes.io/job-name", "operator": "DoesNotExist"}],
    },
    "topologyKey": "kubernetes.io/hostname",
}


class TestPlacement:
    @pytest.mark.parametrize(
        ("placement", "kind", "follows"),
        [("Any", None, False), ("SameNode", "podAffinity", True), ("OtherNode", "podAntiAffinity", False)],
    )
    def test_in_relation_to_the_engine(self, placement: str, kind: str | None, follows: bool) -> None:
        toleration = {"key": "nvidia.com/gpu", "operator": "Exists"}
        pod = pod_of(benchmark={"placement": placement}, service={"tolerations": [toleration]})

        want = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [ENGINE]}} if kind else None
        assert pod.get("affinity") == want
        assert pod.get("tolerations") == ([toleration] if follows else None)
