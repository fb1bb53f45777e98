"""The Gaussian process: what it says of what it has seen, and what it makes of parameters that do nothing."""

from __future__ import annotations

import numpy as np
import pytest

from autotuner.search.gaussian_process import UNIT, Process, learned
from autotuner.search.kernel import Floats, Metric, Points
from autotuner.search.likelihood import Likelihood
from autotuner.search.space.dimensions import Dimension, of_numbers

NUMBERS = of_numbers("numbers", range(9))
UNSET = of_numbers("unset", [1, 2, 4, 8, 16], unset=True)
WORDS = Dimension("words", ("x", "y", "z"), False)
TOGGLE = Dimension("toggle", (False, True), False)
METRIC = Metric([NUMBERS, WORDS, TOGGLE])
NOISE = 0.03


def drawn(count: int, seed: int = 0, *dimensions: Dimension) -> Points:
    """Different places."""
    generator = np.random.default_rng(seed)
    lengths = [len(one.values) for one in dimensions or (NUMBERS, WORDS, TOGGLE)]
    return np.unique(generator.integers(lengths, size=(3 * count, len(lengths))), axis=0)[:count]


def smooth(points: Points) -> Floats:
    """Of the numbers and the words; the toggle does nothing."""
    return np.asarray(np.sin(points[:, 0] / 3) + np.array([0.0, 0.5, -0.4])[points[:, 1]])


def process(
    points: Points, values: Floats, noise: float = NOISE, metric: Metric = METRIC, seed: int = 0, unit: float = UNIT
) -> Process:
    """That has seen (n,) values, or (n, outputs)."""
    columns = values.reshape(len(points), -1)
    return Process(metric, points, columns, noise, np.random.default_rng(seed), unit)


def mean(fitted: Process, points: Points) -> Floats:
    """What a process of one output expects: (m,)."""
    return fitted.mean(points)[:, 0]


def lengths(metric: Metric, points: Points, values: Floats) -> Floats:
    """The best of many logarithms of length scales."""
    likelihood = Likelihood(metric, points, ((values - values.mean()) / values.std())[:, None], NOISE)
    drawn = likelihood.centre + likelihood.spread * np.random.default_rng(0).standard_normal(
        (2000, len(likelihood.centre))
    )
    return np.asarray(drawn[likelihood.density(drawn)[0].argmax(), : points.shape[1]])


class TestDistances:
    @pytest.mark.parametrize("dimension", [NUMBERS, UNSET, WORDS, TOGGLE], ids=lambda one: one.name)
    @pytest.mark.parametrize("length", [-2.0, 0.3, 1.0, 2.0, 4.0])
    def test_make_a_covariance_whatever_the_length_scale(self, dimension: Dimension, length: float) -> None:
        """INACTIVE, the last column, is one more place."""
        metric = Metric([dimension, WORDS])
        table = metric.correlations(np.array([[length, 0.0]]))[0][0, 0]
        used = [*range(len(dimension.values)), metric.width - 1]
        correlation = table[np.ix_(used, used)]
        assert np.array_equal(correlation, correlation.T)
        assert np.linalg.eigvalsh(correlation).min() > -1e-9

    def test_grow_with_the_steps_between_numbers(self) -> None:
        assert METRIC.distances[0, 0, :9] == pytest.approx(np.arange(9) / 8)

    def test_are_those_of_the_list_not_of_the_values(self) -> None:
        distances = Metric([of_numbers("a", [1, 10, 1000])]).distances[0]
        assert distances[0, 1] == distances[1, 2] == 0.5

    def test_of_unset_and_inactive_are_far_from_all_numbers(self) -> None:
        distances = Metric([UNSET]).distances[0]
        unset, inactive = distances[0], distances[-1]
        assert all(0.8 <= distance <= 1 for distance in [*unset[1:6], *inactive[1:6], inactive[0]])
        assert np.diag(distances).tolist() == [0.0] * 7

    def test_between_words_are_equal(self) -> None:
        assert METRIC.distances[1, :3, :3] == pytest.approx(1 - np.eye(3))

    def test_count_the_parameters_that_differ(self) -> None:
        points = np.array([[0, 0, 0], [0, 1, 0], [8, 1, 1], [2, 0, 0], [4, 0, 0], [0, -1, 0]])
        assert METRIC.apart(points, (0, 0, 0)).tolist() == [0, 1, 3, 0.5, 1, 1]


