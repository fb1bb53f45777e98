"""The operator's rights to the kinds of targets are what it uses, for each entry of `backends` but the default ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner import backend_choice
from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, install_crds
from testbed.operator_process import ROOT, Operator
from tests.cluster.operator_of_account import started
from tests.e2e.target_kinds import KINDS
from tests.e2e.target_story import TargetStory
from tests.support.accounts import Right, account_kubeconfig, audited, make_account, needed, rights

RULES: dict[str, Any] = yaml.safe_load((ROOT / "packaging" / "rbac.yaml").read_text())
GROUPS = {kind.backend: backend_choice.BACKENDS[kind.backend].capabilities.rights for kind in KINDS}
SWITCHES = {name: on for kind in KINDS for name, on in kind.testbed.items()}
# What only some targets, or what goes wrong, needs: a Service or runtime of another's, a pod that does not come.
SELDOM = {Right("", "services", "get"), Right("serving.kserve.io", "clusterservingruntimes", "get")}
SELDOM |= {Right("apps", plural, "get") for plural in ("deployments", "statefulsets")}

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def bed() -> Iterator[Testbed]:
    """A testbed that writes down every request, with the controllers of all kinds of targets."""
    with Testbed.start(ome=False, audit=True, **SWITCHES) as testbed:
        yield testbed


@pytest.mark.parametrize("group", sorted({*GROUPS.values()} - {"deployment"}))
async def test_every_right_to_a_target_is_used_and_none_is_missing(bed: Testbed, tmp_path: Path, group: str) -> None:
    idle = Operator(bed.kubeconfig, tmp_path / "nobody.log")
    idle.log_path.touch()
    requests: list[Object] = []
    async with Api(bed.kubeconfig, agent="test") as api:
        await install_crds(api)
        for kind in (kind for kind in KINDS if GROUPS[kind.backend] == group):
            async with TargetStory.begin(bed, idle, api) as story:
                story.kind = kind
                await story.serve()
                requests += await run(story, group, tmp_path)
            story.operator.terminate()  # which cleaned up
    granted = rights(rule for part in RULES["backends"][group].values() for rule in part)
    assert not [request["requestURI"] for request in requests if request["responseStatus"]["code"] == 403]
    used = {right for right in map(needed, requests) if right}
    assert granted - used - SELDOM == set(), "granted, but never used"


async def run(story: TargetStory, group: str, folder: Path) -> list[Object]:
    """A task from its target to its end; returns the operator's requests."""
    rules = RULES["backends"][group]
    served = [*RULES["operatorNamespaced"], *RULES["operatorCluster"], *rules["namespaced"], *rules["cluster"]]
    home = {story.namespace: RULES["operatorHome"]}
    user = await make_account(story.api, story.namespace, "operator", served, home)
    operator = started(story, await account_kubeconfig(story.api, story.bed, user, folder), AUTOTUNER_BACKENDS=group)
    try:
        await story.create_task()
        task = await story.task_finished("tune")
        assert task["status"]["phase"] == "Succeeded", task["status"]["message"]
        assert await story.left() == []
    finally:
        assert operator.terminate() == 0
    return list(audited(story.bed, user))
