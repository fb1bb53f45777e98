"""Where the baseline lies in the space, and that what it measured is not measured again."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import measurements
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from tests.unit.builders import condition
from tests.unit.task_builders import Ending, Story, ending, make_task, observed, reaching, started

# The runtime's own: --tp-size=1 --mem-fraction-static=0.9.
TWO: list[Object] = [{"name": "tp-size", "values": [1, 2]}, {"name": "mem-fraction-static", "values": [0.8, 0.9]}]
SPECULATION: Object = {
    "name": "speculation",
    "variants": [
        {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"]},
        {"name": "none", "env": [{"name": "DRAFTS", "value": "0"}]},
    ],
}


def point(*parameters: Object, args: list[str], **spec: Any) -> tuple[Configuration | None, list[Configuration]]:
    """The configuration that a baseline of these arguments is, and what it is near to."""
    story = Story(started(parameters=list(parameters), baseline={"args": args}, **spec))
    story.run_experiments(reaching(1000))
    seen = observed(story.task, story.experiments)
    return seen.today, seen.beside_today


POLICY: Object = {"name": "schedule-policy", "choices": ["lpm", "fcfs"]}
MIXED: Object = {"name": "enable-mixed-chunk", "toggle": True}
CHUNK: Object = {"name": "chunked-prefill-size", "values": [2048, 8192]}

SAME: list[tuple[str, list[Object], list[str], Object, Object]] = [
    ("the runtime's own", TWO, [], {}, {"tp-size": 1, "mem-fraction-static": 0.9}),
    (
        "other spellings",
        TWO,
        ["--tp", "2", "--mem-fraction-static=0.80"],
        {},
        {"tp-size": 2, "mem-fraction-static": 0.8},
    ),
    ("a known default, left out", [*TWO, POLICY], [], {}, {"schedule-policy": "fcfs"}),
    ("a known default, said", TWO, ["--schedule-policy=fcfs"], {}, {"tp-size": 1}),
    ("a switch that is off", [*TWO, MIXED], [], {}, {"enable-mixed-chunk": False}),
    ("a switch that is on", [*TWO, MIXED], ["--enable-mixed-chunk"], {}, {"enable-mixed-chunk": True}),
    ("unset, where that is a choice", [*TWO, {**CHUNK, "allowUnset": True}], [], {}, {"tp-size": 1}),
    (
        "a parameter that is inactive",
        [*TWO, {**CHUNK, "when": "p.tp_size > 1"}],
        [],
        {},
        {"tp-size": 1, "mem-fraction-static": 0.9},
    ),
    (
        "words",
        [TWO[1]],
        ["--tp-size=2"],
        {"parallelism": {"tensor": [1, 2], "data": [1, 2]}},
        {"parallelism.tensor": 2},
    ),
    ("a variant", [*TWO, SPECULATION], ["--speculative-algorithm=NGRAM"], {}, {"speculation": "ngram"}),
    (
        "a variant of variables",
        [*TWO, SPECULATION],
        [],
        {"runtime": {"env": [{"name": "DRAFTS", "value": "0"}]}},
        {"speculation": "none"},
    ),
    ("beside fixed flags", TWO, [], {"runtime": {"extraArgs": ["--page-size=16"]}}, {"tp-size": 1}),
]


@pytest.mark.parametrize(
    ("parameters", "args", "spec", "expected"), [row[1:] for row in SAME], ids=[row[0] for row in SAME]
)
def test_is_a_configuration(parameters: list[Object], args: list[str], spec: Object, expected: Object) -> None:
    found, beside = point(*parameters, args=args, **spec)
    assert found is not None
    assert found.items() >= expected.items()
    assert beside == []


OTHER: list[tuple[str, list[Object], list[str], Object | None]] = [
    ("a value that is not searched", TWO, ["--mem-fraction-static=0.83"], {"tp-size": 1, "mem-fraction-static": 0.8}),
    ("another flag", TWO, ["--page-size=16"], {"tp-size": 1, "mem-fraction-static": 0.9}),
    ("a default that depends on the accelerator", [*TWO, CHUNK], [], {"tp-size": 1, "mem-fraction-static": 0.9}),
    ("no variant", [*TWO, SPECULATION], [], {"tp-size": 1, "mem-fraction-static": 0.9}),
    ("hardly known at all", [TWO[0], CHUNK, {"name": "page-size", "values": [1, 16]}], [], None),
]


@pytest.mark.parametrize(("parameters", "args", "expected"), [row[1:] for row in OTHER], ids=[row[0] for row in OTHER])
def test_is_none_of_the_space_but_near_one(parameters: list[Object], args: list[str], expected: Object | None) -> None:
    found, beside = point(*parameters, args=args)
    assert found is None
    assert [one.items() >= (expected or {}).items() for one in beside] == [True] * (expected is not None)


def test_is_not_known_before_it_counts() -> None:
    assert observed(make_task(baseline=None)).today is None
    story = Story(started(baseline=None))
    story.step()
    story.end(ending("Evicted"))
    assert observed(story.task, story.experiments).today is None


def records(ending: Ending) -> list[Record]:
    story = Story(started(baseline=None))
    story.run_experiments(ending)
    seen = observed(story.task, story.experiments)
    return measurements.for_search(seen.measured)


class TestItsRecord:
    def test_is_that_of_the_configuration(self) -> None:
        (record,) = records(reaching(1000))
        assert dict(record.configuration or {}) == {"tp-size": 1, "mem-fraction-static": 0.9}
        assert (record.outcome, record.values) == ("value", (1000.0,))

    def test_tells_a_crash_too(self) -> None:
        (record,) = records(ending("OutOfMemory"))
        assert record.outcome == "crash"

    def test_is_none_while_it_will_be_measured_again(self) -> None:
        assert records(ending("Evicted")) == []


class TestATask:
    def test_measures_all_but_the_baseline(self) -> None:
        story = Story(started(baseline=None, search={"maxExperiments": 9}))
        plan = story.run_experiments(*map(reaching, (1000, 1, 2, 3)))

        assert story.parameters == [[], ["1", "0.8"], ["2", "0.8"], ["2", "0.9"]]
        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")
        assert plan.status.experiments is not None
        assert plan.status.experiments.summary == "3/3"

    def test_does_not_measure_a_start_point_that_is_the_baseline(self) -> None:
        points = [{"args": ["--tp-size=1"]}, {"args": ["--tp=2", "--mem-fraction-static=0.9"]}]
        story = Story(started(baseline=None, search={"startPoints": points}))
        story.run_experiments(reaching(1000), reaching(1))

        assert story.parameters == [[], ["2", "0.9"], ["1", "0.8"]]
        assert [one["spec"]["purpose"] for one in story.experiments] == ["Baseline", "Start", "Search"]

    def test_confirms_against_the_baseline_as_ever(self) -> None:
        story = Story(started(baseline=None, search={"maxExperiments": 1, "confirm": {"top": 1, "maxRepeats": 2}}))
        story.run_experiments(reaching(1000), reaching(900))
        while not story.over:
            story.end(reaching(1000))
            plan = story.step()

        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-0"

    def test_with_nothing_else_to_measure_says_so(self) -> None:
        only = [{"name": "tp-size", "values": [1]}]
        story = Story(started(baseline=None, parameters=only))
        plan = story.run_experiments(reaching(1000))

        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")
        assert "nothing but the baseline was measured" in (plan.status.message or "")
