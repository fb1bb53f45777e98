"""The TuningExperiment that a task creates: complete arguments, placement, owner."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.experiment import ExperimentSpec, Purpose
from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.experiment_spec import Ingredients, Pinned
from autotuner.search.space.configuration import Configuration
from tests.unit.builders import make_model, make_runtime, merged
from tests.unit.task_builders import make_space, make_task


def configured(**values: Any) -> Configuration:
    return Configuration(tuple((name.replace("_", "-"), value) for name, value in values.items()))


ARGUMENTS: list[tuple[str, Object, list[str], Configuration | None, list[str]]] = [
    ("the baseline is the runtime's own", {"baseline": None}, ["--tp-size=1"], None, ["--tp-size=1"]),
    (
        "the baseline's arguments win over the runtime's",
        {"baseline": {"args": ["--tp=2", "--x=1"]}},
        ["--tp-size=1"],
        None,
        ["--tp=2", "--x=1"],
    ),
    (
        "fixed flags are in the baseline too, and win",
        {"baseline": {"args": ["--x=1"]}, "runtime": {"extraArgs": ["--x=2", "--log"]}},
        [],
        None,
        ["--x=2", "--log"],
    ),
    (
        "tuned flags win over the runtime's and stay in their place",
        {},
        ["--tp-size=1", "--mem-fraction-static", "0.9"],
        configured(mem_fraction_static=0.8),
        ["--tp-size=1", "--mem-fraction-static=0.8"],
    ),
    (
        "the baseline's arguments are not searched with",
        {"baseline": {"args": ["--x=1"]}, "runtime": {"extraArgs": ["--log"]}},
        ["--tp-size=1"],
        configured(tp_size=4),
        ["--tp-size=4", "--log"],
    ),
    (
        "a switch that is off is off although the runtime has it on",
        {},
        ["--enable-mixed-chunk", "--tp-size=1"],
        configured(enable_mixed_chunk=False),
        ["--tp-size=1"],
    ),
]


def ingredients(runtime: Object | None, pinned: Pinned, changes: Object) -> Ingredients:
    spec, live = TaskSpec.model_validate(merged(make_task()["spec"], changes)), runtime or make_runtime()
    template = backend_choice.DEFAULT.engine_template(live["spec"])
    return Ingredients(
        task=make_task(),
        spec=spec,
        backend=backend_choice.DEFAULT,
        engine="SGLang",
        model=make_model(),
        runtime=live,
        space=make_space(spec, fixed=model_and_runtime.fixed_arguments("SGLang", spec, template.args)),
        pinned=pinned,
        benchmark_image="benchmark:2",
    )


def experiment(
    configuration: Configuration | None = None,
    *,
    index: int = 3,
    purpose: Purpose = "Search",
    pinned: Pinned | None = None,
    live: Object | None = None,
    **changes: Any,
) -> Object:
    common = ingredients(live, pinned or Pinned(), changes)
    return experiment_spec.experiment(common, index=index, purpose=purpose, configuration=configuration)


@pytest.mark.parametrize(
    ("changes", "own", "configuration", "want"), [row[1:] for row in ARGUMENTS], ids=[row[0] for row in ARGUMENTS]
)
def test_arguments(changes: Object, own: list[str], configuration: Configuration | None, want: list[str]) -> None:
    body = experiment(configuration, live=make_runtime(args=own), **(searched(configuration) | changes))

    assert body["spec"]["service"]["args"] == want


def searched(configuration: Configuration | None) -> Object:
    """A task that searches what the configuration sets."""
    if configuration is None:
        return {}
    offered = [
        {"name": name, "toggle": True} if isinstance(value, bool) else {"name": name, "values": [value]}
        for name, value in configuration.items()
    ]
    return {"parameters": offered}


def test_arguments_of_a_runtime_without_an_engine() -> None:
    one = configured(tp_size=2)
    body = experiment(one, live={**make_runtime(), "spec": {}}, **searched(one))

    assert body["spec"]["service"]["args"] == ["--tp-size=2"]


def test_belongs_to_its_task() -> None:
    meta = experiment()["metadata"]

    assert meta["name"] == "chat-3"
    assert meta["namespace"] == "team"
    assert meta["labels"] == {"autotuner.io/task": "chat"}
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "autotuner.io/v1alpha1",
            "kind": "TuningTask",
            "name": "chat",
            "uid": "uid-chat",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_is_fully_resolved() -> None:
    body = experiment(
        make_space().at(2),
        slos=[{"metric": "TTFT", "max": "500ms"}],
        timeouts={"queueSeconds": 7},
        placement={
            "nodeSelector": {"pool": "gpu"},
            "queueName": "gpus",
            "priorityClassName": "low",
            "workloadPriorityClassName": "batch",
        },
        benchmark={"requestParams": {"temperature": 0.5}},
    )
    spec = ExperimentSpec.model_validate(body["spec"])

    assert spec.dump() == body["spec"]
    assert body["spec"]["parameters"] == [
        {"name": "tp-size", "value": "2"},
        {"name": "mem-fraction-static", "value": "0.8"},
    ]
    assert body["spec"]["service"] == {
        "backend": "OME",
        "model": {"kind": "ClusterBaseModel", "name": "llama"},
        "runtime": {"kind": "ClusterServingRuntime", "name": "engine-runtime"},
        "engine": "SGLang",
        "args": ["--tp-size=2", "--mem-fraction-static=0.8"],
        "image": "",
        "accelerator": {"resource": "nvidia.com/gpu", "count": 2, "allowShared": False},
        "nodeSelector": {"pool": "gpu"},
        "queueName": "gpus",
        "priorityClassName": "low",
        "workloadPriorityClassName": "batch",
    }
    assert body["spec"]["benchmark"]["seed"] == "uid-chat"
    assert body["spec"]["benchmark"]["pod"] == {"image": "benchmark:2"}
    assert body["spec"]["benchmark"]["requestParams"] == {"temperature": 0.5}
    assert body["spec"]["stop"]["slos"] == [
        {"metric": "TTFT", "max": "500ms", "enforcement": "Hard"},
        {"metric": "ErrorRate", "max": "1%", "enforcement": "Hard"},
    ]
    assert body["spec"]["timeouts"]["queueSeconds"] == 7
    assert body["spec"]["cancel"] is False


def test_a_baseline_names_no_parameters() -> None:
    spec = experiment(purpose="Baseline")["spec"]

    assert spec["purpose"] == "Baseline"
    assert "parameters" not in spec
    assert spec["stop"] == {
        "slos": [{"metric": "ErrorRate", "max": "1%", "enforcement": "Hard"}],
        "noiseMargin": 0.06,
    }


def test_is_pinned_to_the_baselines_accelerator() -> None:
    own = experiment(pinned=Pinned("MI300X", "beta.amd.com/gpu.product-name"))["spec"]["service"]["accelerator"]
    assert (own["product"], own["label"]) == ("MI300X", "beta.amd.com/gpu.product-name")

    common = ingredients(None, Pinned("H100", "nvidia.com/gpu.product"), {})
    first = ExperimentSpec.model_validate(experiment(configured(tp_size=2), purpose="Baseline")["spec"])
    for body in (
        experiment_spec.retry(common, first, index=2, of="chat-1"),
        experiment_spec.repeat(common, first, index=3, block=1, ladder=[8]),
    ):
        pinned = body["spec"]["service"]["accelerator"]
        assert (pinned["product"], pinned["label"]) == ("H100", "nvidia.com/gpu.product")


def test_the_users_label_and_word_about_sharing_are_passed_on_from_the_first() -> None:
    changes: Object = {"placement": {"acceleratorLabel": "pool", "allowShared": True}}
    own = experiment(pinned=Pinned(label="pool"), purpose="Baseline", **changes)["spec"]["service"]["accelerator"]

    assert own == {"resource": "nvidia.com/gpu", "count": 1, "label": "pool", "allowShared": True}


def test_asks_for_no_accelerator_where_there_is_none_but_counts_them() -> None:
    accelerator = experiment(configured(tp_size=4), placement={"acceleratorResource": ""})["spec"]["service"][
        "accelerator"
    ]

    assert accelerator == {"resource": "", "count": 4, "allowShared": False}


RUNTIMES_OWN = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
USERS = {"key": "team", "operator": "Equal", "value": "ml"}


@pytest.mark.parametrize(
    ("own", "users", "want"),
    [
        ([RUNTIMES_OWN], [], None),
        ([], [USERS], [USERS]),
        ([RUNTIMES_OWN], [USERS], [RUNTIMES_OWN, USERS]),
    ],
    ids=["without the user's, OME keeps the runtime's", "the user's alone", "both, since OME replaces the list whole"],
)
def test_tolerations(own: list[Object], users: list[Object], want: list[Object] | None) -> None:
    body = experiment(live=make_runtime(tolerations=own), placement={"tolerations": users})

    assert body["spec"]["service"].get("tolerations") == want


def test_shared_objects_say_for_whom_they_were_made() -> None:
    task, other = make_task(), make_task("other")
    body = {**make_model(), "metadata": {"name": "llama", "annotations": {"kept": "yes"}}}

    marked = experiment_spec.mark_created_for(body, task)

    assert marked["metadata"]["annotations"] == {"kept": "yes", "autotuner.io/created-for": "uid-chat"}
    assert "ownerReferences" not in marked["metadata"]
    assert experiment_spec.created_by(marked, task)
    assert not experiment_spec.created_by(marked, other)
    assert not experiment_spec.created_by(make_model(), task)


def test_a_repeat_of_what_a_retry_measured_is_no_retry() -> None:
    common = ingredients(None, Pinned(), {})
    first = ExperimentSpec.model_validate(experiment(configured(tp_size=2))["spec"])
    again = ExperimentSpec.model_validate(experiment_spec.retry(common, first, index=2, of="chat-1")["spec"])

    repeat = experiment_spec.repeat(common, again, index=3, block=1, ladder=[8])

    assert "retryOf" not in repeat["spec"]


def test_says_all_that_its_cluster_demands() -> None:
    pod = {
        "image": "my/benchmark:3",
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": "Platform",
    }
    own = {"labels": {"cost-centre": "4711"}, "annotations": {"karpenter.sh/do-not-disrupt": "true"}}
    engine = {"apiKeySecret": {"name": "key", "key": "token"}, "servedModelName": "base"}
    spec = experiment(runtime=engine, placement=own, benchmark={"pod": pod})["spec"]

    assert spec["benchmark"]["pod"] == pod
    assert (own | engine).items() <= spec["service"].items()
