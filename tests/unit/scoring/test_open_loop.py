"""Goals over a ladder of rates, and the figures that count single requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autotuner.api.experiment import Level
from autotuner.api.goals import Objective, Slo
from autotuner.scoring import Goal, Score, needed_levels, score, stop
from autotuner.scoring.share_interval import attainment
from tests.unit.builders import make_level, make_scenario, make_slo

RATES = (1.0, 2.0, 4.0)
PROMISE = make_slo("Attainment", min="95%")
OF_REQUESTS = Slo(metric="TTFT", max="500ms", per_request=True)


def at(rate: float, share: float = 1.0, *, requests: int = 400, ttft: float = 0.2) -> Level:
    level = make_level(1, ttft=ttft, throughput=250 * rate, requests=requests)
    changes = {
        "concurrency": None,
        "rate": rate,
        "attainment": attainment(share, requests),
        "good_requests_per_second": share * rate,
    }
    return level.model_copy(update=changes)


def goal(objective: Objective, *slos: Slo) -> Goal:
    return Goal([make_scenario()], RATES, [objective], slos, open_loop=True)


def scored(levels: Sequence[Level], objective: Objective, *slos: Slo) -> Score:
    return score(levels, goal(objective, *slos), 1)


FALLING = [at(1, 1.0), at(2, 0.96), at(4, 0.4)]


def test_goodput_is_that_of_the_best_rate() -> None:
    found = scored(FALLING, Objective(metric="Goodput"))
    assert (found.value, found.level) == (pytest.approx(1.92), ("chat", 2.0))


def test_attainment_is_a_promise_like_any_other() -> None:
    found = scored(FALLING, Objective(metric="OutputThroughput"), PROMISE)
    assert (found.value, found.level) == (500, ("chat", 2.0))
    assert needed_levels(FALLING, goal(Objective(metric="OutputThroughput"), PROMISE), 1) == (2.0,)


def test_a_broken_one_is_told_with_its_rate() -> None:
    found = scored([at(1, 0.9), at(2, 0.5), at(4, 0.1)], Objective(metric="Goodput"), PROMISE)
    assert found.outcome == "infeasible"
    assert found.explanation == "Attainment 90.0% at chat x 1 req/s, below 95% by 5%"


def test_attainment_as_an_objective_is_judged_at_one_rate() -> None:
    assert scored(FALLING, Objective(metric="Attainment")).value == pytest.approx(0.4)
    assert scored(FALLING, Objective(metric="Attainment", rate=2)).value == pytest.approx(0.96)
    assert scored(FALLING, Objective(metric="Attainment", rate=3)).explanation == "3 req/s is not on the ladder"


def test_a_limit_of_requests_is_none_of_a_level() -> None:
    slow = [at(rate, 1.0, ttft=9.0) for rate in RATES]
    assert scored(slow, Objective(metric="Goodput"), OF_REQUESTS).value == 4.0


def test_what_was_not_counted_is_no_number() -> None:
    bare = [replace_figures(level) for level in FALLING]
    found = scored(bare, Objective(metric="Goodput"))
    assert (found.outcome, found.explanation[:45]) == ("unknown", "Goodput was not measured at chat x 1 req/s; G")


def replace_figures(level: Level) -> Level:
    return level.model_copy(update={"attainment": None, "good_requests_per_second": None})


def test_a_level_that_is_missing_is_named() -> None:
    assert "chat x 4 req/s was not measured" in scored(FALLING[:2], Objective(metric="TTFT")).explanation


def test_a_ladder_ends_for_goodput_too() -> None:
    found = stop(goal(Objective(metric="Goodput"), PROMISE, OF_REQUESTS), best=3.0)
    assert found is not None
    assert (found.metric, found.threshold, found.slos) == ("Goodput", 3.0, [PROMISE])
    ended = score([at(1, 0.5), at(2, 0.5)], goal(Objective(metric="Goodput")), 1, "StoppedHopeless")
    assert (ended.outcome, ended.values) == ("bound", (pytest.approx(2.0),))


def test_several_scenarios_are_weighted() -> None:
    mix = replace(
        goal(Objective(metric="Attainment", rate=1)), scenarios=[make_scenario(), make_scenario("doc", weight=3)]
    )
    doc = at(1, 0.6).model_copy(update={"scenario": "doc"})
    assert score([at(1, 1.0), doc], mix, 1).value == pytest.approx(0.7)
