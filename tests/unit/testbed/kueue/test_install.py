"""How what Kueue ships becomes what runs on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from autotuner.kubernetes_object import Object
from testbed.api import Api
from testbed.kueue.install import Kueue, configure, settings_file

SHIPPED = {"kind": "Configuration", "leaderElection": {"leaderElect": True}, "integrations": {"frameworks": ["pod"]}}


class Applied:
    """An API that remembers what was applied."""

    def __init__(self) -> None:
        self.objects: list[Object] = []

    async def apply_all(self, objects: list[Object], _: str) -> list[Object]:
        self.objects += objects
        return objects


def kueue(folder: Path) -> Kueue:
    return Kueue(folder / "kueue", SHIPPED, webhook_port=20001, health_port=20002)


def settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(settings_file(folder / "kueue").read_text())
    return found


def test_keeps_what_is_shipped_but_for_what_needs_a_pod(tmp_path: Path) -> None:
    own = kueue(tmp_path)

    assert own.arguments()[:2] == ["--config", str(settings_file(tmp_path / "kueue"))]
    assert settings(tmp_path)["integrations"] == SHIPPED["integrations"]
    assert settings(tmp_path)["leaderElection"] == {"leaderElect": False}
    assert settings(tmp_path)["webhook"]["port"] == 20001


def test_a_setting_comes_and_goes(tmp_path: Path) -> None:
    kueue(tmp_path)
    before = settings(tmp_path)

    configure(tmp_path / "kueue", {"manageJobsWithoutQueueName": True})
    assert settings(tmp_path) == {**before, "manageJobsWithoutQueueName": True}
    configure(tmp_path / "kueue", {"manageJobsWithoutQueueName": None})
    assert settings(tmp_path) == before


async def test_every_webhook_leads_to_this_machine(tmp_path: Path) -> None:
    client = {"service": {"name": "kueue-webhook-service", "namespace": "kueue-system", "path": "/x"}}
    shipped: list[Object] = [
        {"kind": "Service", "metadata": {"name": "kueue-webhook-service"}, "spec": {"selector": {"a": "b"}}},
        {"kind": "MutatingWebhookConfiguration", "webhooks": [{"name": "mpod.kb.io", "clientConfig": client}]},
        {"kind": "CustomResourceDefinition", "spec": {"conversion": {"webhook": {"clientConfig": client}}}},
        {"kind": "CustomResourceDefinition", "spec": {"group": "kueue.x-k8s.io"}},
    ]
    api = Applied()
    await kueue(tmp_path).apply(cast(Api, api), shipped)

    service, webhooks, converted, plain = api.objects
    assert service["spec"] == {"type": "ExternalName", "externalName": "localhost"}
    for found in (webhooks["webhooks"][0], converted["spec"]["conversion"]["webhook"]):
        assert found["clientConfig"]["service"] == {**client["service"], "port": 20001}
    assert plain == shipped[3]
    assert "port" not in client["service"]
