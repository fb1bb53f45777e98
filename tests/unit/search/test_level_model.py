"""What is expected of levels: their worth, and whether they keep the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from autotuner.search import level_model, training_targets
from autotuner.search.experiment_record import LevelRecord, Record, RecordOutcome
from autotuner.search.kernel import Floats, Metric
from autotuner.search.level_model import LevelModel
from autotuner.search.limit_model import LimitModel, Limits
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters

SPACE = Space.over(make_parameters(a=list(range(17))), engine="Custom")
METRIC = Metric(SPACE.dimensions)
EVERYWHERE = np.arange(17)[:, None]


def climbed(a: int, *levels: tuple[float, float | None, float], outcome: RecordOutcome = "value") -> Record:
    """An experiment with levels of (load, worth, distance)."""
    told = tuple(LevelRecord(load, (worth,), (distance,)) for load, worth, distance in levels)
    kept = [worth for _, worth, distance in levels if distance <= 0 and worth is not None]
    return Record(Configuration((("a", a),)), outcome, (max(kept),) if outcome == "value" else (), levels=told)


def model(*records: Record, running: Sequence[tuple[int, ...]] = ()) -> LevelModel:
    seen = training_targets.read(SPACE, records, [True])
    return LevelModel(METRIC, seen, running, 0.03, np.random.default_rng(0))


def improvements(found: LevelModel) -> Floats:
    (gained,) = found.improvements(EVERYWHERE, (1.0,))
    return gained


# Low values keep both levels, high ones are faster and break the second one by 8 %, to four times the throughput.
TEMPTING = tuple(
    climbed(a, (16, 500.0 + 20 * a, -0.8), (64, 2000.0 + 80 * a, 0.08 if a > 8 else -0.1 - 0.02 * (8 - a)))
    for a in (0, 2, 4, 7, 10, 12, 14, 16)
)


class TestRanks:
    def test_go_by_the_best_level_that_keeps_the_limits(self) -> None:
        found = model(*TEMPTING)
        assert found.found
        # The best of those that keep the higher level, although others have more throughput there.
        assert np.argsort(found.ranks)[:4].tolist() == [3, 2, 1, 0]

    def test_put_what_keeps_nothing_after_what_does_and_crashes_last(self) -> None:
        found = model(
            climbed(2, (16, 100.0, -0.3)),
            climbed(6, (16, 900.0, 0.4), outcome="infeasible"),
            climbed(9, (16, 900.0, 0.1), outcome="infeasible"),
            Record(Configuration((("a", 14),)), "crash"),
        )
        assert np.argsort(found.ranks).tolist() == [0, 2, 1, 3]
        assert found.ranks[3] == np.inf

    def test_weigh_worth_against_what_is_broken_while_nothing_keeps_the_limits(self) -> None:
        found = model(
            climbed(2, (16, 100.0, 0.5), outcome="infeasible"),
            climbed(8, (16, 100.0, 0.1), outcome="infeasible"),
            climbed(14, (16, 400.0, 0.5), outcome="infeasible"),
        )
        assert not found.found
        assert np.argsort(found.ranks).tolist() == [1, 2, 0]


class TestImprovements:
    def test_are_expected_where_the_limits_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One more throughput is expected beyond the limit, and it does not count."""
        monkeypatch.setattr(level_model, "LEAST", 0.0)
        gained = improvements(model(*TEMPTING))
        assert 6 <= int(gained.argmax()) <= 9
        assert gained[12:].max() < 0.25 * gained.max()

    def test_are_expected_anywhere_without_limits(self) -> None:
        free = [
            Record(one.configuration, "value", (9.0,), levels=tuple(LevelRecord(x.load, x.worths) for x in one.levels))
            for one in TEMPTING
        ]
        assert int(improvements(model(*free)).argmax()) >= 15

    def test_smaller_than_the_least_are_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = model(*TEMPTING)
        usual = improvements(found)
        monkeypatch.setattr(level_model, "LEAST", 0.0)
        assert (usual < improvements(found)).all()
        monkeypatch.setattr(level_model, "LEAST", 5.0)
        assert improvements(found).max() < 1e-6

    def test_grow_with_the_doubt(self) -> None:
        believed, doubted = model(*TEMPTING).improvements(EVERYWHERE, (1.0, 3.0))
        assert doubted.max() > believed.max()
        # Where the model knows that a limit is broken, doubt gives it a chance.
        assert doubted[13] > 2 * believed[13]

    def test_lead_towards_the_limits_while_nothing_keeps_them(self) -> None:
        broken = [climbed(a, (16, 100.0, 0.08 * (16 - a) + 0.2), outcome="infeasible") for a in (0, 3, 6, 9)]
        assert int(improvements(model(*broken)).argmax()) >= 12

    @pytest.mark.filterwarnings("error")
    def test_lead_there_too_if_no_ladder_reached_the_level_that_is_judged(self) -> None:
        """A latency is judged at the highest load; all ladders ended below."""
        broken = [
            climbed(a, (8, None, -0.5), (16, None, 0.08 * (16 - a) + 0.2), outcome="infeasible") for a in (0, 3, 6, 9)
        ]
        found = model(*broken)
        assert not found.found
        assert int(np.argmin(found.ranks)) == 3
        assert int(improvements(found).argmax()) >= 12

    def test_near_what_is_running_are_smaller(self) -> None:
        """As if it had ended as predicted: there is less doubt about it."""
        equal = [climbed(a, (16, 100.0, -0.5)) for a in (0, 2, 4)]
        alone, beside = (improvements(model(*equal, running=places)) for places in ([], [(13,)]))
        assert beside[13] < 0.7 * alone[13]


