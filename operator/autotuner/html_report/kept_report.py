"""The report that the operator keeps of a finished task: a ConfigMap with the page, compressed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any

from autotuner import ownership
from autotuner.api.common import TASK_LABEL
from autotuner.html_report import page
from autotuner.html_report.report_data import ReportData
from autotuner.kubernetes_object import Object

FILE = "report.html.gz"
BYTES_MAX = 900_000  # a ConfigMap holds 1 MiB


def name(task: Mapping[str, Any]) -> str:
    """The name of the ConfigMap with a task's report."""
    return f"{task['metadata']['name']}-report"


def config_map(data: ReportData) -> Object | None:
    """The ConfigMap with the page of a task, which goes with the task; None where it does not fit into one.

    Equal data make equal bytes.
    """
    packed = gzip.compress(page.html(data).encode(), 9, mtime=0)
    if len(packed) > BYTES_MAX:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name(data.object),
            "namespace": data.namespace,
            "labels": {TASK_LABEL: data.name},
            "ownerReferences": [ownership.owner_reference(data.object)],
        },
        "binaryData": {FILE: base64.b64encode(packed).decode()},
    }
