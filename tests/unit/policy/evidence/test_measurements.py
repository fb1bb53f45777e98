"""From experiments to what the search is told, and when two may be compared."""

from __future__ import annotations

import math
from typing import Any

import pytest

from autotuner.api.experiment import Level
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.measurements import Readings
from autotuner.policy.experiment import fingerprint
from autotuner.search.experiment_record import BoundaryRecord, Record
from autotuner.search.space.configuration import Configuration
from tests.unit.builders import make_experiment, make_level, make_model, make_runtime, merged, seen
from tests.unit.task_builders import ended, make_space, make_spec, running

SPEC = make_spec(slos=[{"metric": "TTFT", "max": "500ms"}])
SPACE = make_space(SPEC)


def tried(name: str = "chat-1", tp: int = 1, mem: str = "0.8", **spec: Any) -> Object:
    parameters = [{"name": "tp-size", "value": str(tp)}, {"name": "mem-fraction-static", "value": mem}]
    return make_experiment(name, **{"parameters": parameters, **spec})


def read(*experiments: Object) -> list[measurements.Measured]:
    return Readings().read(experiments, SPEC, SPACE)


def hashed(image: str = "sha256:1", product: str | None = "H100", **state: Any) -> str:
    world = seen(**state)
    deployed = fingerprint.hashes(world.model, world.runtime)
    assert deployed is not None
    return fingerprint.fingerprint(world.spec, deployed, image, product)


OTHER_MODEL = make_model()
OTHER_MODEL["spec"] = {**OTHER_MODEL["spec"], "storage": {"path": "/elsewhere"}}

DIFFERENT: list[tuple[str, Object]] = [
    ("another model", {"model": OTHER_MODEL}),
    ("another runtime", {"runtime": make_runtime(args=["--x"])}),
    ("another image", {"image": "sha256:2"}),
    ("another accelerator", {"product": "A100"}),
    ("other arguments", {"experiment": make_experiment(service={"args": ["--tp-size=4"]})}),
    ("another count", {"experiment": make_experiment(service={"accelerator": {"count": 4}})}),
    ("weights elsewhere", {"experiment": make_experiment(service={"volume": {"claimName": "weights"}})}),
    ("other variables", {"experiment": make_experiment(service={"env": [{"name": "X", "value": "1"}]})}),
    ("another ladder", {"experiment": make_experiment(benchmark={"concurrency": [8, 16]})}),
    ("other requests", {"experiment": make_experiment(benchmark={"requestParams": {"temperature": 1}})}),
]
ALIKE: list[tuple[str, Object]] = [
    ("another registry of the image", {"image": "mirror/engine@sha256:1"}),
    ("another name", {"experiment": make_experiment("other-9")}),
    ("another seed", {"experiment": make_experiment(benchmark={"seed": "another-task"})}),
    ("another block", {"experiment": make_experiment(block=3)}),
    ("other timeouts", {"experiment": make_experiment(timeouts={"queueSeconds": 5})}),
    ("another purpose", {"experiment": make_experiment(purpose="Baseline")}),
    ("another state of the model", {"model": make_model("In_Transit")}),
    (
        "a product that the spec already demands",
        {"experiment": make_experiment(service={"accelerator": {"product": "H100"}})},
    ),
]