class TestLimits:
    DISTANCES = np.array([-1.0, -0.6, -0.2, 0.2, 0.6])[:, None, None]
    POINTS = np.array([[0], [4], [8], [12], [16]])

    def learnt(self, distances: Floats) -> LimitModel:
        return LimitModel(METRIC, self.POINTS, distances, [], 0.03, np.random.default_rng(0))

    def test_are_kept_within_and_broken_beyond(self) -> None:
        kept = self.learnt(self.DISTANCES).predict(EVERYWHERE).kept(1.0)[:, 0]
        assert kept[0] > 0.95
        assert kept[16] < 0.05
        assert (np.diff(kept) < 0.02).all()

    def test_are_less_sure_with_wider_deviations(self) -> None:
        limits = self.learnt(self.DISTANCES).predict(self.POINTS)
        sure, unsure = limits.kept(1.0)[:, 0], limits.kept(3.0)[:, 0]
        assert unsure[2] < sure[2]
        assert unsure[3] > sure[3]

    def test_must_all_be_kept(self) -> None:
        mean = np.array([[[-0.1, -0.1]]])
        alone = Limits(mean[:, :, :1], np.full((1, 1, 1), 0.1), np.zeros((1, 1))).kept(1.0)
        both = Limits(mean, np.full((1, 1, 2), 0.1), np.zeros((1, 1))).kept(1.0)
        assert alone[0, 0] == pytest.approx(0.8413447, abs=1e-6)
        assert both[0, 0] == pytest.approx(alone[0, 0] ** 2)

    def test_cost_in_proportion_to_what_is_beyond_the_farthest(self) -> None:
        both = np.concatenate([self.DISTANCES, self.DISTANCES[::-1] - 0.5], axis=2)
        penalties = self.learnt(both).penalties[:, 0]
        beyond = np.maximum(both.max(axis=2)[:, 0], 0)
        assert penalties[beyond == 0] == pytest.approx(0, abs=0.5)
        assert penalties[4] == pytest.approx(3 * penalties[3], rel=0.15)

    def test_ten_per_cent_beyond_is_worse_than_a_quarter_of_the_load(self) -> None:
        assert self.learnt(np.full((5, 1, 1), 0.1)).penalties.min() > np.log(4)

    def test_without_any_everything_is_kept(self) -> None:
        nothing = self.learnt(np.zeros((5, 2, 0)))
        limits = nothing.predict(EVERYWHERE)
        assert nothing.penalties.tolist() == np.zeros((5, 2)).tolist()
        assert limits.kept(1.0).tolist() == np.ones((17, 2)).tolist()
        assert limits.penalties.tolist() == np.zeros((17, 2)).tolist()


class TestGained:
    def test_is_how_much_better_the_best_has_become(self) -> None:
        found = model(*(climbed(a, (16, 100.0 * 1.1**a, -0.5)) for a in (0, 2, 4, 6)))
        last = np.array([False, False, False, True])
        assert found.gained(last) == pytest.approx(2 * np.log(1.1), rel=0.3)

    def test_is_nothing_where_the_best_is_older(self) -> None:
        found = model(*(climbed(a, (16, 100.0 + a, -0.5)) for a in (0, 2, 4, 6)))
        assert found.gained(np.array([True, True, True, False])) == 0.0

    def test_does_not_count_what_breaks_the_limits(self) -> None:
        """What is the best of all by throughput is no gain."""
        found = model(*TEMPTING)
        assert found.gained(np.array([False] * 4 + [True] * 4)) == 0.0

    def test_is_infinite_where_nothing_kept_the_limits_before(self) -> None:
        found = model(
            climbed(2, (16, 900.0, 0.4), outcome="infeasible"),
            climbed(6, (16, 100.0, -0.3)),
            Record(Configuration((("a", 14),)), "crash"),
        )
        assert found.gained(np.array([False, True, False])) == np.inf