class TestDensity:
    @pytest.mark.parametrize("outputs", [1, 3])
    @pytest.mark.parametrize("dimensions", [(NUMBERS, WORDS, TOGGLE), (UNSET, WORDS), (NUMBERS,)], ids=len)
    def test_slope_equals_finite_differences(self, dimensions: tuple[Dimension, ...], outputs: int) -> None:
        points = drawn(9, 1, *dimensions)
        values = np.random.default_rng(2).standard_normal((len(points), outputs))
        likelihood = Likelihood(Metric(dimensions), points, values, 0.1)
        generator = np.random.default_rng(3)
        settings = likelihood.centre + 0.7 * generator.standard_normal((4, len(likelihood.centre)))
        slope = likelihood.density(settings)[1]
        for number in range(settings.shape[1]):
            step = np.zeros(settings.shape[1])
            step[number] = 1e-5
            rise = likelihood.density(settings + step)[0] - likelihood.density(settings - step)[0]
            assert slope[:, number] == pytest.approx(rise / 2e-5, rel=1e-4, abs=1e-5)

    def test_is_a_number_however_short_the_length_scales(self) -> None:
        """Beginnings are drawn from a prior that has no end."""
        points = drawn(10)
        likelihood = Likelihood(METRIC, points, smooth(points)[:, None], NOISE)
        density, slope = likelihood.density(np.array([[-20.0] * 3 + [0.0, -7.0]]))
        assert np.isfinite(density).all()
        assert np.isfinite(slope).all()

    def test_explains_smooth_values_by_longer_scales_than_rough_ones(self) -> None:
        points = np.array([[place] for place in range(9)])
        metric = Metric([NUMBERS])
        rough = lengths(metric, points, np.array([1.0, -1, 0.5, -0.8, 1, -1, 0.9, -0.7, 1]))
        assert lengths(metric, points, np.linspace(0, 1, 9))[0] > rough[0] + 1

    def test_gives_parameters_that_do_nothing_the_longest_scales(self) -> None:
        points = drawn(24)
        scales = lengths(METRIC, points, smooth(points))
        assert scales[2] > scales[:2].max()


class TestPredictions:
    def test_meet_what_was_measured(self) -> None:
        points = drawn(20)
        expected, deviation = process(points, smooth(points)).predict(points)
        assert expected.mean(axis=0)[:, 0] == pytest.approx(smooth(points), abs=0.1)
        assert deviation.max() < 0.15

    def test_meet_what_was_not(self) -> None:
        points = drawn(40)
        found = mean(process(points[::2], smooth(points[::2])), points[1::2])
        assert float(np.abs(found - smooth(points[1::2])).mean()) < 0.15

    def test_are_sure_where_something_was_measured_and_not_elsewhere(self) -> None:
        points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
        fitted = process(points, np.array([0.0, 0.1, 0.2]))
        deviation = fitted.predict(np.array([[1, 0, 0], [8, 2, 1]]))[1]
        assert (deviation[:, 0] < 0.6 * deviation[:, 1]).all()

    def test_do_not_depend_on_the_unit_and_the_level_of_the_values(self) -> None:
        points = drawn(12)
        values = smooth(points)
        other = process(points, 1e6 * values - 5e7, 1e6 * NOISE, unit=1e6 * UNIT)
        assert mean(other, points) == pytest.approx(1e6 * mean(process(points, values), points) - 5e7, rel=1e-6)

    def test_are_averaged_with_weights_that_sum_to_one(self) -> None:
        weights = process(drawn(12), smooth(drawn(12))).weights
        assert weights.sum() == pytest.approx(1)
        assert (weights >= 0).all()

    def test_of_nothing_are_none(self) -> None:
        fitted = process(drawn(5), smooth(drawn(5)))
        assert fitted.mean(np.empty((0, 3), dtype=np.intp)).shape == (0, 1)


class TestLittleOrOddData:
    @pytest.mark.parametrize("value", [0.0, -3.0, 1e9])
    def test_one_point_is_enough(self, value: float) -> None:
        mean, deviation = process(np.array([[1, 1, 1]]), np.array([value])).predict(drawn(10))
        assert mean == pytest.approx(np.full_like(mean, value))
        assert np.isfinite(deviation).all()

    def test_repeats_of_one_point_are_averaged(self) -> None:
        points = np.array([[1, 1, 1]] * 6)
        fitted = process(points, np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95]), 0.1)
        assert mean(fitted, points[:1])[0] == pytest.approx(1.0, abs=0.02)
        assert fitted.mixed_measured[:, 0] == pytest.approx(np.ones(6), abs=0.1)

    def test_equal_values_predict_themselves(self) -> None:
        points = drawn(10)
        assert mean(process(points, np.full(10, 7.0)), drawn(30)) == pytest.approx(7.0)

    def test_without_noise_between_unset_and_numbers_is_explained_too(self) -> None:
        """Were unset as far from all numbers, no geometry would allow that, and long scales no covariance."""
        dimensions = (UNSET, of_numbers("other", range(17), unset=True), WORDS)
        points = drawn(30, 5, *dimensions)
        values = 100.0 * (points[:, 2] == 1)
        with np.errstate(all="raise"):
            fitted = process(points, values, metric=Metric(dimensions))
        assert mean(fitted, points) == pytest.approx(values, abs=1)

    def test_a_luckier_measurement_is_expected_to_be_worse(self) -> None:
        points = np.array([[place, 0, 0] for place in range(9)])
        values = np.zeros(9)
        values[4] = -0.05
        fitted = process(points, values, 0.05)
        expected = fitted.mixed_measured[:, 0]
        assert -0.05 < expected[4] < 0
        assert expected.argmin() == 4


