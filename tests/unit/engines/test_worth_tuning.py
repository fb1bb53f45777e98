"""Flags that are proposed for a search: there are such in every release, and their values are taken."""

from __future__ import annotations

import pytest

from autotuner import engines
from autotuner.engines.arguments import text
from autotuner.engines.worth_tuning import Workload, around_users, tokens_of_a_step

RELEASES = [(engine, table.version) for engine in engines.with_parsers() for table in engine.tables]


@pytest.mark.parametrize(("engine", "version"), RELEASES, ids=lambda one: getattr(one, "name", one))
def test_every_release_takes_the_values(engine: engines.Engine, version: str) -> None:
    release = engine.at(version)
    assert release.table is not None
    assert 3 <= len(release.worth_tuning) <= 4, "with parallelism at most five dimensions"
    for worth in release.worth_tuning:
        known = release.table.find(worth.flag)
        assert known is not None, worth.flag
        for workload in (Workload(8, None), Workload(500, 24_000), Workload(128, 81_559)):
            values = worth.values(workload)
            assert len(values) > 1
            assert [known.refuses(text(value)) for value in values] == [None] * len(values)


@pytest.mark.parametrize("engine", engines.with_parsers(), ids=lambda one: one.name)
def test_none_changes_what_the_model_answers_or_depends_on_its_text(engine: engines.Engine) -> None:
    proposed = {worth.flag for worth in engine.worth_tuning}
    assert not proposed & engine.quantization.numerics
    assert not [flag for flag in proposed for part in engine.text_sensitive if part in flag]


@pytest.mark.parametrize(
    ("users", "limits"),
    [(1, [8, 16]), (8, [8, 16]), (16, [8, 16, 32]), (100, [32, 64, 128, 256]), (128, [32, 64, 128, 256])],
)
def test_limits_of_requests_lie_around_the_users(users: int, limits: list[int]) -> None:
    assert around_users(Workload(users, None)) == limits


def test_small_accelerators_work_on_fewer_tokens_at_once() -> None:
    assert tokens_of_a_step(Workload(1, 24_000))[-1] == 8192
    assert tokens_of_a_step(Workload(1, None))[-1] == 16384
