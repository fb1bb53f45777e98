"""How much is expected of a configuration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autotuner.search.acquisition import expected_improvement, normal_cdf, normal_pdf


class TestNormalDistribution:
    @pytest.mark.parametrize("z", [-37.0, -20.0, -8.0, -6.0, -2.5, -1.0, -1e-9, 0.0, 0.3, 1.0, 2.5, 6.0, 9.0, 40.0])
    def test_is_exact_to_seven_digits_in_both_tails(self, z: float) -> None:
        """What is relative to the tail: a probability of 1e-12 is not one of 1e-10."""
        found = float(normal_cdf(np.array([z]))[0])
        assert found == pytest.approx(math.erfc(-z / math.sqrt(2)) / 2, rel=1.3e-7, abs=0)

    def test_rises_from_nothing_to_one(self) -> None:
        found = normal_cdf(np.linspace(-8, 8, 2001))
        assert (np.diff(found) >= 0).all()
        assert normal_cdf(np.array([-1e3, 1e3])).tolist() == [0.0, 1.0]

    @pytest.mark.parametrize("z", [-6.0, -1.0, 0.0, 2.5])
    def test_has_the_density_as_its_slope(self, z: float) -> None:
        step = 1e-3
        slope = (normal_cdf(np.array([z + step])) - normal_cdf(np.array([z - step]))) / (2 * step)
        assert slope == pytest.approx(normal_pdf(np.array([z])), rel=1e-3)

    def test_keeps_the_shape(self) -> None:
        assert normal_cdf(np.zeros((2, 3, 4))).shape == (2, 3, 4)


class TestExpectedImprovement:
    MEAN, DEVIATION = np.array([0.0, 1.0, -2.0, 5.0]), np.array([1.0, 0.5, 2.0, 1e-5])

    def test_is_the_mean_of_what_falls_below_the_best(self) -> None:
        draws = np.random.default_rng(0).standard_normal((200_000, 1)) * self.DEVIATION + self.MEAN
        found = expected_improvement(self.MEAN, self.DEVIATION, np.array(0.5))
        assert found == pytest.approx(np.maximum(0.5 - draws, 0).mean(axis=0), abs=0.02)

    def test_is_what_is_sure_where_nothing_is_doubted(self) -> None:
        found = expected_improvement(np.array([1.0, 3.0]), np.full(2, 1e-9), np.array(2.0))
        assert found == pytest.approx([1.0, 0.0], abs=1e-8)

    @pytest.mark.filterwarnings("error")
    def test_is_never_below_nothing(self) -> None:
        """Far above the best, the difference of two nearly equal terms."""
        found = expected_improvement(np.linspace(0, 60, 601), np.ones(601), np.array(0.0))
        assert (found >= 0).all()
        assert found[0] == pytest.approx(1 / math.sqrt(2 * math.pi))

    def test_grows_with_the_doubt_and_with_what_is_expected(self) -> None:
        doubted = expected_improvement(np.zeros(5), np.array([0.1, 0.3, 0.5, 1.0, 3.0]), np.array(-0.2))
        expected = expected_improvement(np.linspace(1, -1, 5), np.ones(5), np.array(0.0))
        assert (np.diff(doubted) > 0).all()
        assert (np.diff(expected) > 0).all()
