"""What kstatus makes of every state of both kinds: `kubectl`'s library, and Helm 4 and Flux, which wait by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autotuner.kubernetes_object import Object
from testbed.api import Api
from tests.support.gitops import Deployers
from tests.support.objects import experiments, make_experiment, make_task, tasks
from tests.unit.gitops.states import EXPERIMENT_STATES, TASK_STATES

STATES = [
    pytest.param(state.body, state.kstatus, id=f"{state.body['kind']} {name}")
    for states in (TASK_STATES, EXPERIMENT_STATES)
    for name, state in states.items()
]


@pytest.fixture(scope="module")
def deployers() -> Iterator[Deployers]:
    with Deployers() as program:
        yield program


@pytest.mark.parametrize(("body", "wanted"), STATES)
def test_a_state_is_what_the_documentation_says(deployers: Deployers, body: Object, wanted: str) -> None:
    assert deployers.states(body) == (wanted, wanted)


async def test_what_nobody_has_looked_at_is_in_progress(api: Api, deployers: Deployers, namespace: str) -> None:
    task = await api.create(tasks(namespace), make_task())
    experiment = await api.create(experiments(namespace), make_experiment())

    assert [deployers.states(body) for body in (task, experiment)] == [("InProgress", "InProgress")] * 2
