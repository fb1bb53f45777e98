"""What the status says of the best: which flags may have changed the answers, and what mattered."""

from __future__ import annotations

import pytest

from autotuner import engines
from autotuner.policy.recommendation import quality_warning
from tests.unit.task_builders import Story, reaching, started

CASES = [
    ("nothing differs", ["--dtype=bfloat16"], ["--dtype=bfloat16"], []),
    ("only speed", ["--tp-size=2", "--schedule-policy=lpm"], ["--tp-size=1"], []),
    ("a smaller cache", ["--kv-cache-dtype=fp8_e5m2"], [], ["kv-cache-dtype"]),
    ("said otherwise", ["--dtype=float16"], ["--dtype", "bfloat16"], ["dtype"]),
    ("said in another form", ["--dtype=float16"], ["--dtype", "float16"], []),
    ("auto is what nothing means", ["--kv-cache-dtype=auto"], [], []),
    ("taken away", [], ["--quantization=fp8"], ["quantization"]),
    ("several", ["--quantization=fp8", "--kv-cache-dtype=fp8_e4m3"], [], ["kv-cache-dtype", "quantization"]),
]


@pytest.mark.parametrize(("args", "baseline", "changed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_flags_that_change_answers_are_named(args: list[str], baseline: list[str], changed: list[str]) -> None:
    assert quality_warning.changed(engines.get("SGLang"), args, baseline) == changed


def test_the_status_names_them_with_the_best() -> None:
    parameters = [{"name": "kv-cache-dtype", "choices": ["fp8_e5m2", "auto"]}]
    story = Story(started(parameters=parameters, search={"confirm": {"maxRepeats": 0}}))

    story.run_experiments(reaching(1000), reaching(1500))
    assert story.task["status"]["best"]["numericsChanged"] == ["kv-cache-dtype"]
    story.end(reaching(2000))
    story.step()
    assert story.over
    assert "numericsChanged" not in story.task["status"]["best"]


def test_the_end_tells_what_mattered() -> None:
    parameters = [{"name": "tp-size", "values": [1, 2, 4]}, {"name": "schedule-policy", "choices": ["fcfs", "lpm"]}]
    story = Story(started(parameters=parameters, search={"maxExperiments": 6, "confirm": {"maxRepeats": 0}}))

    story.run_experiments(reaching(1000), *(reaching(value) for value in (1000, 1010, 2000, 2020, 4000, 4040)))
    assert story.over
    first, second = story.task["status"]["importance"]
    assert first["name"] == "tp-size"
    assert first["share"] > 0.9 > 0.1 > second["share"]
    assert story.task["status"]["recommendation"] == {"configMap": "chat-best"}
    assert all(plan.write_recommendation is None for plan in story.plans[:-1])
    assert story.plans[-1].write_recommendation is not None


def test_a_task_that_fails_recommends_nothing() -> None:
    story = Story(started(slos=[{"metric": "TTFT", "max": "1ms"}], search={"confirm": {"maxRepeats": 0}}))

    plan = story.run_experiments(reaching(1000), reaching(1000), reaching(1000), reaching(1000))
    assert story.over
    assert plan.write_recommendation is None
    assert "recommendation" not in story.task["status"]
