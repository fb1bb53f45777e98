"""What preflight says of the accelerators that a task asks for, on nodes as labellers describe them."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.task import TaskSpec
from autotuner.backend_choice import DEFAULT as OME
from autotuner.kubernetes_object import Object
from autotuner.policy import preflight
from autotuner.policy.preflight import Surroundings, check, warnings
from autotuner.policy.target_spec import with_target
from autotuner.serving import accelerators
from autotuner.validation_messages import Finding, Kind
from testbed.node.accelerators import DESCRIBED
from tests.unit.serving.lws.sets import BACKEND, RAY, TARGET, data_of
from tests.unit.task_builders import live_model, make_spec, make_task, shipped

THROUGHPUT: Object = {"metric": "OutputThroughput"}

SMALL = "nvidia.com/mig-1g.10gb"
SLICES: Object = {"acceleratorResource": SMALL}
ONE: Object = {"parameters": [{"name": "mem-fraction-static", "values": [0.8, 0.9]}]}


def told(described: list[str], changes: Object) -> tuple[list[Finding], list[Finding]]:
    """What is wrong, and what may mislead, with the nodes that are described so."""
    spec = make_spec(**changes)
    asked = spec.placement
    nodes = [DESCRIBED[one].node(f"node-{number}") for number, one in enumerate(described)]
    fleet = accelerators.fleet(nodes, asked.accelerator_resource, {}, label=asked.accelerator_label or "")
    around = Surroundings(OME, live_model(), None, fleet=fleet)
    return check(spec, shipped(), around), warnings(spec, shipped(), around)


WRONG: list[tuple[str, list[str], Object, str, Kind, Object]] = [
    (
        "GPUs shared in time",
        ["two whole GPUs", "time slicing"],
        {},
        "placement.allowShared",
        Kind.ACCELERATORS_SHARED,
        {"node": "node-1"},
    ),
    ("GPUs shared by MPS", ["MPS"], {}, "placement.allowShared", Kind.ACCELERATORS_SHARED, {}),
    (
        "a renamed resource",
        ["time slicing, renamed"],
        {"placement": {"acceleratorResource": "nvidia.com/gpu.shared"}},
        "placement.allowShared",
        Kind.ACCELERATORS_SHARED,
        {},
    ),
    (
        "shared slices",
        ["MIG mixed, slices shared"],
        {"placement": SLICES, **ONE},
        "placement.allowShared",
        Kind.ACCELERATORS_SHARED,
        {},
    ),
    (
        "tensor parallelism over slices",
        ["MIG mixed"],
        {"placement": SLICES},
        "parameters[tp-size].values",
        Kind.SPREAD_OVER_SLICES,
        {"what": "tp-size 2", "profile": "1g.10gb"},
    ),
    (
        "tensor parallelism over slices that no node has yet",
        [],
        {"placement": SLICES},
        "parameters[tp-size].values",
        Kind.SPREAD_OVER_SLICES,
        {},
    ),
    (
        "pipeline parallelism over slices under the name of GPUs",
        ["MIG single"],
        {"parameters": [{"name": "pp-size", "range": {"min": 1, "max": 3, "step": 1, "type": "Integer"}}]},
        "parameters[pp-size].range",
        Kind.SPREAD_OVER_SLICES,
        {"what": "pp-size 2, 3", "profile": "3g.40gb"},
    ),
    (
        "tensor parallelism in a word",
        ["GKE, slices"],
        {**ONE, "parallelism": {"tensor": [1, 2]}},
        "parallelism.tensor",
        Kind.SPREAD_OVER_SLICES,
        {"what": "tensor 2"},
    ),
    (
        "tensor parallelism in a variant",
        ["MIG single"],
        {"parameters": [{"name": "spread", "variants": [{"name": "two", "args": ["--tp-size=2"]}]}]},
        "parameters[spread].variants[0].args",
        Kind.SPREAD_OVER_SLICES,
        {"what": "variant two"},
    ),
    (
        "a baseline over slices",
        ["MIG single"],
        {**ONE, "baseline": {"args": ["--tp-size=2"]}},
        "baseline.args",
        Kind.SPREAD_OVER_SLICES,
        {"what": "2 accelerators"},
    ),
    (
        "GPU-hours of engines without",
        [],
        {"placement": {"acceleratorResource": ""}, "budget": {"maxGPUHours": 1}},
        "budget.maxGPUHours",
        Kind.NO_GPU_HOURS,
        {},
    ),
    (
        "GPUs of engines without",
        [],
        {"placement": {"acceleratorResource": ""}, "search": {"maxGPUs": 4}},
        "search.maxGPUs",
        Kind.NO_GPUS,
        {},
    ),
]


@pytest.mark.parametrize(
    ("described", "changes", "field", "kind", "details"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong(described: list[str], changes: Object, field: str, kind: Kind, details: Object) -> None:
    found, _ = told(described, changes)

    assert [(one.field, one.kind) for one in found] == [(field, kind)]
    assert {**found[0].details, **details} == found[0].details


DOUBTFUL: list[tuple[str, list[str], Object, list[tuple[str, Kind]]]] = [
    ("whole GPUs", ["two whole GPUs"], {}, []),
    ("GPUs of AMD", ["AMD"], {"placement": {"acceleratorResource": "amd.com/gpu"}}, []),
    ("no nodes at all", [], {}, []),
    (
        "GPUs that are shared knowingly",
        ["two whole GPUs", "time slicing"],
        {"placement": {"allowShared": True}},
        [("placement.allowShared", Kind.ACCELERATORS_SHARED_KNOWINGLY)],
    ),
    (
        "experiments side by side on GPUs that are shared",
        ["time slicing"],
        {"placement": {"allowShared": True}, "search": {"parallelExperiments": 2, "strategy": "Random"}},
        [
            ("placement.allowShared", Kind.ACCELERATORS_SHARED_KNOWINGLY),
            ("search.parallelExperiments", Kind.EXPERIMENTS_SHARE_ACCELERATORS),
        ],
    ),
    (
        "profiles that cannot be handed out",
        ["two whole GPUs", "MIG single, different profiles"],
        {},
        [("placement.acceleratorResource", Kind.MIG_INVALID)],
    ),
    (
        "a resource that no node has",
        ["AMD"],
        {},
        [("placement.acceleratorResource", Kind.RESOURCE_NOWHERE)],
    ),
    (
        "a resource that is misspelt",
        ["two whole GPUs"],
        {"placement": {"acceleratorResource": "nvidia.com/gpus"}},
        [("placement.acceleratorResource", Kind.RESOURCE_MISSPELT)],
    ),
    ("nodes that say nothing", ["unlabelled"], {}, [("placement.acceleratorLabel", Kind.ACCELERATORS_UNTOLD)]),
    (
        "nodes without the user's label",
        ["two whole GPUs"],
        {"placement": {"acceleratorLabel": "pool"}},
        [("placement.acceleratorLabel", Kind.ACCELERATORS_UNTOLD)],
    ),
    (
        "a node of two models",
        ["AMD, two models"],
        {"placement": {"acceleratorResource": "amd.com/gpu"}},
        [("placement.acceleratorResource", Kind.ACCELERATORS_MIXED)],
    ),
    (
        "figures per GPU of engines without",
        [],
        {"placement": {"acceleratorResource": ""}, "objectives": [{"metric": "OutputThroughputPerGPU"}]},
        [("objectives[0].metric", Kind.FIGURE_PER_NO_GPU)],
    ),
]


@pytest.mark.parametrize(
    ("described", "changes", "want"), [row[1:] for row in DOUBTFUL], ids=[row[0] for row in DOUBTFUL]
)
def test_what_may_mislead(described: list[str], changes: Object, want: list[tuple[str, Kind]]) -> None:
    wrong, found = told(described, changes)

    assert wrong == []
    assert [(one.field, one.kind) for one in found] == want


@pytest.mark.parametrize(
    ("described", "placement", "fits"),
    [
        (["MIG mixed"], SLICES, False),  # 10 GB, although nvidia.com/gpu.memory says 80
        (["MIG mixed"], {"acceleratorResource": "nvidia.com/mig-3g.40gb"}, True),
        (["two whole GPUs"], {}, True),
        (["AMD, partitions"], {"acceleratorResource": "amd.com/gpu"}, True),
        (["unlabelled"], {}, True),  # unknown forbids nothing
    ],
)
def test_weights_must_fit_into_what_the_resource_has(described: list[str], placement: Object, fits: bool) -> None:
    changes: Object = {**ONE, "placement": placement}
    changes["model"] = {"preset": None, "custom": {"name": "own", "spec": {"modelParameterSize": "8B"}}}
    spec = make_spec(**changes)
    nodes = [DESCRIBED[one].node() for one in described]
    fleet = accelerators.fleet(nodes, spec.placement.accelerator_resource, {})
    body: dict[str, Any] = {**live_model()}
    body["spec"] = {**body["spec"], "modelParameterSize": "8B"}
    found = check(spec, shipped(), Surroundings(OME, body, None, fleet=fleet))

    assert [one.kind for one in found] == ([] if fits else [Kind.SPACE_EMPTY])


@pytest.mark.parametrize(("model", "kinds"), [({}, [Kind.SPACE_EMPTY]), ({"allowLargeWeights": True}, [])])
def test_weights_that_seem_too_large_are_tried_if_the_task_says_so(model: Object, kinds: list[Kind]) -> None:
    live = live_model()
    live["spec"]["modelParameterSize"] = "900B"
    spec = make_spec(model=model)
    fleet = accelerators.fleet([DESCRIBED["two whole GPUs"].node("node-a")], "nvidia.com/gpu", {})

    found = check(spec, shipped(), Surroundings(OME, live, None, fleet=fleet))

    assert [one.kind for one in found] == kinds


class TestSpreadOverPods:
    """A group of two pods, each of which can have two GPUs."""

    def spec(self, degrees: list[int], extra: list[str], **more: Object) -> TaskSpec:
        parameters = [{"name": "tensor-parallel-size", "values": degrees}]
        target = {**TARGET, "extraArgs": extra}
        body = make_task(target=target, parameters=parameters, objectives=[THROUGHPUT], **more)["spec"]
        del body["model"], body["runtime"]
        return with_target(TaskSpec.model_validate(body), data_of(RAY))

    def around(self) -> Surroundings:
        fleet = accelerators.fleet([DESCRIBED["two whole GPUs"].node("node-a")], "nvidia.com/gpu", {})
        return Surroundings(BACKEND, {"spec": {}, "metadata": {"name": "m"}, "kind": "Model"}, None, fleet=fleet)

    @pytest.mark.parametrize(("pipeline", "degrees"), [(2, [1, 2, 4]), (1, [1, 2, 3, 4])])
    def test_configurations_are_those_that_pods_on_nodes_can_hold(self, pipeline: int, degrees: list[int]) -> None:
        spec, around = self.spec(degrees, [f"--pipeline-parallel-size={pipeline}"]), self.around()
        engine = preflight.engine(spec, shipped(), around)
        assert engine is not None
        assert preflight.space(spec, shipped(), around, engine).size == 2, "2 or 4 GPUs in all"

    @pytest.mark.parametrize(("degree", "even"), [(1, False), (2, True), (3, False)])
    def test_a_baseline_that_pods_cannot_share_is_refused(self, degree: int, even: bool) -> None:
        args = [f"--tensor-parallel-size={degree}"]
        spec = self.spec([2, 4], ["--pipeline-parallel-size=1"], baseline={"args": args})
        found = [one for one in check(spec, shipped(), self.around()) if one.kind == Kind.ACCELERATORS_UNEVEN]
        expected = [] if even else [("baseline.args", {"count": degree, "pods": 2})]
        assert [(one.field, one.details) for one in found] == expected
