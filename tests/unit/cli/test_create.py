"""`autotuner create`: from what strangers run to a task that is valid, with nothing to fill in but traffic and SLOs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.cli import create
from autotuner.cli.what_runs import Named, of_files
from autotuner.kubernetes_object import Object
from autotuner.policy.proposal.wishes import Wishes
from tests.support.http_api import ApiOverHttp
from tests.support.public_deployments import NODES, STYLES, chat, file_of, nodes, objects_of
from tests.unit.cli.test_validate import autotuner
from tests.unit.serving.kserve import stored
from tests.unit.serving.llm_inference_service import made_up_service
from tests.unit.task_builders import shipped

# Style -> what of its task follows from the Deployment.
FOLLOWS: dict[str, dict[str, Any]] = {
    "bare-args": {
        "spec.benchmark.tokenizer": {"source": "ModelVolume"},
        "spec.parallelism.tensor": [1, 2, 4],
        "spec.placement": {"acceleratorResource": "nvidia.com/gpu"},
    },
    "shell": {
        "spec.benchmark.tokenizer.tokenSecret": {"name": "hub", "key": "token"},
        "spec.placement.nodeSelector": {"kubernetes.io/hostname": "gpu-1"},
        "spec.parallelism.tensor": [1, 2, 4],
    },
    "image-entry-point": {
        "spec.target.apiKeySecret": {"name": "clients", "key": "key"},
        "spec.benchmark.pod.env": [{"name": "HF_ENDPOINT", "value": "https://hub.corp.example"}],
        "spec.placement.nodeSelector": {"pool": "inference"},
        "spec.timeouts": {"startupSeconds": 3600},
    },
    "production-stack": {
        "spec.target.apiKeySecret": {"name": "stack-secrets", "key": "vllmApiKey"},
        "spec.benchmark.tokenizer.tokenSecret": {"name": "stack-secrets", "key": "hf_token_llama"},
    },
    "llm-d-guide": {
        "spec.benchmark.tokenizer.id": "openai/gpt-oss-120b",
        "spec.timeouts": {"startupSeconds": 3615},
    },
}


def at(body: Any, path: str) -> Any:
    """The value at a path of keys."""
    for key in path.split("."):
        body = body[key]
    return body


@pytest.mark.parametrize("style", STYLES)
def test_a_strangers_deployment_makes_a_valid_task(style: str, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    sources = ("--from", str(file_of(style)), "--from", str(NODES))
    code, said = autotuner("create", f"deployment/{STYLES[style]}", *sources, "-o", str(file))
    assert code == 0, said
    assert "valid; " in said

    task = yaml.safe_load(file.read_text())
    assert task["spec"]["target"]["name"] == STYLES[style]
    assert {path: at(task, path) for path in FOLLOWS[style]} == FOLLOWS[style]
    assert 3 <= len(task["spec"]["parameters"]) + len(task["spec"]["parallelism"]) <= 5
    code, said = autotuner("validate", str(file), str(file_of(style)), str(NODES))
    assert (code, "TuningTask" in said) == (0, True), said


def test_each_choice_says_why(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    autotuner("create", "deployment/mistral", "--from", str(file_of("shell")), "--from", str(NODES), "-o", str(file))
    lines = file.read_text().splitlines()
    silent = [
        after
        for before, after in itertools.pairwise(lines)
        if after.startswith("  ") and not after.strip().startswith(("#", "- {metric", "- {name: chat"))
        if not after.endswith(":")  # its parts say why
        if not before.strip().startswith("#") and not before.rstrip().endswith(":")
    ]
    assert silent == []


def of(style: str, *words: str, **edits: Any) -> tuple[int, str]:
    """Runs `create` for the Deployment of a style, with edits of its container."""
    objects = objects_of(style)
    containers = objects[0]["spec"]["template"]["spec"]["containers"]
    containers[-1].update(edits)
    source = Path("live.yaml")
    source.write_text(yaml.safe_dump_all([*objects, *nodes()]))
    return autotuner("create", f"deployment/{STYLES[style]}", "--from", str(source), *words)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_said_is_taken() -> None:
    words = ["--scenario=rag", "--concurrency=4,8", "--slo=TTFT:P99=1s", "--objective=MaxConcurrency", "--name=mine"]
    limits = ["--max-gpus=2", "--max-experiments=7", "--max-gpu-hours=3.5", "--max-hours=2", "--requests=50"]
    code, said = of("llm-d-guide", *words, *limits, "--tokenizer=org/words", "--output=task.yaml")
    assert code == 0, said
    task = yaml.safe_load(Path("task.yaml").read_text())
    spec = task["spec"]
    assert task["metadata"] == {"name": "mine", "namespace": "llm"}
    assert spec["benchmark"]["scenarios"] == [{"name": "rag", "load": "N(4096,1024)/(256,64)"}]
    assert (spec["benchmark"]["concurrency"], spec["benchmark"]["maxRequestsPerLevel"]) == ([4, 8], 50)
    assert spec["slos"] == [{"metric": "TTFT", "statistic": "P99", "max": "1s"}]
    assert spec["objectives"] == [{"metric": "MaxConcurrency"}]
    assert spec["search"] == {"maxExperiments": 7, "minExpectedGain": "1%", "maxGPUs": 2}
    assert spec["budget"] == {"maxGPUHours": 3.5, "maxHours": 2, "maxFailedExperiments": 10}
    assert spec["parallelism"] == {"tensor": [1, 2]}
    assert "Nobody said" not in Path("task.yaml").read_text()


def test_the_release_is_said_where_the_tag_does_not_tell_it() -> None:
    code, said = of("shell", "--output=task.yaml")
    assert (code, "set target.version" in said) == (0, True), said
    code, said = of("shell", "--output=again.yaml", "--engine-version=0.32.0")
    assert (code, "flags are judged by vLLM 0.32.0 (target.version)" in said) == (0, True), said
    assert yaml.safe_load(Path("again.yaml").read_text())["spec"]["target"]["version"] == "0.32.0"


def test_degrees_that_the_weights_do_not_fit_are_left_out_with_the_reason() -> None:
    args = ["meta-llama/Llama-3.3-70B-Instruct", "--tensor-parallel-size=4"]
    code, said = of("llm-d-guide", args=args, resources={"limits": {"nvidia.com/gpu": 4}})
    assert code == 0, said
    assert "parallelism: {tensor: [2, 4, 8]}" in said.replace("[4, 8]", "[2, 4, 8]")
    assert "Left out: 1 (141 GB of weights per GPU do not fit" in " ".join(said.split()).replace("# ", "")


# words, edits of the container -> what is said
REFUSED: list[tuple[list[str], Mapping[str, Any], str]] = [
    (["--container=other"], {}, "there is no container 'other'; there are modelserver"),
    ([], {"command": ["envoy"], "args": ["-c"]}, "no container starts an engine that is known"),
    ([], {"command": ["envoy"], "args": ["-c"]}, "here: --container NAME, --engine SGLang or VLLM"),
    ([], {"args": ["/models/x"]}, "with --tokenizer ORGANISATION/MODEL"),
    (["--slo=TTFT=1kg"], {}, "nothing was written: give other options"),
    (["--slo=TTFT=1kg"], {}, "autotuner: spec.slos[0]: write a number and the metric's unit"),
    (["--scenario=N(200000,1)/(10,1)"], {"args": ["org/m", "--max-model-len=4096"]}, "spec.benchmark.scenarios"),
]


@pytest.mark.parametrize(("words", "edits", "told"), REFUSED)
def test_what_cannot_be_proposed_is_told_with_the_way_out(
    words: list[str], edits: Mapping[str, Any], told: str
) -> None:
    code, said = of("llm-d-guide", *words, "-o", "task.yaml", **edits)
    assert code == 1
    assert told in said
    assert not Path("task.yaml").exists()


def test_two_containers_that_run_engines() -> None:
    objects = objects_of("llm-d-guide")
    containers = objects[0]["spec"]["template"]["spec"]["containers"]
    containers.append({**containers[0], "name": "second"})
    Path("two.yaml").write_text(yaml.safe_dump_all(objects))
    code, said = autotuner("create", f"deployment/{STYLES['llm-d-guide']}", "--from", "two.yaml")
    assert (code, "more than one container runs an engine: modelserver, second" in said) == (1, True)
    code, said = autotuner(
        "create", f"deployment/{STYLES['llm-d-guide']}", "--from", "two.yaml", "--container", "second"
    )
    assert (code, "container: second" in said) == (0, True), said


WRONG = [
    (["chat"], "write KIND/NAME, for example deployment/chat"),
    (["deployment/chat", "--engine=Custom"], "flags are proposed for SGLang and VLLM alone"),
    (["deployment/chat", "--from=live.yaml", "--apply"], "leave out --from"),
    (["deployment/chat", "--concurrency=x"], "write whole numbers"),
    (["deployment/chat", "--engine-version=latest"], "for example 0.33.0"),
    (["deployment/chat", "--output=there.yaml"], "may hold changes of yours: name another file"),
]


@pytest.mark.parametrize(("words", "told"), WRONG)
def test_wrong_usage_is_told(words: list[str], told: str) -> None:
    Path("there.yaml").write_text("mine")
    code, said = autotuner("create", *words)
    assert code == 2
    assert told in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["pod/chat"],
            "'pod' is no kind that can be tuned; there are deployments.apps, inferenceservices.ome.io,"
            " inferenceservices.serving.kserve.io, llminferenceservices.serving.kserve.io,"
            " leaderworkersets.leaderworkerset.x-k8s.io",
        ),
        (["deployment/other"], "deployment other is not in live.yaml, where there are Deployment chat"),
        (["deployment/chat", "--from=missing.yaml"], "missing.yaml: No such file or directory"),
    ],
)
def test_objects_that_files_do_not_have(words: list[str], told: str) -> None:
    Path("live.yaml").write_text(yaml.safe_dump_all(chat("llm")))
    code, said = autotuner("create", *words, "--from=live.yaml")
    assert (code, told in said) == (1, True), said


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ApiOverHttp]:
    """An API server with a Deployment llm/chat and two nodes, which the kubeconfig names."""
    with ApiOverHttp([*chat("llm"), *nodes()]) as served:
        (tmp_path / "kubeconfig").write_text(served.kubeconfig)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setattr(
            "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
        )
        yield served


def test_a_task_is_created_in_the_cluster(cluster: ApiOverHttp) -> None:
    code, said = autotuner("create", "deployment/chat", "-nllm", "--apply", "--output=task.yaml")
    assert code == 0, said
    ((path, body),) = cluster.created
    assert path.endswith("/namespaces/llm/tuningtasks")
    assert body == yaml.safe_load(Path("task.yaml").read_text())
    assert "created TuningTask tune-chat in namespace llm" in said
    assert "kubectl wait --namespace llm --for=condition=Finished" in said
    code, said = autotuner("create", "deployment/chat", "-nllm", "--apply")
    assert (code, "exists already in namespace llm: delete it" in said) == (1, True)


# absent kinds, forbidden kinds, words -> exit code, what is said
CLUSTERS: list[tuple[set[str], set[str], list[str], int, str]] = [
    ({"tuningtasks"}, set(), [], 0, "autotuner is not installed in this cluster; first: helm install"),
    ({"tuningtasks"}, set(), ["--apply"], 1, "autotuner is not installed in this cluster: helm install"),
    (set(), {"tuningtasks"}, ["--apply"], 1, "did not take TuningTask tune-chat: tuningtasks is forbidden"),
    (set(), {"deployments"}, [], 1, "you may not read deployment chat in namespace llm: deployments is forbidden; ask"),
    (set(), {"nodes"}, [], 0, "# Nothing is known of the nodes: nodes is forbidden."),
]


@pytest.mark.parametrize(("absent", "forbidden", "words", "want", "told"), CLUSTERS)
def test_clusters_that_lack_or_refuse_something(
    cluster: ApiOverHttp, absent: set[str], forbidden: set[str], words: list[str], want: int, told: str
) -> None:
    cluster.absent, cluster.forbidden = absent, forbidden
    code, said = autotuner("create", "deployment/chat", "-nllm", *words)
    assert (code, told in said) == (want, True), said


def test_an_object_that_is_not_there_is_told_beside_those_that_are(cluster: ApiOverHttp) -> None:
    code, said = autotuner("create", "deployment/caht", "-nllm")
    assert (code, "does not exist in namespace llm; there are chat" in said) == (1, True), said


def test_a_cluster_that_does_not_answer(cluster: ApiOverHttp, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(cluster.kubeconfig.replace("127.0.0.1:", "127.0.0.1:1"))
    code, said = autotuner("create", "deployment/chat", "-nllm")
    assert (code, "the API server does not answer" in said) == (1, True), said


def test_a_terminal_is_asked_what_no_option_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"Traffic": "rag", "Users": "4,8", "SLOs": "TTFT=1s ErrorRate=2%"}
    asked: list[str] = []

    def ask(words: str, *, value_proc: Any, **_: Any) -> Any:
        asked.append(words.partition(" ")[0])
        return value_proc(answers[asked[-1]])

    monkeypatch.setattr(create, "prompt", ask)
    found = of_files([file_of("shell")], Named("deployment", "mistral"), "", shipped()).recognised
    said = create._asked(Wishes(), found)
    assert asked == ["Traffic", "Users", "SLOs"]
    assert (said.scenarios[0]["name"], said.users) == ("rag", [4, 8])
    assert said.slos == [{"metric": "TTFT", "statistic": "P99", "max": "1s"}, {"metric": "ErrorRate", "max": "2%"}]
    own: Object = {"name": "own", "load": "D(1,1)"}
    assert create._asked(Wishes(scenarios=[own], users=[1], slos=[]), found).scenarios == [own]


def _whole(kind: str, api_version: str, body: Object, namespace: str = "") -> Object:
    meta = {**body["metadata"], **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, **body, "metadata": meta}


GPU = {"limits": {"nvidia.com/gpu": "2"}}
WORKLOAD = {
    "app.kubernetes.io/name": "chat",
    "app.kubernetes.io/part-of": "llminferenceservice",
    "app.kubernetes.io/component": "llminferenceservice-workload",
    "kserve.io/component": "workload",
}
# Kind as it is typed -> what serves, with its pods and what it names.
KINDS: dict[str, list[Object]] = {
    "inferenceservice": [
        stored.service(),
        _whole("ClusterServingRuntime", "serving.kserve.io/v1alpha1", stored.runtime()),
        _whole("Pod", "v1", stored.pod(resources=GPU), "team"),
    ],
    "llminferenceservice": [
        made_up_service.service(),
        _whole("LLMInferenceServiceConfig", "serving.kserve.io/v1alpha2", made_up_service.configuration()),
        _whole("Pod", "v1", made_up_service.pod(labels=WORKLOAD, resources=GPU), "team"),
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_make_valid_tasks_too(kind: str) -> None:
    Path("live.yaml").write_text(yaml.safe_dump_all([*KINDS[kind], *nodes()]))
    code, said = autotuner("create", f"{kind}/chat", "--from=live.yaml", "--output=task.yaml")
    assert code == 0, said
    task = yaml.safe_load(Path("task.yaml").read_text())
    target = {key: KINDS[kind][0][key] for key in ("apiVersion", "kind")}
    assert target.items() <= task["spec"]["target"].items()
    assert (task["metadata"]["namespace"], task["spec"]["placement"]) == (
        "team",
        {"acceleratorResource": "nvidia.com/gpu"},
    )
    assert task["spec"]["benchmark"]["tokenizer"] == {"source": "Hub", "id": stored.HUB_ID}
    assert 2 in task["spec"]["parallelism"]["tensor"]
