"""Who is measured again, and when the verdict is decided."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.policy.confirmation.rule import ConfirmationLimits, Decided, Fitness, Leader, Measure, Repeat, next_step

A, B, C = (Leader(key, 100.0) for key in "abc")
DEFAULT = ConfirmationLimits()
Worth = float | Fitness
Run = Callable[[str | None, int], Worth]


def repeat(key: str | None, block: int, worth: Worth) -> Repeat:
    if isinstance(worth, str):
        return Repeat(key, block, worth)
    return Repeat(key, block, "kept", worth)


def step(
    repeats: Sequence[Repeat],
    leaders: Sequence[Leader] = (A, B),
    baseline: Fitness = "kept",
    limits: ConfirmationLimits = DEFAULT,
    metric: str = "OutputThroughput",
) -> Measure | Decided:
    return next_step(leaders, baseline, repeats, limits, metric=metric)


def play(
    run: Run,
    leaders: Sequence[Leader] = (A, B),
    baseline: Fitness = "kept",
    limits: ConfirmationLimits = DEFAULT,
    metric: str = "OutputThroughput",
) -> tuple[Decided, list[Repeat]]:
    """Measure one configuration after the other until it is decided."""
    repeats: list[Repeat] = []
    for _ in range(200):
        found = step(repeats, leaders, baseline, limits, metric)
        if isinstance(found, Decided):
            return found, repeats
        assert found.keys, "it waits for something that is not running"
        key = found.keys[0]
        repeats.append(repeat(key, found.block, run(key, found.block)))
    raise AssertionError("it never ends")


def steady(worths: Mapping[str | None, Worth], noise: float = 0.01) -> Run:
    """Runs near these worths, alternately above and below."""

    def run(key: str | None, block: int) -> Worth:
        worth = worths[key]
        return worth if isinstance(worth, str) else worth * (1 + (noise if block % 2 else -noise))

    return run


def blocks(repeats: Sequence[Repeat]) -> int:
    return max((one.block for one in repeats), default=0)


class TestBlocks:
    def test_hold_the_baseline_and_the_leaders(self) -> None:
        found = step([], (A, B, C))
        assert isinstance(found, Measure)
        assert (found.block, set(found.keys)) == (1, {None, "a", "b"})

    def test_are_completed_before_the_next_one(self) -> None:
        found = step([repeat("a", 1, 100), repeat(None, 1, 100)])
        assert found == Measure(1, ("b",))

    def test_begin_with_another_one_each_time(self) -> None:
        first = [repeat(key, 1, 100) for key in (None, "a", "b")]
        one, two = step([]), step(first)
        assert isinstance(one, Measure)
        assert isinstance(two, Measure)
        assert (two.block, len(two.keys)) == (2, 3)
        assert one.keys[0] != two.keys[0]

    def test_wait_for_what_is_running(self) -> None:
        running = Repeat("a", 1, "running")
        assert step([running, repeat("b", 1, 100), repeat(None, 1, 100)]) == Measure(1, ())
        found = step([running])
        assert isinstance(found, Measure)
        assert set(found.keys) == {None, "b"}


class TestVerdict:
    def test_a_clear_gain_is_told_as_soon_as_it_is_clear(self) -> None:
        found, repeats = play(steady({None: 100, "a": 200, "b": 150}))
        assert (found.winner, found.verdict, found.repeats) == ("a", "Improved", 2)
        assert blocks(repeats) == 2
        assert found.gain is not None
        assert 0 < found.gain.low < 100 < found.gain.high

    def test_a_small_one_takes_more_repeats(self) -> None:
        found, _ = play(steady({None: 100, "a": 106, "b": 101}))
        assert (found.winner, found.verdict) == ("a", "Improved")
        assert found.repeats > 2

    def test_a_gain_within_the_noise_is_none(self) -> None:
        found, repeats = play(steady({None: 100, "a": 103, "b": 101}, noise=0.05))
        assert (found.winner, found.verdict, found.repeats) == ("a", "NoSignificantDifference", 4)
        assert blocks(repeats) == 4
        assert found.gain is not None
        assert found.gain.low < 0 < found.gain.high

    def test_what_is_no_better_is_given_up_and_the_baseline_stays(self) -> None:
        found, repeats = play(steady({None: 100, "a": 99, "b": 97}, noise=0.03))
        assert (found.winner, found.verdict, found.gain) == (None, "NoSignificantDifference", None)
        assert blocks(repeats) == 3
        assert found.rejected is not None
        assert found.rejected.middle < 0

    def test_what_is_clearly_worse_is_given_up_at_once(self) -> None:
        found, repeats = play(steady({None: 200, "a": 100, "b": 90}))
        assert (found.winner, found.verdict) == (None, "NoSignificantDifference")
        assert blocks(repeats) == 2

    def test_of_a_latency_less_is_better(self) -> None:
        found, _ = play(steady({None: 0.2, "a": 0.1, "b": 0.4}), metric="TTFT")
        assert (found.winner, found.verdict) == ("a", "Improved")
        assert found.gain is not None
        assert found.gain.middle == pytest.approx(50, abs=2)

    @pytest.mark.parametrize("most", [0, 1])
    def test_too_few_repeats_confirm_nothing_and_cost_nothing(self, most: int) -> None:
        found = step([], limits=ConfirmationLimits(max_repeats=most))
        assert found == Decided("a", "Unconfirmed", None, 0)

    def test_without_leaders_the_baseline_stays(self) -> None:
        assert step([], ()) == Decided(None, "Unconfirmed", None, 0)
        assert step([], (), baseline="broken") == Decided(None, "BaselineInfeasible", None, 0)


class TestWinner:
    def test_is_the_better_one_of_the_repeats_not_of_the_search(self) -> None:
        found, _ = play(steady({None: 100, "a": 150, "b": 200}))
        assert found.winner == "b"

    def test_an_outlier_does_not_unseat_it(self) -> None:
        def run(key: str | None, block: int) -> Worth:
            return 60 if (key, block) == ("a", 1) else {None: 100.0, "a": 200.0, "b": 150.0}[key]

        found, _ = play(run, (Leader("a", 200), Leader("b", 150)))
        assert found.winner == "a"

    @pytest.mark.parametrize(
        ("leaders", "want"),
        [
            ((Leader("a", 200, 2, 1), Leader("b", 200, 1, 5)), "b"),
            ((Leader("a", 200, 1, 5), Leader("b", 200, 1, 2)), "b"),
            ((Leader("a", 200, 1, 2), Leader("b", 200, 1, 2)), "a"),
        ],
        ids=["fewer accelerators", "fewer changed flags", "the search's order"],
    )
    def test_of_equals_is_the_one_that_takes_less(self, leaders: Sequence[Leader], want: str) -> None:
        found, _ = play(steady({None: 100, "a": 200, "b": 200}), leaders)
        assert found.winner == want

    def test_of_nearly_equals_too(self) -> None:
        leaders = (Leader("a", 200, 2), Leader("b", 200, 1))
        assert play(steady({None: 100, "a": 201, "b": 200}), leaders)[0].winner == "b"
        assert play(steady({None: 100, "a": 210, "b": 200}), leaders)[0].winner == "a"


class TestBadRuns:
    def test_a_leader_that_breaks_its_promises_makes_room_for_the_next(self) -> None:
        found, repeats = play(steady({None: 100, "a": "broken", "b": 120, "c": 200}), (A, B, C))
        assert (found.winner, found.verdict) == ("c", "Improved")
        assert sum(one.key == "a" for one in repeats) == 2

    def test_one_bad_run_is_bad_luck_and_told(self) -> None:
        def run(key: str | None, block: int) -> Worth:
            return "broken" if (key, block) == ("a", 1) else {None: 100.0, "a": 200.0, "b": 110.0}[key]

        found, _ = play(run)
        assert (found.winner, found.verdict, found.broken) == ("a", "Improved", 1)

    def test_leaders_that_all_fail_leave_the_baseline(self) -> None:
        found, _ = play(steady({None: 100, "a": "failed", "b": "broken"}))
        assert (found.winner, found.verdict, found.gain) == (None, "Unconfirmed", None)

    @pytest.mark.parametrize(("baseline", "want"), [("broken", "BaselineInfeasible"), ("failed", "BaselineFailed")])
    def test_leaders_that_all_fail_leave_nothing_where_the_baseline_does_too(
        self, baseline: Fitness, want: str
    ) -> None:
        found, _ = play(steady({"a": "failed", "b": "broken"}), baseline=baseline)
        assert (found.winner, found.verdict, found.gain) == (None, want, None)

    def test_a_baseline_that_fails_again_and_again(self) -> None:
        found, _ = play(steady({None: "failed", "a": 200, "b": 100}))
        assert (found.winner, found.verdict, found.gain) == ("a", "BaselineFailed", None)

    def test_a_baseline_that_breaks_its_promises_when_repeated(self) -> None:
        found, _ = play(steady({None: "broken", "a": 200, "b": 100}))
        assert (found.winner, found.verdict, found.repeats) == ("a", "BaselineInfeasible", 2)

    @pytest.mark.parametrize(("baseline", "want"), [("broken", "BaselineInfeasible"), ("failed", "BaselineFailed")])
    def test_a_baseline_without_a_value_is_not_measured_again(self, baseline: Fitness, want: str) -> None:
        found, repeats = play(steady({"a": 100, "b": 200}), baseline=baseline)
        assert (found.winner, found.verdict, found.gain, found.repeats) == ("b", want, None, 2)
        assert not any(one.key is None for one in repeats)


@given(
    st.randoms(use_true_random=False),
    st.integers(0, 5),
    st.integers(1, 3),
    st.integers(0, 6),
    st.sampled_from(["kept", "broken", "failed"]),
)
def test_it_always_ends_with_an_answer_that_holds_together(
    chance: random.Random, count: int, top: int, most: int, baseline: Fitness
) -> None:
    leaders = [Leader(f"l{number}", 100 + number) for number in range(count)]

    def run(key: str | None, block: int) -> Worth:
        return chance.choice([100.0, 110.0, chance.uniform(50, 200), "broken", "failed"])

    found, repeats = play(run, leaders, baseline, ConfirmationLimits(top, most))
    pairs = [(one.key, one.block) for one in repeats]
    assert len(pairs) == len(set(pairs)), "nobody runs twice in a block"
    assert all(sum(one.key == leader.key for one in repeats) <= most for leader in leaders)
    assert (found.gain is not None) == (
        found.winner is not None and found.verdict in ("Improved", "NoSignificantDifference")
    )
    if found.gain is not None:
        assert (found.gain.low > 0) == (found.verdict == "Improved")
        assert found.repeats == sum(one.key == found.winner and one.outcome == "kept" for one in repeats) >= 2


def false_alarms(noise: Callable[[random.Random], float], tasks: int = 600) -> tuple[float, float]:
    """Shares of tasks without a true gain that are called Improved, and of intervals that cover it."""
    chance = random.Random(3)
    improved = covered = told = 0
    for _ in range(tasks):
        found, _ = play(lambda key, block: 100 * math.exp(noise(chance)))
        improved += found.verdict == "Improved"
        if found.gain is not None:
            told += 1
            covered += found.gain.low <= 0 <= found.gain.high
    return improved / tasks, covered / told


@pytest.mark.parametrize(
    "noise",
    [
        lambda chance: chance.gauss(0, 0.03),
        lambda chance: -chance.uniform(0.1, 0.25) if chance.random() < 0.1 else chance.gauss(0, 0.02),
        lambda chance: chance.uniform(0.1, 0.25) if chance.random() < 0.1 else chance.gauss(0, 0.01),
        lambda chance: 0.02 * chance.gauss(0, 1) / math.sqrt(chance.gammavariate(1, 1)),
    ],
    ids=["normal", "one run in ten is slow", "one run in ten is fast", "Student's t with two degrees"],
)
def test_noise_is_seldom_called_a_gain(noise: Callable[[random.Random], float]) -> None:
    improved, covered = false_alarms(noise)
    assert improved <= 0.045
    assert covered >= 0.92  # among those told at all, which are the lucky ones
