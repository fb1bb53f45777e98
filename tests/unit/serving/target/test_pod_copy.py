"""What a copy of a pod template keeps, and what it must not have."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from autotuner.serving.target.pod_copy import without_traffic

LABELS = {"app": "chat", "tier": "gpu"}
OWN = {"labelSelector": {"matchLabels": {"app": "chat"}}, "topologyKey": "kubernetes.io/hostname"}
CACHE = {"labelSelector": {"matchLabels": {"app": "cache"}}, "topologyKey": "kubernetes.io/hostname"}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
STAYS: dict[str, Any] = {
    "serviceAccountName": "models",
    "imagePullSecrets": [{"name": "pull"}],
    "initContainers": [{"name": "fetch", "image": "fetch:1"}],
    "containers": [
        {"name": "main", "image": "vllm", "ports": [{"containerPort": 8000}], "volumeMounts": [{"name": "w"}]},
        {"name": "sidecar", "image": "proxy"},
    ],
    "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "models"}}],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "nodeSelector": {"pool": "gpu"},
    "securityContext": {"runAsUser": 1000},
    "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}},
    "runtimeClassName": "nvidia",
    "schedulerName": "gang",
}


def template(pod: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS, **metadata}, "spec": {**copy.deepcopy(STAYS), **(pod or {})}}


def test_what_the_engine_needs_stays() -> None:
    original = template()
    before = copy.deepcopy(original)
    found = without_traffic(original)
    assert (found.template, found.dropped) == ({"spec": STAYS}, ())
    assert original == before


def test_no_label_stays_and_no_annotation_of_a_serving_product() -> None:
    annotations = {
        "prometheus.io/scrape": "true",
        "serving.kserve.io/deploymentMode": "Standard",
        "leaderworkerset.sigs.k8s.io/size": "2",
        "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
    }
    found = without_traffic(template(annotations=annotations))
    assert found.template["metadata"] == {"annotations": {"prometheus.io/scrape": "true"}}


@pytest.mark.parametrize(
    ("pod", "dropped"),
    [
        ({"hostNetwork": True}, ["hostNetwork"]),
        ({"nodeName": "a", "hostname": "h", "subdomain": "s"}, ["nodeName", "hostname", "subdomain"]),
        ({"affinity": {"podAntiAffinity": {REQUIRED: [OWN]}}}, ["affinity.podAntiAffinity"]),
        ({"affinity": {"podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": OWN}]}}}, ["affinity.podAffinity"]),
        ({"topologySpreadConstraints": [{**OWN, "maxSkew": 1}]}, ["topologySpreadConstraints"]),
    ],
)
def test_what_binds_a_pod_to_the_original_goes_and_is_told(pod: dict[str, Any], dropped: list[str]) -> None:
    found = without_traffic(template(pod))
    assert list(found.dropped) == dropped
    assert not set(pod) & set(found.template["spec"])


def test_host_ports_go() -> None:
    main = {"name": "main", "ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "1.1.1.1"}, {"containerPort": 9}]}
    found = without_traffic(template({"containers": [main]}))
    assert found.template["spec"]["containers"][0]["ports"] == [{"containerPort": 80}, {"containerPort": 9}]
    assert found.dropped == ("main: hostPort 80",)


def test_company_of_others_stays() -> None:
    affinity = {"podAffinity": {REQUIRED: [CACHE, OWN]}, "podAntiAffinity": {PREFERRED: [{"podAffinityTerm": CACHE}]}}
    spread = [{**OWN, "maxSkew": 1}, {**CACHE, "maxSkew": 2}]
    found = without_traffic(template({"affinity": affinity, "topologySpreadConstraints": spread}))
    assert found.template["spec"]["affinity"] == {**affinity, "podAffinity": {REQUIRED: [CACHE]}}
    assert found.template["spec"]["topologySpreadConstraints"] == [{**CACHE, "maxSkew": 2}]


@pytest.mark.parametrize(
    ("selector", "own"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "chat", "tier": "gpu"}}, True),
        ({"matchLabels": {"app": "chat", "other": "x"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["chat", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["chat"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_who_is_meant_is_told_by_the_selector(selector: dict[str, Any] | None, own: bool) -> None:
    spread = {"maxSkew": 1, "topologyKey": "x", **({"labelSelector": selector} if selector is not None else {})}
    found = without_traffic(template({"topologySpreadConstraints": [spread]}))
    assert ("topologySpreadConstraints" in found.dropped) == own
