"""A policy that changes what is created in a story's namespace, as queues, meshes and platform teams have."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from autotuner.kubernetes_object import Object
from tests.e2e.story import Story

POLICIES = "/apis/admissionregistration.k8s.io/v1beta1"


@contextlib.asynccontextmanager
async def mutating_policy(
    story: Story, created: tuple[str, str], mutation: Object, selector: Object | None = None
) -> AsyncIterator[None]:
    """The policy is there while this is open; it takes a moment to be in force.

    Args:
        story: in whose namespace it holds.
        created: the group and plural of what it changes.
        mutation: what it does.
        selector: of the labels of what it changes; None for all.
    """
    group, plural = created
    name = f"{story.namespace}-changes-{plural}"
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [plural]}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [rule], **({"objectSelector": selector} if selector else {})},
        "mutations": [mutation],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": story.namespace}}}
    paths = {
        "mutatingadmissionpolicies": spec,
        "mutatingadmissionpolicybindings": {"policyName": name, "matchResources": here},
    }
    for kind, body in paths.items():
        await story.api.create(f"{POLICIES}/{kind}", {"metadata": {"name": name}, "spec": body})
    try:
        yield
    finally:
        for kind in reversed(paths):
            await story.api.delete(f"{POLICIES}/{kind}/{name}")
