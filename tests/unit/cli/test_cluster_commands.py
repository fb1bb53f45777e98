"""Commands on what a cluster has: what they print, what they ask and write, and how refusals are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner.cli.shared import cluster_access, records
from autotuner.kube import ConflictError, KubeError, RejectedError
from tests.support.http_api import ApiOverHttp
from tests.support.public_deployments import chat, nodes
from tests.unit.cli import searches
from tests.unit.cli.test_validate import autotuner

N = ("--namespace", "llm")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ApiOverHttp]:
    with ApiOverHttp([*chat("llm"), *nodes(), *searches.everything()]) as served:
        (tmp_path / "kubeconfig").write_text(served.kubeconfig)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setattr(
            "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
        )
        yield served


def printed(*words: str) -> str:
    code, said = autotuner(*words)
    assert code == 0, said
    return said


DONE = """\
TuningTask chat-done in namespace llm: Succeeded (Completed), 3/3 experiments

Result
  1310 tok/s by chat-done-2, +31.0% over the baseline
  the baseline chat-done-0 reaches 1000 tok/s
  measured at concurrency 8 of scenario chat
  arguments: --max-num-seqs=512 --kv-cache-dtype=fp8

How sure
  Improved: Measured again in turns with the baseline, it is better: the gain is
    real.
  the gain is between +27.5% and +34.1% (95% interval, 3 repeats)

Why this one
  the baseline does not have: --max-num-seqs=512 --kv-cache-dtype=fp8
  what matters most, by the share of the variance that it explains: max-num-seqs
    61%

What limits it
  TTFT P99 is 410 ms, at most 500ms allowed
  further up it breaks TTFT P99 900ms at chat x 32, above 500ms by 80%