@pytest.mark.parametrize("change", [row[1] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_figures_are_not_comparable_with(change: Object) -> None:
    assert hashed(**change) != hashed()


@pytest.mark.parametrize("change", [row[1] for row in ALIKE], ids=[row[0] for row in ALIKE])
def test_figures_are_comparable_in_spite_of(change: Object) -> None:
    assert hashed(**change) == hashed()


def test_the_order_of_flags_means_nothing_and_that_of_their_values_does() -> None:
    one, other, third = (
        hashed(experiment=make_experiment(service={"args": args}))
        for args in (["--a", "1", "2", "--b=3"], ["--b=3", "--a", "1", "2"], ["--a", "2", "1", "--b=3"])
    )

    assert one == other
    assert one != third


OUTCOMES: list[tuple[str, Object, str | None, str | None]] = [
    ("one that has not begun", tried(), None, None),
    ("one under way", running(tried()), None, None),
    (
        "one that has a reason but is not released",
        merged(running(tried()), {"status": {"reason": "Completed"}}),
        None,
        None,
    ),
    ("one that was measured", ended(tried()), "value", "value"),
    (
        "one that breaks the task's SLOs",
        ended(tried(), "SLOViolated", make_level(ttft=0.9)),
        "infeasible",
        "infeasible",
    ),
    ("one whose own SLOs were stricter than the task's", ended(tried(), "SLOViolated"), "value", "value"),
    ("one that lacks a level", ended(tried(), "Completed", make_level(16)), "unknown", "unknown"),
    (
        "one whose ladder was hopeless",
        ended(tried(), "Completed", make_level(4), ladder="StoppedHopeless"),
        "bound",
        "bound",
    ),
    ("one that crashed", ended(tried(), "OutOfMemory"), "crash", "crash"),
    ("one that the environment spoiled", ended(tried(), "QueueTimeout"), "environment", "environment"),
    ("one that stops the task", ended(tried(), "ModelNotReady"), "stop", "environment"),
    ("one that somebody cancelled", ended(tried(), "Cancelled"), "nothing", "environment"),
    ("one that the task withdrew", ended(tried(), "Cancelled", withdrawn=True), "nothing", None),
    ("one that ended before it was withdrawn", ended(tried(), withdrawn=True), "value", "value"),
]


@pytest.mark.parametrize(
    ("experiment", "outcome", "told"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_outcome_of(experiment: Object, outcome: str | None, told: str | None) -> None:
    (one,) = read(experiment)

    assert one.outcome == outcome
    assert [record.outcome for record in measurements.for_search([one])] == ([told] if told else [])


def test_a_record_carries_configuration_and_value() -> None:
    (record,) = measurements.for_search(read(ended(tried(tp=2, mem="0.9"), "Completed", make_level(throughput=700))))

    assert record.configuration == Configuration((("tp-size", 2), ("mem-fraction-static", 0.9)))
    assert (record.values, record.shortfall) == ((700.0,), 0.0)


def test_a_record_of_what_is_infeasible_says_by_how_much() -> None:
    (record,) = measurements.for_search(read(ended(tried(), "SLOViolated", make_level(ttft=0.75))))

    assert record.values == ()
    assert record.shortfall == pytest.approx(0.5)


RUNGS = {"concurrency": [8, 32]}


def told(*levels: Level, objective: str = "OutputThroughput", ladder: str | None = None) -> Record:
    """What the search is told of an experiment of a task with two rungs."""
    spec = make_spec(slos=[{"metric": "TTFT", "max": "500ms"}], objectives=[{"metric": objective}], benchmark=RUNGS)
    experiment = merged(ended(tried(benchmark=RUNGS), "Completed", *levels), {"status": {"ladder": ladder}})
    (record,) = measurements.for_search(Readings().read([experiment], spec, make_space(spec)))
    return record


def test_a_record_carries_every_rung() -> None:
    record = told(make_level(8, throughput=400, ttft=0.25), make_level(32, throughput=900, ttft=1.0))

    assert (record.outcome, record.values, record.boundary) == ("value", (400.0,), None)
    assert [(level.load, level.worths) for level in record.levels] == [(8.0, (400.0,)), (32.0, (900.0,))]
    assert [level.distances for level in record.levels] == [
        pytest.approx((math.log(0.5),)),
        pytest.approx((math.log(2),)),
    ]
    assert [level.kept for level in record.levels] == [True, False]


def test_a_record_of_what_is_infeasible_carries_its_rungs_too() -> None:
    record = told(make_level(8, throughput=400, ttft=0.6))

    assert (record.outcome, record.values) == ("infeasible", ())
    assert [(level.load, level.worths, level.kept) for level in record.levels] == [(8.0, (400.0,), False)]


def test_a_record_of_a_hopeless_ladder_carries_what_was_measured_beside_its_bound() -> None:
    record = told(make_level(8, throughput=400), ladder="StoppedHopeless")

    assert (record.outcome, record.values) == ("bound", (1600.0,))
    assert [(level.load, level.worths) for level in record.levels] == [(8.0, (400.0,))]


@pytest.mark.parametrize(
    ("latencies", "outcome", "boundary"),
    [
        ((0.1, 0.2), "value", BoundaryRecord(32.0, 32.0, math.inf)),
        ((0.25, 0.75), "value", BoundaryRecord(20.0, 8.0, 32.0)),
        ((1.0,), "infeasible", BoundaryRecord(4.0, 0.0, 8.0)),
    ],
    ids=["no rung breaks an SLO", "the second one does", "the first one does"],
)
def test_a_record_of_users_carries_where_they_end(
    latencies: tuple[float, ...], outcome: str, boundary: BoundaryRecord
) -> None:
    levels = [make_level(at, ttft=ttft) for at, ttft in zip((8, 32), latencies, strict=False)]
    record = told(*levels, objective="MaxConcurrency")

    assert (record.outcome, record.boundary) == (outcome, boundary)


@pytest.mark.parametrize("reason", ["OutOfMemory", "QueueTimeout", "Cancelled"])
def test_a_record_of_what_has_no_score_carries_nothing_else(reason: str) -> None:
    (record,) = measurements.for_search(read(ended(tried(), reason)))

    assert record == Record(record.configuration, record.outcome)


def test_a_baseline_is_no_point_of_the_space() -> None:
    measured = read(ended(make_experiment("chat-0", purpose="Baseline")))

    assert measured[0].configuration is None
    assert measured[0].is_baseline
    assert measured[0].score is not None
    assert measurements.for_search(measured) == []


def test_experiments_are_read_in_the_order_of_their_index() -> None:
    names = [one.name for one in read(tried("chat-10"), tried("chat-9"), tried("chat-2"))]

    assert names == ["chat-2", "chat-9", "chat-10"]


@pytest.mark.parametrize(("name", "index"), [("chat-0", 0), ("a-2-b-17", 17)])
def test_the_index_is_the_end_of_the_name(name: str, index: int) -> None:
    assert measurements.index_of(name) == index


class TestReadings:
    """What is finished and unchanged is read once, in the same circumstances."""

    def stored(self, body: Object, version: int) -> Object:
        return merged(body, {"metadata": {"uid": f"uid-{body['metadata']['name']}", "resourceVersion": str(version)}})

    def test_a_finished_experiment_is_read_once(self) -> None:
        readings = Readings()
        over, busy = self.stored(ended(tried()), 1), self.stored(running(tried("chat-2")), 2)

        before = {one.name: one for one in readings.read([over, busy], SPEC, SPACE)}
        after = {one.name: one for one in readings.read([over, busy], SPEC, SPACE)}

        assert [before[name] is after[name] for name in sorted(before)] == [True, False]

    def test_it_is_read_again_when_it_or_the_circumstances_change(self) -> None:
        readings = Readings()
        over = self.stored(ended(tried()), 1)
        (before,) = readings.read([over], SPEC, SPACE)

        (changed,) = readings.read([self.stored(ended(tried(), "OutOfMemory"), 2)], SPEC, SPACE)
        assert changed.outcome == "crash"
        (again,) = readings.read([over], make_spec(slos=[{"metric": "TTFT", "max": "1ms"}]), SPACE)
        assert (before.outcome, again.outcome) == ("value", "infeasible")
