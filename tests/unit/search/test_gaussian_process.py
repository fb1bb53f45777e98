"""The Gaussian process: what it says of what it has seen, and what it makes of parameters that do nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autotuner.search.acquisition import expected_above, expected_improvement, normal_cdf, normal_pdf
from autotuner.search.gaussian_process import Process
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


def process(points: Points, values: Floats, noise: float = NOISE, metric: Metric = METRIC, seed: int = 0) -> Process:
    return Process(metric, points, values, noise, np.random.default_rng(seed))


def lengths(metric: Metric, points: Points, values: Floats) -> Floats:
    """The best of many logarithms of length scales."""
    likelihood = Likelihood(metric, points, (values - values.mean()) / values.std(), NOISE)
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
    @pytest.mark.parametrize("dimensions", [(NUMBERS, WORDS, TOGGLE), (UNSET, WORDS), (NUMBERS,)], ids=len)
    def test_slope_equals_finite_differences(self, dimensions: tuple[Dimension, ...]) -> None:
        points = drawn(9, 1, *dimensions)
        values = np.random.default_rng(2).standard_normal(len(points))
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
        likelihood = Likelihood(METRIC, points, smooth(points), NOISE)
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
        assert expected.mean(axis=0) == pytest.approx(smooth(points), abs=0.1)
        assert deviation.max() < 0.15

    def test_meet_what_was_not(self) -> None:
        points = drawn(40)
        found = process(points[::2], smooth(points[::2])).mean(points[1::2])
        assert float(np.abs(found - smooth(points[1::2])).mean()) < 0.15

    def test_are_sure_where_something_was_measured_and_not_elsewhere(self) -> None:
        points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
        fitted = process(points, np.array([0.0, 0.1, 0.2]))
        deviation = fitted.predict(np.array([[1, 0, 0], [8, 2, 1]]))[1]
        assert (deviation[:, 0] < 0.6 * deviation[:, 1]).all()

    def test_do_not_depend_on_the_unit_and_the_level_of_the_values(self) -> None:
        points = drawn(12)
        values = smooth(points)
        other = process(points, 1e6 * values - 5e7, 1e6 * NOISE)
        assert other.mean(points) == pytest.approx(1e6 * process(points, values).mean(points) - 5e7, rel=1e-6)

    def test_are_averaged_with_weights_that_sum_to_one(self) -> None:
        weights = process(drawn(12), smooth(drawn(12))).weights
        assert weights.sum() == pytest.approx(1)
        assert (weights >= 0).all()

    def test_of_nothing_are_none(self) -> None:
        fitted = process(drawn(5), smooth(drawn(5)))
        assert fitted.mean(np.empty((0, 3), dtype=np.intp)).shape == (0,)


class TestLittleOrOddData:
    @pytest.mark.parametrize("value", [0.0, -3.0, 1e9])
    def test_one_point_is_enough(self, value: float) -> None:
        mean, deviation = process(np.array([[1, 1, 1]]), np.array([value])).predict(drawn(10))
        assert mean == pytest.approx(np.full_like(mean, value))
        assert np.isfinite(deviation).all()

    def test_repeats_of_one_point_are_averaged(self) -> None:
        points = np.array([[1, 1, 1]] * 6)
        fitted = process(points, np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95]), 0.1)
        assert fitted.mean(points[:1])[0] == pytest.approx(1.0, abs=0.02)
        assert fitted.weights @ fitted.measured == pytest.approx(np.ones(6), abs=0.1)

    def test_equal_values_predict_themselves(self) -> None:
        points = drawn(10)
        assert process(points, np.full(10, 7.0)).mean(drawn(30)) == pytest.approx(7.0)

    def test_without_noise_between_unset_and_numbers_is_explained_too(self) -> None:
        """Were unset as far from all numbers, no geometry would allow that, and long scales no covariance."""
        dimensions = (UNSET, of_numbers("other", range(17), unset=True), WORDS)
        points = drawn(30, 5, *dimensions)
        values = 100.0 * (points[:, 2] == 1)
        with np.errstate(all="raise"):
            fitted = process(points, values, metric=Metric(dimensions))
        assert fitted.mean(points) == pytest.approx(values, abs=1)

    def test_a_luckier_measurement_is_expected_to_be_worse(self) -> None:
        points = np.array([[place, 0, 0] for place in range(9)])
        values = np.zeros(9)
        values[4] = -0.05
        fitted = process(points, values, 0.05)
        expected = fitted.weights @ fitted.measured
        assert -0.05 < expected[4] < 0
        assert expected.argmin() == 4


class TestAcquisition:
    MEAN, DEVIATION = np.array([0.0, 1.0, -2.0, 5.0]), np.array([1.0, 0.5, 2.0, 1e-5])

    def test_is_the_mean_of_what_falls_below_the_best(self) -> None:
        draws = np.random.default_rng(0).standard_normal((200_000, 1)) * self.DEVIATION + self.MEAN
        found = expected_improvement(self.MEAN, self.DEVIATION, np.array(0.5))
        assert found == pytest.approx(np.maximum(0.5 - draws, 0).mean(axis=0), abs=0.02)

    def test_a_bound_is_passed_by_the_mean_of_what_lies_above(self) -> None:
        draws = np.random.default_rng(0).standard_normal((400_000, 3)) * self.DEVIATION[:3] + self.MEAN[:3]
        found = expected_above(self.MEAN[:3], self.DEVIATION[:3], np.array(0.5))
        for column, value in zip(draws.T, found.tolist(), strict=True):
            assert value == pytest.approx(column[column > 0.5].mean(), abs=0.03)

    def test_a_bound_is_never_undercut(self) -> None:
        assert expected_above(np.array([-1e6, 0.0]), np.array([1e-3, 1.0]), np.array([2.0, 40.0])).tolist() == [2, 40]

    @pytest.mark.parametrize("z", [-6.0, -1.0, 0.0, 2.5])
    def test_normal_distribution(self, z: float) -> None:
        step = 1e-4
        slope = (normal_cdf(np.array([z + step])) - normal_cdf(np.array([z - step]))) / (2 * step)
        assert slope == pytest.approx(normal_pdf(np.array([z])), rel=1e-5, abs=1e-12)
        assert normal_cdf(np.array([z]))[0] == pytest.approx(math.erfc(-z / math.sqrt(2)) / 2)
