"""`helm uninstall` while an experiment runs, and the way back."""

from __future__ import annotations

import asyncio

from tests.e2e.story import ENDLESS, condition, traffic
from tests.realnode.installation import NAMESPACE, RELEASE
from tests.realnode.story import RealStory
from tests.support.waiting import wait_for

# In the namespace: every kind that the chart or the operator makes there. In the cluster: likewise.
HOME = "deployments,replicasets,pods,jobs,services,serviceaccounts,configmaps,roles,rolebindings,networkpolicies"
WIDE = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
EVERYWHERE = {"serviceaccount/default", "configmap/kube-root-ca.crt"}


async def test_an_uninstall_frees_everything_first(story: RealStory) -> None:
    await story.create_task({"spec.benchmark": traffic(ENDLESS)})
    await story.mid_benchmark("chat-0")
    await asyncio.to_thread(story.operator.uninstall)
    try:
        cancelled = await story.experiment("chat-0")
        assert cancelled
        assert condition(cancelled, "Finished")["reason"] == "Cancelled"
        assert condition(cancelled, "Released")["status"] == "True"
        assert await story.left() == []
        assert condition(await story.task(), "Finished").get("status") != "True", "the task waits for the operator"
        assert len(await story.experiments()) == 1, "nothing was begun while it was uninstalled"
        await wait_for(lambda: bare(story), "nothing of the release is left in its namespace", 40)
        assert story.bed.kubectl("get", WIDE, f"-l=app.kubernetes.io/instance={RELEASE}", "-o=name") == ""
    finally:
        await asyncio.to_thread(story.operator.install)
    # The search stays paused for a minute after its cancellation, whoever looks at it then.
    again = await wait_for(lambda: story.experiment("chat-1"), "the task goes on", 120)
    assert again["spec"]["purpose"] == "Baseline", "what was cancelled is measured again"


async def bare(story: RealStory) -> bool:
    return set(story.bed.kubectl("get", HOME, f"-n={NAMESPACE}", "-o=name").split()) == EVERYWHERE
