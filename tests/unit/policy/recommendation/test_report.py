"""The report's beginning at the end of whole tasks: it says no more than what was measured."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from tests.unit.builders import make_level, merged
from tests.unit.task_builders import Ending, Story, ending, reaching, started

TODAY = {"args": ["--mem-fraction-static=0.85"]}
HARD = {"metric": "TTFT", "max": "500ms"}
SOFT = {"metric": "TTFT", "max": "100ms", "enforcement": "Soft", "weight": 0.01, "steepness": 10}
LATE = ending("Completed", make_level(throughput=1300, ttft=0.9))


def recommendation(*search: Ending, again: Mapping[str, Ending] | None = None, repeats: int = 4, **spec: Any) -> Object:
    """The files of a task whose baseline and experiments end like that, and repeats by the name of what they repeat."""
    confirm = {"search": {"maxExperiments": max(1, len(search) - 1), "confirm": {"top": 2, "maxRepeats": repeats}}}
    story = Story(started(**merged({"baseline": TODAY, **confirm}, spec)))
    story.run_experiments(*search)
    while not story.over:
        story.end((again or {})[repeated(story)])
        story.step()
    written = story.plans[-1].write_recommendation
    assert written is not None
    found: Object = written["data"]
    return found


def report(*search: Ending, **more: Any) -> str:
    """The report of such a task."""
    text: str = recommendation(*search, **more)["report.md"]
    return text


def repeated(story: Story) -> str:
    """The name of what is being repeated."""
    args = story.experiments[-1]["spec"]["service"]["args"]
    return next(one for one in story.experiments if one["spec"]["service"]["args"] == args)["metadata"]["name"]


def levels(*ttft: float) -> Ending:
    """Its levels at 8, 16, ... users, with these P99s in seconds."""
    return ending("Completed", *(make_level(8 * 2**place, ttft=one) for place, one in enumerate(ttft)))


USERS: Object = {"objectives": [{"metric": "MaxConcurrency"}], "benchmark": {"concurrency": [8, 16]}, "slos": [HARD]}

CASES: list[tuple[str, str, list[str], list[str]]] = [
    (
        "an improvement",
        report(reaching(1000), reaching(1300), again={"chat-0": reaching(1000), "chat-1": reaching(1310)}),
        ["# chat: 1310 tok/s, +31.0% over the baseline", "`chat-1` has the best OutputThroughput, at scenario chat"],
        ["keeps the SLOs", "Breaks soft", "Keep the SLOs"],
    ),
    (
        "a number of users between two levels, whose figures are those of the lower one",
        report(levels(0.3, 0.9), levels(0.2, 0.6), repeats=0, **USERS),
        [
            "has the best MaxConcurrency that keeps the SLOs, at the first broken SLO (all other figures are those of"
            " concurrency 8, the last level within).",
        ],
        ["or more"],
    ),
    (
        "a number of users at the end of the ladder",
        report(levels(0.3, 0.9), levels(0.2, 0.4), repeats=0, **USERS),
        ["# chat: 16 users or more", "at scenario chat, concurrency 16."],
        ["the first broken SLO"],
    ),
    (
        "a promise that was kept",
        report(reaching(1000), reaching(1300), repeats=0, slos=[HARD]),
        ["has the best OutputThroughput that keeps the SLOs, at", "| Keep the SLOs |"],
        ["Breaks soft"],
    ),
    (
        "a soft promise that is broken",
        report(reaching(1000), reaching(1300), repeats=0, slos=[HARD, SOFT]),
        [
            "has the best OutputThroughput that keeps the hard SLOs, at",
            "**Breaks soft SLOs**: TTFT P99 200ms at chat x 8, above 100ms by ",
            "| Keep the hard SLOs |",
        ],
        ["that keeps the SLOs"],
    ),
    (
        "a gain of many times",
        report(reaching(10), reaching(1000), repeats=0),
        ["# chat: 1000 tok/s, 100 times the baseline"],
        [],
    ),
    (
        "nothing but the baseline",
        report(ending("Completed", make_level(throughput=1000)), ending("EngineCrashed", reproducible=True), repeats=0),
        ["# chat: the baseline stays, 1000 tok/s", "stays: nothing else that was measured gave a result."],
        ["Measured again", "has the best"],
    ),
    (
        "nothing that is better",
        report(reaching(1000), reaching(900), repeats=0),
        ["`chat-0`, what runs today, stays: nothing that was measured is better. Its value is that of"],
        ["measured again,", "has the best"],
    ),
    (
        "a leader that was only lucky",
        report(reaching(1000), reaching(1300), again={"chat-0": reaching(1000), "chat-1": reaching(1001)}, repeats=2),
        [
            "`chat-0`, what runs today, stays: measured again, nothing was better than it by more than the noise.",
            "The best of the others is `chat-1`, 1001 tok/s: its gain is between",
            "Verdict **NoSignificantDifference**: Keep what runs today.",
            "| chat-1 |",
        ],
        ["has the best", "changing is optional", "1300 tok/s"],
    ),
    (
        "repeats that broke the SLOs",
        report(
            *(reaching(1000), reaching(1300)),
            again={"chat-0": reaching(1000), "chat-1": LATE},
            slos=[HARD],
        ),
        ["Verdict **Unconfirmed**"],
        ["has the best"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "there", "absent"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_says_of(text: str, there: list[str], absent: list[str]) -> None:
    assert [words for words in there if words not in text] == [], text
    assert [words for words in absent if words in text] == [], text


def test_a_best_guess_is_optional() -> None:
    rising = iter((980, 1200, 1100, 1300))
    falling = iter((1000, 990, 1100, 1050))
    text = report(
        *(reaching(1000), reaching(1100)),
        again={
            "chat-0": lambda body: reaching(next(falling))(body),
            "chat-1": lambda body: reaching(next(rising))(body),
        },
    )

    assert "# chat: " in text
    assert "It is the best guess." in text
    assert "within the noise, so changing is optional. The gain is between -" in text


def test_flags_are_judged_by_repeats_where_there_are_any() -> None:
    parameters = [{"name": "tp-size", "values": [1]}, {"name": "schedule-policy", "choices": ["fcfs", "lpm"]}]
    text = report(
        *(reaching(1000), reaching(1200), reaching(1500)),
        again={"chat-0": reaching(1000), "chat-1": reaching(1200), "chat-2": reaching(1320)},
        parameters=parameters,
        baseline={"args": ["--tp-size=2", "--schedule-policy=fcfs"]},
    )

    assert "| schedule-policy | lpm | fcfs | +10.0% | measured: chat-1 differs in this only |" in text


def test_names_repeats_that_broke_the_slos() -> None:
    endings = iter((LATE, reaching(1300), reaching(1310)))
    text = report(
        *(reaching(1000), reaching(1300)),
        again={"chat-0": reaching(1000), "chat-1": lambda body: next(endings)(body)},
        repeats=3,
        slos=[HARD],
    )

    assert " Of its 3 repeats, 1 broke the SLOs or failed." in text


def test_several_scenarios_are_all_told() -> None:
    def traffic(chat: float, rag: float) -> Ending:
        return ending("Completed", make_level(throughput=chat), make_level(throughput=rag, scenario="rag", ttft=0.4))

    scenarios = [{"name": "chat", "load": "D(100,250)", "weight": 3}, {"name": "rag", "load": "D(1000,50)"}]
    changes: Object = {"benchmark": {"scenarios": scenarios}, "slos": [{**HARD, "statistic": "P95"}]}
    text = report(traffic(1000, 100), traffic(1300, 200), repeats=0, **changes)

    assert "that keeps the SLOs, at concurrency 8, weighted over scenarios chat (3), rag (1)." in text
    assert "| Scenario | Weight | OutputThroughput | TTFT P95 | TTFT P99 | TPOT P99 |" in text
    assert "| chat | 3 | 1300 tok/s | " in text
    assert "| rag | 1 | 200 tok/s | " in text
    assert " 400 ms | 10.0 ms |" in text


def test_repeats_are_told_at_the_level_that_counts() -> None:
    def climbed(low: float, high: float) -> Ending:
        return ending("Completed", make_level(4, throughput=low), make_level(8, throughput=high))

    # In the second block 4 is the better level, in both together 8 is.
    baseline, leader = (iter([climbed(600, 1000), climbed(950, 900)]), iter([climbed(700, 1500), climbed(1450, 1400)]))
    written = recommendation(
        climbed(600, 1000),
        climbed(1600, 800),
        again={"chat-0": lambda body: next(baseline)(body), "chat-1": lambda body: next(leader)(body)},
        repeats=2,
        benchmark={"concurrency": [4, 8]},
    )
    rows = [row for row in csv.DictReader(io.StringIO(written["experiments.csv"])) if row["purpose"] == "Confirm"]

    assert {row["concurrency"] for row in rows} == {"8"}
    assert sorted(float(row["objective.OutputThroughput"]) for row in rows) == [900, 1000, 1400, 1500]
    assert "at scenario chat, concurrency 8." in written["report.md"]
