"""The operator with the rights of one service account."""

from __future__ import annotations

from pathlib import Path

from testbed.operator_process import Operator
from tests.e2e.story import Story


def started(story: Story, kubeconfig: Path, **settings: str) -> Operator:
    """The operator of a story, with the rights of a kubeconfig's account; it is running."""
    operator = Operator(
        kubeconfig,
        kubeconfig.with_suffix(".log"),
        {
            "AUTOTUNER_LEADER_ELECTION": "true",
            "AUTOTUNER_SERVING_SECONDS": "15",
            "POD_NAME": "operator",
            "POD_NAMESPACE": story.namespace,
            **settings,
        },
    )
    story.operator = operator
    operator.start()
    return operator
