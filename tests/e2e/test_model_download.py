"""What an init container does before an engine starts that loads its model from the hub."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from autotuner.api.model_and_runtime import TaskModel
from autotuner.serving.deployment import model_source
from tests.e2e.fake_hub import fake_hub
from tests.e2e.simulated import PYTHON, TOKENIZER

SPEC = {"storage": {"storageUri": "hf://org/tokenizer"}}
MODEL = TaskModel.model_validate({"preset": "any", "tokenSecret": {"name": "hf", "key": "token"}})


def download(folder: Path, endpoint: str, token: str) -> subprocess.CompletedProcess[str]:
    (container,) = model_source.of_task(MODEL, SPEC, simulated=False).init_containers("engine:1")
    assert container["command"][0] == "python3"
    variables = {one["name"]: one.get("value", token) for one in container["env"]}
    own = {**variables, "HF_HOME": str(folder), "HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    command = [str(PYTHON), *container["command"][1:]]
    return subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=60)


def test_a_model_is_downloaded_into_the_cache_once(tmp_path: Path) -> None:
    with fake_hub(TOKENIZER, token="hf_secret") as hub:
        first = download(tmp_path, hub.url, "hf_secret")
        served = list(hub.served)
        second = download(tmp_path, hub.url, "hf_secret")

        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        assert set(served) == {path.name for path in TOKENIZER.iterdir() if path.is_file()}
        assert hub.served == served, "what is in the cache is not downloaded again"
    assert list(tmp_path.rglob("tokenizer.json"))


def test_a_refusal_ends_it_with_the_hubs_words(tmp_path: Path) -> None:
    with fake_hub(TOKENIZER, token="hf_secret") as hub:
        ended = download(tmp_path, hub.url, "hf_wrong")
    assert ended.returncode != 0
    assert "restricted" in ended.stderr or "gated" in ended.stderr.lower()
