"""Presets of labelled ConfigMaps, read while the operator runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from autotuner.controllers.preset_catalogue import Catalogue, shipped
from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object
from autotuner.presets import LABEL
from autotuner.settings import Settings
from tests.unit.fake_kube import FakeKube

HOME = Settings(home="autotuner")
MODEL = "spec: {modelFormat: {name: own}}"


def config_map(name: str, labelled: bool = True, **data: str) -> Object:
    labels = {LABEL: "true"} if labelled else {}
    metadata = {"name": name, "namespace": "autotuner", "labels": labels}
    return {
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {f"models.{key}.yaml": text for key, text in data.items()},
    }


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def names(catalogue: Catalogue) -> set[str]:
    return set((await catalogue.presets()).models) - set(shipped(HOME).models)


async def test_labelled_config_maps_add_presets() -> None:
    kube = FakeKube(config_map("ours", own=MODEL), config_map("other", False, ignored=MODEL))

    assert await names(Catalogue(kube.as_kube(), HOME, shipped(HOME))) == {"own"}


async def test_what_is_added_later_is_seen_within_seconds() -> None:
    kube, clock = FakeKube(), Clock()
    catalogue = Catalogue(kube.as_kube(), HOME, shipped(HOME), clock)
    assert await names(catalogue) == set()
    kube.objects["ConfigMap", "ours"] = config_map("ours", own=MODEL)

    assert await names(catalogue) == set()
    clock.seconds += 10

    assert await names(catalogue) == {"own"}


async def test_a_broken_one_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    kube, clock = FakeKube(config_map("bad", broken="spec: 1"), config_map("ours", own=MODEL)), Clock()
    catalogue = Catalogue(kube.as_kube(), HOME, shipped(HOME), clock)
    with caplog.at_level(logging.WARNING):
        assert await names(catalogue) == {"own"}
        clock.seconds += 10
        await catalogue.presets()

    assert [record.getMessage() for record in caplog.records] == [
        "presets are left out: ConfigMap bad, models.broken.yaml: spec is not a mapping"
    ]


async def test_outside_a_cluster_none_are_looked_for() -> None:
    kube = FakeKube()
    kube.refuse["list", "ConfigMap"] = KubeError(0, "Unreachable", "away")

    assert await names(Catalogue(kube.as_kube(), Settings(), shipped(Settings()))) == set()


def test_a_folder_adds_to_those_shipped(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.yaml").write_text(MODEL)
    found = shipped(Settings(presets=tmp_path, model_root="/mnt/models"))

    assert "own" in found.models
    assert found.models["deepseek-v3"]["storage"]["path"] == "/mnt/models/deepseek-ai/deepseek-v3"
