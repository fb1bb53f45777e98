"""Where the files of a target's model lie."""

from __future__ import annotations

import pytest

from autotuner.api.common import Volume
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import NOWHERE, Claim, Weights
from autotuner.serving.target import weights_folder

VOLUMES = [
    {"name": "node", "hostPath": {"path": "/mnt/models"}},
    {"name": "claim", "persistentVolumeClaim": {"claimName": "weights"}},
    {"name": "scratch", "emptyDir": {}},
]


def mount(name: str, path: str, sub_path: str = "") -> Object:
    return {"name": name, "mountPath": path, **({"subPath": sub_path} if sub_path else {})}


def claim(sub_path: str, path: str) -> Weights:
    return Weights(claim=Claim("", Volume(claim_name="weights", sub_path=sub_path, mount_path=path)))


@pytest.mark.parametrize(
    ("folder", "mounts", "lie"),
    [
        ("/models/llama", [mount("node", "/models")], Weights("/mnt/models/llama")),
        ("/models", [mount("node", "/models", "llama")], Weights("/mnt/models/llama")),
        ("/models/llama", [mount("claim", "/models")], claim("llama", "/models/llama")),
        ("/models/llama", [mount("claim", "/models", "meta")], claim("meta/llama", "/models/llama")),
        ("/models", [mount("claim", "/models")], claim("", "/models")),
        # The innermost mount is what a program sees.
        ("/data/models", [mount("node", "/data"), mount("claim", "/data/models")], claim("", "/data/models")),
        ("/models-other", [mount("claim", "/models")], NOWHERE),
        ("/scratch/llama", [mount("scratch", "/scratch")], NOWHERE),
        ("/models/llama", [], NOWHERE),
        ("meta-llama/Llama-3.2-1B", [mount("claim", "/meta-llama")], NOWHERE),
        ("", [mount("claim", "/")], NOWHERE),
    ],
)
def test_the_volume_of_the_folder_holds_them(folder: str, mounts: list[Object], lie: Weights) -> None:
    assert weights_folder.weights({"storage": weights_folder.storage(folder, mounts, VOLUMES)}) == lie
