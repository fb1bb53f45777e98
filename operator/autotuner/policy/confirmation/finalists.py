"""The race that confirms a search's best: who is measured again, at which levels, and what came of it. Pure.

Everything follows from the experiments: the leaders and their levels from those of the search, which do not change any
more, the rest from their repeats. A baseline that missed the SLOs by no more than one bad run explains is judged by its
repeats, too. What to measure next is the statistics' to say (`policy.confirmation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from statistics import geometric_mean

from autotuner import engines, scoring
from autotuner.api.benchmark import LEVELS_MAX
from autotuner.api.common import BOUNDARY_METRICS, EngineName
from autotuner.api.task import TaskSpec
from autotuner.policy.confirmation.rule import (
    ConfigurationKey,
    ConfirmationLimits,
    Decided,
    Fitness,
    Leader,
    Measure,
    Repeat,
    Standing,
    next_step,
    standing,
)
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.measurements import Measured
from autotuner.search.space.command_line import by_flag, flag_value

Pairs = tuple[tuple[str, str], ...]
Repeated = tuple[ConfigurationKey | None, Measured]

FEWEST_REPEATS = scoring.FIRST_LOOK
_SUBSTITUTES = 2  # for leaders that turn out not to keep the SLOs
_BY_CHANCE = 0.25  # how far off a single run may be: the far tail of the noise


@dataclass(frozen=True)
class Race:
    """The leaders of a search and the baseline, measured against each other.

    Attributes:
        spec: of the task.
        leaders: experiments of the search, best first; those beyond `top` are substitutes.
        baseline: its experiment.
        ladder: the levels that any of them has its value from, so that nobody is bound to one that was chosen by luck.
        measured: repeats at these levels by who was repeated (None: the baseline), without those that say nothing; all
            of one configuration are scored at one and the same level.
        top: how many leaders are measured again.
        cut: whether there will be no more of them.
    """

    spec: TaskSpec
    leaders: tuple[Measured, ...]
    baseline: Measured
    ladder: tuple[float, ...]
    measured: tuple[Repeated, ...]
    top: int
    cut: bool = False

    @property
    def metric(self) -> str:
        """The metric of the only objective."""
        return self.spec.objectives[0].metric

    @property
    def limits(self) -> ConfirmationLimits:
        """How much may be measured again."""
        return ConfirmationLimits(self.top, self.spec.search.confirm.max_repeats, self.cut)

    @property
    def fitness(self) -> Fitness:
        """How the baseline did in the search; what may have been one bad run is not held against it."""
        return "kept" if _doubtful(self.baseline) else _fitness(self.baseline)

    @cached_property
    def step(self) -> Measure | Decided:
        """What to measure next, or the decision."""
        found = next_step(self._field, self.fitness, self._repeats, self.limits, metric=self.metric)
        if not isinstance(found, Decided) or found.verdict != "Unconfirmed":
            return found
        if _doubtful(self.baseline) and not self.kept(self.baseline):
            return replace(found, verdict="BaselineInfeasible")
        if found.winner is not None:
            gain = self.gain(self.original(found.winner))
            # Leaders are the best of all others: without proof, nobody is advised to run what seems worse than today's.
            if gain is not None and gain <= 0:
                return Decided(None, found.verdict, None, len(self.kept(self.baseline)))
        return found

    @cached_property
    def standing(self) -> Standing:
        """How the race stands, for people."""
        return standing(self._field, self.fitness, self._repeats, self.limits, metric=self.metric)

    @property
    def favourite(self) -> Measured | None:
        """The leader that would win if the race ended now."""
        key = self.standing.favourite
        return self.original(key) if key is not None else None

    def original(self, key: ConfigurationKey | None) -> Measured:
        """The experiment of the search whose repeats have this key."""
        return self.baseline if key is None else next(one for one in self.leaders if configuration_key(one) == key)

    def kept(self, one: Measured) -> list[Measured]:
        """The repeats of a leader or the baseline that keep the hard SLOs."""
        wanted = None if one is self.baseline else configuration_key(one)
        return [again for key, again in self.measured if key == wanted and again.keeps]

    def gain(self, one: Measured) -> float | None:
        """The gain over the baseline in percent, by the repeats if there are any; None if either keeps no SLOs."""
        ours, theirs = (_mean_worth(self.kept(each) or [each]) for each in (one, self.baseline))
        return scoring.gain_percent(ours, theirs, self.metric)

    @property
    def _field(self) -> list[Leader]:
        return [
            Leader(configuration_key(one), one.worth, one.accelerators, _changed(one, self.baseline))
            for one in self.leaders
        ]

    @property
    def _repeats(self) -> list[Repeat]:
        return [
            Repeat(
                key,
                one.spec.block,
                "running" if one.outcome is None else _fitness(one),
                one.worth if one.keeps else None,
            )
            for key, one in self.measured
        ]


def race(spec: TaskSpec, measured: Sequence[Measured], baseline: Measured, top: int) -> Race | None:
    """The race that follows a search.

    Args:
        spec: of the task.
        measured: all its experiments.
        baseline: the one that counts.
        top: how many leaders to measure again; at most `search.confirm.top`.

    Returns:
        None where nothing is to be confirmed: several objectives have no winner, and one repeat says nothing.
    """
    if len(spec.objectives) > 1 or spec.search.confirm.max_repeats < FEWEST_REPEATS:
        return None
    leaders = _leaders(spec, measured, baseline)[: top + _SUBSTITUTES]
    ladder = _ladder(spec, leaders, baseline)
    repeats = list(_counted(measured, leaders, ladder))
    return Race(spec, leaders, baseline, ladder, tuple(_judged(spec, repeats, ladder)), top)


def cut(race: Race, block: int) -> Race:
    """The race without a block that will not be measured to its end: what is there of it compares unequals."""
    whole = [(key, one) for key, one in race.measured if one.spec.block < block]
    return replace(race, measured=tuple(_judged(race.spec, whole, race.ladder)), cut=True)


def configuration_key(one: Measured) -> ConfigurationKey:
    """What tells an experiment's configuration from another of its task, however its flags are spelled."""
    return repr(_flags_and_environment(one))


