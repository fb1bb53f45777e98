"""What is read on an engine's page of metrics, and what a level keeps of it."""

from __future__ import annotations

import pytest

from autotuner import engines
from autotuner.api.experiment import EngineFigures
from autotuner.benchmark.contract.spec import EngineMetrics
from autotuner.benchmark.runner import engine_doubts
from autotuner.benchmark.runner.engine_metrics import EngineWatch, Metrics, figures, parsed
from tests.unit.benchmark.contract.test_result import level

PAGE = """\
# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a } b 7"} 3.0
vllm:num_requests_running{engine="1",model_name="tiny"} 4.0 1764550000000
vllm:num_requests_running_more{engine="0"} 99
vllm:kv_cache_usage_perc 0.25
vllm:broken{engine="0"} many
vllm:nothing{engine="0"} NaN
"""
NAMES = EngineMetrics(
    preemptions=("lost",),
    kv_use=("used", "used_before"),
    running=("running",),
    waiting=("waiting",),
    prompt_tokens=("asked",),
    cached_tokens=("had",),
    drafted_tokens=("drafted",),
    accepted_tokens=("right",),
    acceptance=("rate",),
)


def test_a_page_is_read() -> None:
    wanted = ("vllm:num_requests_running", "vllm:kv_cache_usage_perc", "vllm:broken", "vllm:nothing", "vllm:absent")
    assert parsed(PAGE, wanted) == {"vllm:num_requests_running": [3.0, 4.0], "vllm:kv_cache_usage_perc": [0.25]}


PAGES: list[Metrics] = [
    {"lost": [1.0], "used_before": [0.0, 0.5], "running": [0.0], "waiting": [0.0], "asked": [100.0], "had": [50.0]},
    {"lost": [2.0], "used_before": [0.5, 1.0], "running": [2.0, 4.0], "waiting": [3.0]},
    {"lost": [3.0], "used_before": [0.25, 0.5], "running": [4.0], "waiting": [1.0]},
    {"lost": [4.0], "used_before": [0.0, 1.0], "running": [0.0], "waiting": [0.0], "asked": [300.0], "had": [60.0]},
]


def test_counters_grow_within_a_level_and_gauges_have_a_mean_and_a_peak() -> None:
    assert figures(PAGES, NAMES) == EngineFigures(
        preemptions=3,
        kv_use_mean=0.5625,
        kv_use_peak=0.75,
        running_mean=5.0,
        running_peak=6.0,
        waiting_mean=2.0,
        waiting_peak=3.0,
        prefix_hit_share=0.05,
    )


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([], None),
        ([{"other": [1.0]}], None),
        ([{"lost": [7.0]}, {"lost": [2.0]}], EngineFigures(preemptions=2)),
        ([{"lost": [0.0]}, {"lost": [0.0]}], EngineFigures(preemptions=0)),
        ([{"asked": [5.0], "had": [5.0]}] * 2, None),
        ([{"drafted": [0.0], "right": [0.0]}, {"drafted": [8.0], "right": [6.0]}], EngineFigures(acceptance=0.75)),
        ([{"rate": [0.0]}, {"rate": [0.5]}, {"rate": [0.0]}], EngineFigures(acceptance=0.5)),
        ([{"rate": [0.0]}] * 3, None),
    ],
    ids=["nothing", "unknown", "began anew", "none lost", "nothing asked", "drafts", "a gauge of drafts", "no drafts"],
)
def test_what_an_engine_does_not_tell_is_absent(pages: list[Metrics], found: EngineFigures | None) -> None:
    assert figures(pages, NAMES) == found


def test_a_level_is_watched_from_its_first_page_to_its_last() -> None:
    pages = iter(["lost 5\n", "lost 6\n", "lost 9\n"])
    watch = EngineWatch(lambda: next(pages), NAMES)
    watch.begin()
    watch.begin()

    assert watch.end() == EngineFigures(preemptions=3), "what was before the level does not count"
    assert watch.end() is None


def test_an_engine_without_metrics_is_not_asked_again_and_again() -> None:
    asked: list[int] = []
    watch = EngineWatch(lambda: asked.append(1), NAMES)
    watch.begin()
    assert (watch.end(), asked) == (None, [1])


@pytest.mark.parametrize("name", ["SGLang", "VLLM", "Custom"])
def test_every_engine_has_names_for_what_limits_it(name: engines.EngineName) -> None:
    names = engines.get(name).metric_names
    assert all((names.preemptions, names.kv_use, names.running, names.waiting, names.prompt_tokens))


@pytest.mark.parametrize(
    ("said", "shares", "words"),
    [
        (EngineFigures(prefix_hit_share=0.4), False, "the prefix cache had 40% of the prompts' tokens"),
        (EngineFigures(prefix_hit_share=0.4), True, ""),
        (EngineFigures(prefix_hit_share=0.05, preemptions=3), False, ""),
        (EngineFigures(preemptions=2000), False, "preempted requests 2000 times"),
        (None, False, ""),
    ],
)
def test_what_makes_a_figure_doubtful_is_told(said: EngineFigures | None, shares: bool, words: str) -> None:
    one = level("chat", 8).model_copy(update={"engine": said})
    told = " ".join(engine_doubts.of_level(one, "chat at concurrency 8", shares))
    assert words in told and bool(words) == bool(told)