What failed
  1 x OutOfMemory (the configuration's fault; it is not tried again):
    chat-done-3: CUDA out of memory. Tried to allocate 2.00 GiB

Cost
  0.6 GPU-hours (1.50 at its price), 4.4 of the budget are left

Next
  first evaluate the answers: quality was not measured, and kv-cache-dtype
    change them
  use it: autotuner apply chat-done --namespace llm
"""


def test_a_finished_task_is_explained(cluster: ApiOverHttp) -> None:
    assert printed("explain", "chat-done", *N) == DONE


# Object -> what its explanation has to say.
EXPLAINED = {
    "chat-search": ("Waiting for\n  chat-search-2 Queued: waiting for a node", "autotuner watch chat-search"),
    "chat-typo": ("correct the task (UnknownFlag): parameters[tp-siz]: write tp-size", "apply the task again"),
    "paused-search": ("somebody to resume it", "autotuner resume paused-search --namespace llm"),
    "chat-done-3": ("OutOfMemory (the configuration's fault", "exit code 1", "waited for a node 5 s, pulled", "logs"),
    "chat-done-2": ("chat x 8: 1310 tok/s, TTFT P99 410 ms", "arguments: --max-num-seqs=512 --kv-cache-dtype=fp8"),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_what_waits_runs_or_failed_is_explained(name: str, cluster: ApiOverHttp) -> None:
    said = printed("explain", name, *N)

    assert [words for words in EXPLAINED[name] if words not in said] == []
    assert max(map(len, said.splitlines())) <= 80


def test_tasks_are_listed(cluster: ApiOverHttp) -> None:
    lines = [line.split() for line in printed("list", *N).splitlines()]

    assert lines[0] == ["NAME", "PHASE", "DONE", "BEST", "GAIN", "GPU-H", "AGE"]
    assert lines[1][:-1] == ["chat-done", "Succeeded", "3/3", "1310", "tok/s", "+31.0%", "0.6"]
    assert lines[3][:-1] == ["chat-typo", "Pending", "-", "-", "-", "-"]
    assert printed("list", *N, "--no-headers").splitlines()[0].startswith("chat-done ")
    assert printed("list", "-A").splitlines()[1].startswith("llm         chat-done ")


COMPARED = """\
                       chat-done-0   chat-done-2
state                  Completed     Completed
GPUs                   1             1
GPU-hours              0.20          0.20
chat x 8 throughput    1000 tok/s    1310 tok/s
chat x 8 TTFT P99      380 ms        410 ms
chat x 8 TPOT P99      10.0 ms       10.0 ms
chat x 32 throughput   2000 tok/s    2620 tok/s
chat x 32 TTFT P99     900 ms        900 ms
chat x 32 TPOT P99     10.0 ms       10.0 ms
only chat-done-0: no other arguments
only chat-done-2: --max-num-seqs=512 --kv-cache-dtype=fp8
"""


def test_experiments_are_compared(cluster: ApiOverHttp) -> None:
    assert printed("compare", "chat-done-0", "chat-done-2", *N) == COMPARED


DOCUMENTS = [
    ("list", *N),
    ("explain", "chat-done", *N),
    ("explain", "chat-done-3", *N),
    ("compare", "chat-done", "chat-done-0", *N),
    ("targets", *N, "--all"),
    ("presets",),
    ("models",),
    ("runtimes",),
]


@pytest.mark.parametrize("command", DOCUMENTS, ids=" ".join)
def test_programs_read_documents_of_the_published_schema(command: tuple[str, ...], cluster: ApiOverHttp) -> None:
    read = json.loads(printed(*command, "-o", "json"))

    assert records.read(read)
    assert yaml.safe_load(printed(*command, "-o", "yaml")) == read
    assert read.get("items") != []


def test_runtimes_say_which_nodes_they_fit(cluster: ApiOverHttp) -> None:
    rows = json.loads(printed("runtimes", "-o", "json"))["items"]
    product = nodes()[0]["metadata"]["labels"].get("nvidia.com/gpu.product")

    fits = {one["fits"] for one in rows if one.get("accelerator", "").endswith(f" x {product}")}
    others = {one["fits"] for one in rows if "accelerator" in one and not one["accelerator"].endswith(f" x {product}")}
    assert (fits or {"2 nodes"}, others) == ({"2 nodes"}, {"0 nodes"})


def test_what_serves_is_listed_as_create_takes_it(cluster: ApiOverHttp) -> None:
    assert printed("targets", *N, "-o", "name") == "deployments.apps/chat\n"
    assert "kind: TuningTask" in printed("create", "deployments.apps/chat", *N, "--slo=none")


def test_the_evidence_of_failures_is_printed(cluster: ApiOverHttp) -> None:
    said = "==> chat-done-3, ended with OutOfMemory, exit code 1 <==\nCUDA out of memory. Tried to allocate 2.00 GiB\n"
    assert printed("logs", "chat-done", *N) == said
    assert autotuner("logs", "chat-done-2", *N)[0] == 1


def test_a_task_is_watched_to_its_end(cluster: ApiOverHttp) -> None:
    said = "chat-done: Succeeded 3/3: best 1310 tok/s by chat-done-2 (+31.0% over the baseline)\n"
    assert printed("watch", "chat-done", *N) == said


def test_a_winner_is_shown_tried_and_applied(cluster: ApiOverHttp) -> None:
    assert printed("apply", "chat-done", *N, "--dry-run", "client") == searches.PATCH
    assert cluster.patched == []
    assert "nothing was" in printed("apply", "chat-done", *N, "--dry-run", "server")
    assert printed("apply", "chat-done", *N, "--yes") == "Deployment chat in namespace llm runs the winner now\n"
    (tried, kind, body), (applied, _, _) = cluster.patched
    assert ("dryRun=All" in tried, "dryRun" in applied) == (True, False)
    assert kind == "application/strategic-merge-patch+json"
    assert body == yaml.safe_load(searches.PATCH)


# Command -> the body that it writes.
WRITTEN: list[tuple[tuple[str, ...], Any]] = [
    (("suspend", "chat-search", *N), {"spec": {"suspend": True}}),
    (("resume", "paused-search", *N), {"spec": {"suspend": False}}),
    (("cancel", "chat-search-2", *N, "--yes"), {"spec": {"cancel": True}}),
]


@pytest.mark.parametrize(("command", "body"), WRITTEN)
def test_only_one_field_is_written(command: tuple[str, ...], body: Any, cluster: ApiOverHttp) -> None:
    printed(*command)

    assert [one for _, _, one in cluster.patched] == [body]


def test_a_tool_that_deploys_from_git_is_named(cluster: ApiOverHttp) -> None:
    path = "/apis/autotuner.io/v1alpha1/namespaces/llm/tuningtasks/chat-search"
    cluster.objects[path]["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "llm"}

    assert "Flux deploys this task and may undo that: write suspend: true in Git" in printed(
        "suspend", "chat-search", *N
    )


# Command, exit code, what is said.
REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("explain", "nobody", *N), 1, "no TuningTask or TuningExperiment is called nobody in namespace llm: there are"),
    (("apply", "chat-search", *N, "--yes"), 1, "TuningTask chat-search recommends nothing to apply (Running)"),
    (("apply", "chat-done", *N), 2, "nobody can be asked here: say --yes, or --dry-run client"),
    (("apply", "chat-done", *N, "--experiment", "x", "--yes"), 1, "has nothing of experiment x"),
    (("suspend", "chat-done", *N), 1, "is finished, and never starts again"),
    (("cancel", "chat-done-3", *N, "--yes"), 1, "is over already (OutOfMemory)"),
    (("cancel", "chat-search", *N, "--yes"), 1, "is a TuningTask: `suspend chat-search` stops all"),
    (("compare", "chat-done", *N), 2, "give two to 6 names"),
    (("compare", "chat-done", "chat-typo", *N), 1, "TuningTask chat-typo has no best to compare"),
    (("list", "--context", "none"), 1, "the kubeconfig has no context none; there are here"),
    (("list", "--kubeconfig", "/nowhere"), 1, "no cluster: "),
]


@pytest.mark.parametrize(("command", "code", "words"), REFUSED)
def test_what_cannot_be_is_told_with_the_way_out(
    command: tuple[str, ...], code: int, words: str, cluster: ApiOverHttp
) -> None:
    ended, said = autotuner(*command)

    assert (ended, words in " ".join(said.split())) == (code, True), said
    assert "Traceback" not in said
    assert cluster.patched == []


def test_a_cluster_without_the_kinds_and_without_rights_is_told(cluster: ApiOverHttp) -> None:
    cluster.absent.add("tuningtasks")
    assert autotuner("list") == (
        1,
        f"autotuner: autotuner is not installed in this cluster; first: {cluster_access.INSTALL}\n",
    )
    cluster.absent.clear()
    cluster.forbidden.add("tuningtasks")
    code, said = autotuner("list")
    assert (code, "ask for the role view to read" in said) == (1, True), said


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (KubeError(0, "Unreachable", "connection refused"), "does not answer (connection refused)"),
        (RejectedError(401, "Unauthorized", "expired"), "renew the credentials"),
        (ConflictError(409, "Conflict", "conflict with flux"), "managed by others: conflict with flux"),
        (RejectedError(422, "Invalid", "spec.x: no"), "refuses Deployment chat: spec.x: no"),
    ],
)
def test_refusals_in_words(problem: KubeError, words: str) -> None:
    assert words in cluster_access.words(problem, "Deployment chat")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("su",), ["suspend"]),
        (("__",), []),
        (("completion", ""), ["bash", "fish", "kubectl", "zsh"]),
        (("list", "--all"), ["--all-namespaces"]),
        (("apply", "x", "--dry-run", ""), ["client", "none", "server"]),
        (("explain", *N, "chat-s"), ["chat-search", "chat-search-1", "chat-search-2"]),
        (("suspend", *N, "chat"), ["chat-done", "chat-search", "chat-typo"]),
    ],
)
def test_shells_get_candidates(words: tuple[str, ...], found: list[str], cluster: ApiOverHttp) -> None:
    *lines, directive = printed("__complete", *words).splitlines()

    assert lines == found
    assert directive.startswith(":")