def _flags_and_environment(one: Measured) -> tuple[Pairs, Pairs]:
    service = one.spec.service
    environment = sorted((variable.name, variable.value) for variable in service.env or [])
    return _flags(tuple(service.args), service.engine), tuple(environment)


@lru_cache(maxsize=1024)
def _flags(args: tuple[str, ...], name: EngineName) -> Pairs:
    engine = engines.get(name)
    return tuple(sorted((flag, flag_value(said, engine)) for flag, said in by_flag(args, engine).items()))


def _mean_worth(runs: Sequence[Measured]) -> float | None:
    return geometric_mean([run.worth for run in runs]) if runs[0].keeps else None


def _leaders(spec: TaskSpec, measured: Iterable[Measured], baseline: Measured) -> tuple[Measured, ...]:
    """The best feasible experiments, all different; what runs today only if the baseline broke the SLOs."""
    found: dict[ConfigurationKey, Measured] = {}
    metric = spec.objectives[0].metric
    for one in measured:
        if one.is_baseline or one.is_repeat or not one.keeps:
            continue
        held = found.get(configuration_key(one))
        if held is None or scoring.better(one.worth, held.worth, metric):
            found[configuration_key(one)] = one
    if _fitness(baseline) == "kept":
        found.pop(configuration_key(baseline), None)
    # Users at the end of the ladder are often the same number: then what costs less, and changes less, goes first.
    cheapest = sorted(found.values(), key=lambda one: (one.accelerators, _changed(one, baseline)))
    return tuple(sorted(cheapest, key=lambda one: one.worth, reverse=not scoring.minimised(metric)))


def _ladder(spec: TaskSpec, leaders: Iterable[Measured], baseline: Measured) -> tuple[float, ...]:
    goal = scoring.Goal.of(spec)
    if goal.searches:
        return _near_boundaries(goal, [baseline, *leaders])
    wanted = {
        level
        for one in (*leaders, baseline)
        for level in scoring.needed_levels(one.status.levels or [], goal, one.accelerators)
    }
    if wanted and _doubtful(baseline) and baseline.score is not None and baseline.score.level is not None:
        wanted.add(baseline.score.level[1])
    if spec.objectives[0].metric in BOUNDARY_METRICS and wanted:
        # It is found between two neighbours of the ladder, and may be found between others next time.
        wanted |= {level for level in goal.ladder if min(wanted) < level < max(wanted)}
    return tuple(sorted(wanted))


def _near_boundaries(goal: scoring.Goal, all_of_them: Iterable[Measured]) -> tuple[float, ...]:
    """The levels at and next to the boundaries that were found: the search itself is not repeated.

    A level just within the SLOs may break them the next time; the one below then says what the configuration is worth.
    """
    most = LEVELS_MAX // len(goal.scenarios)
    wanted: set[float] = set()
    for one in all_of_them:
        at = one.score.at if one.score is not None and one.score.feasible else ()
        level = one.score.level if one.score is not None else None
        found = at[0] if at else level[1] if level is not None and _doubtful(one) else None
        if found is None:
            continue
        place = goal.ladder.index(found)
        near = set(goal.ladder[max(0, place - 1) : place + 2])
        if len(wanted | near) <= most:
            wanted |= near
    return tuple(sorted(wanted))


def _counted(measured: Iterable[Measured], leaders: Iterable[Measured], ladder: Sequence[float]) -> Iterable[Repeated]:
    """The repeats of the race, without those that were spoiled or cancelled: they will be done again."""
    known = {configuration_key(one) for one in leaders}
    for one in measured:
        if not one.is_repeat or one.outcome in measurements.REPEATED or one.spec.benchmark.ladder != list(ladder):
            continue
        key = configuration_key(one) if one.spec.parameters is not None else None
        if key is None or key in known:
            yield key, one


def _judged(spec: TaskSpec, repeats: Sequence[Repeated], ladder: Sequence[float]) -> Iterable[Repeated]:
    """The repeats, those of each configuration scored at the level that is best for all of them that are over."""
    goal = scoring.Goal.of(spec).on(ladder)
    scores: dict[str, scoring.Score] = {}
    for key in dict.fromkeys(key for key, _ in repeats):
        over = [one for other, one in repeats if other == key and one.outcome is not None]
        found = scoring.together(
            [one.status.levels or [] if one.score is not None else [] for one in over],
            goal,
            over[0].accelerators if over else 1,
        )
        scores |= {one.name: score for one, score in zip(over, found, strict=True) if one.score is not None}
    for key, one in repeats:
        score = scores.get(one.name)
        yield key, one if score is None else replace(one, score=score, outcome=score.outcome)


def _fitness(one: Measured) -> Fitness:
    if one.keeps:
        return "kept"
    return "broken" if one.outcome == "infeasible" else "failed"


def _doubtful(baseline: Measured) -> bool:
    """Whether the baseline misses the SLOs by no more than chance can explain: one such run proves nothing."""
    return baseline.outcome == "infeasible" and baseline.score is not None and baseline.score.shortfall <= _BY_CHANCE


def _changed(one: Measured, baseline: Measured) -> int:
    """The number of flags and variables that differ from the baseline's, those left out included."""
    pairs = zip(_flags_and_environment(one), _flags_and_environment(baseline), strict=True)
    return sum(len({name for name, _ in set(ours) ^ set(theirs)}) for ours, theirs in pairs)