class TestLittleDifference:
    """A few values that hardly differ do not prove that nothing else does."""

    def test_leaves_doubt_about_everything_else(self) -> None:
        points = np.array([[place, 0, 0] for place in range(4)])
        _, deviation = process(points, np.array([1.0, 1.001, 1.0, 1.001])).mixed(np.array([[8, 2, 1]]))
        assert deviation[0, 0] > 0.2

    def test_leaves_less_the_more_values_there_are(self) -> None:
        points = drawn(40)
        few, many = (process(points[:count], np.full(count, 1.0)) for count in (4, 40))
        far = np.array([[8, 2, 1]])
        assert many.mixed(far)[1][0, 0] < 0.7 * few.mixed(far)[1][0, 0]


class TestSeveralOutputs:
    POINTS, ELSEWHERE = drawn(24)[::2], drawn(24)[1::2]

    def test_that_are_copies_are_predicted_alike(self) -> None:
        values = smooth(self.POINTS)
        fitted = process(self.POINTS, np.repeat(values[:, None], 3, axis=1))
        expected, deviation = fitted.mixed(self.ELSEWHERE)
        assert expected[:, 1:] == pytest.approx(expected[:, :1] + np.zeros((1, 2)))
        assert deviation[:, 1:] == pytest.approx(deviation[:, :1] + np.zeros((1, 2)))

    def test_that_are_copies_are_predicted_as_one_is(self) -> None:
        """But for settings that are chosen a little more surely."""
        values = smooth(self.POINTS)
        expected, deviation = process(self.POINTS, np.repeat(values[:, None], 3, axis=1)).mixed(self.ELSEWHERE)
        alone, doubt = process(self.POINTS, values).mixed(self.ELSEWHERE)
        assert expected[:, 0] == pytest.approx(alone[:, 0], abs=0.1)
        assert deviation[:, 0] == pytest.approx(doubt[:, 0], rel=0.4)

    def test_keep_their_own_level_and_unit(self) -> None:
        values = smooth(self.POINTS)
        fitted = process(self.POINTS, np.stack([values, 50 - 30 * values], axis=1))
        measured = fitted.mean(self.POINTS)
        assert measured[:, 0] == pytest.approx(values, abs=0.1)
        assert measured[:, 1] == pytest.approx(50 - 30 * values, abs=3)
        deviation = fitted.mixed(self.ELSEWHERE)[1]
        assert (deviation[:, 1] > 10 * deviation[:, 0]).all()

    def test_do_not_lend_each_other_their_values(self) -> None:
        """What they share is how far a parameter reaches, not which way it goes."""
        values = smooth(self.POINTS)
        one = process(self.POINTS, np.stack([values, values], axis=1)).mean(self.ELSEWHERE)
        other = process(self.POINTS, np.stack([values, -values], axis=1)).mean(self.ELSEWHERE)
        assert other[:, 0] == pytest.approx(one[:, 0], abs=1e-6)
        assert other[:, 1] == pytest.approx(-one[:, 1], abs=1e-6)

    def test_learn_from_each_other_which_parameters_matter(self) -> None:
        """One output varies with the words alone; with another one that says so, four values tell that too."""
        few = np.array([[0, 0, 0], [8, 0, 1], [4, 1, 0], [2, 2, 1]])
        words = np.array([0.0, 1.0, -1.0])[few[:, 1]]
        copies = np.repeat(words[:, None], 12, axis=1)
        asked = np.array([[6, 1, 1], [5, 2, 0]])
        alone = np.abs(mean(process(few, words), asked) - [1, -1]).mean()
        together = np.abs(process(few, copies).mean(asked)[:, 0] - [1, -1]).mean()
        assert together < 0.95 * alone


class TestWhatIsRunning:
    def test_counts_as_it_was_predicted(self) -> None:
        points = drawn(16)
        values = smooth(points[:12])[:, None]
        generator = np.random.default_rng(0)
        running = [tuple(row) for row in points[12:].tolist()]
        fitted = learned(METRIC, points[:12], values, running, NOISE, generator)
        before = Process(METRIC, points[:12], values, NOISE, np.random.default_rng(0))
        assert fitted.measured.shape[1] == 16
        assert fitted.mean(points[12:]) == pytest.approx(before.mean(points[12:]), abs=0.15)
        assert (fitted.mixed(points[12:])[1] < before.mixed(points[12:])[1]).all()

    def test_that_is_nothing_changes_nothing(self) -> None:
        points = drawn(12)
        values = smooth(points)[:, None]
        one = learned(METRIC, points, values, [], NOISE, np.random.default_rng(3))
        other = Process(METRIC, points, values, NOISE, np.random.default_rng(3))
        assert np.array_equal(one.mean(points), other.mean(points))
