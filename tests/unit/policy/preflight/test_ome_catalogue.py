"""Which runtimes of OME's own catalogue are taken for a single engine, for which one, and on how many GPUs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from autotuner import engines, yaml_text
from autotuner.api.common import EngineName
from autotuner.backend_choice import DEFAULT as OME
from autotuner.kubernetes_object import Object
from autotuner.policy import model_and_runtime
from autotuner.policy.preflight import Surroundings, check
from autotuner.serving.target import engine_container
from autotuner.validation_messages import Kind
from tests.unit.task_builders import live_model, live_runtime, make_spec, shipped

DATA = yaml_text.read((Path(__file__).parents[3] / "data" / "ome-runtimes.yaml").read_text())
ROWS: list[Object] = DATA["runtimes"]
SINGLE = [row for row in ROWS if "refused" not in row]
PROGRAMS = {"SGLang": "python3 -m sglang.launch_server", "VLLM": "python3 -m vllm.entrypoints.openai.api_server"}
IMAGES = {"SGLang": "lmsysorg/sglang:v0.5.5.post3", "VLLM": "vllm/vllm-openai:v0.23.0"}
SHELL = ["/bin/bash", "-lc", "--"]
KINDS = {"args": Kind.RUNTIME_BY_SCRIPT, "image": Kind.RUNTIME_WITHOUT_IMAGE, "gRPC": Kind.RUNTIME_WITHOUT_HTTP}


def container(row: Object) -> Object:
    """The engine's container."""
    engine, form = row["engine"], row["form"]
    common, own = shlex.split(DATA["flags"][engine]), shlex.split(row["flags"])
    program = shlex.split(PROGRAMS[engine])
    if form == "args":
        words: Object = {"command": ["vllm", "serve"], "args": ["$(MODEL_PATH)", *own]}
    elif form == "image":
        words = {"args": ["$(MODEL_PATH)", *own]}
    elif form in ("script", "containers"):
        words = {"command": SHELL, "args": [f"{PROGRAMS[engine]} {DATA['flags'][engine]} {row['flags']}"]}
    else:
        words = {"command": [*program, *common, *own]}
    count = {"cpu": row.get("cpu", 1), "memory": row.get("memory", "1Gi"), "nvidia.com/gpu": row["gpus"]}
    resources = {"requests": dict(count), "limits": dict(count)}
    return {"name": "ome-container", "image": IMAGES[engine], **words, "resources": resources}


def runtime(row: Object) -> Object:
    """The runtime, for the live model."""
    runner = container(row)
    several: Object = {"leader": {"runner": runner}, "worker": {"size": 1, "runner": runner}}
    shapes: dict[str, Object] = {
        "containers": {"containers": [runner]},
        "decoder": {"engineConfig": {"runner": runner}, "decoderConfig": {"runner": runner}},
        "group": {"engineConfig": several},
        "decoder groups": {"engineConfig": several, "decoderConfig": several},
    }
    shape = shapes.get(row["form"], {"engineConfig": {"runner": runner}})
    formats = live_runtime()["spec"]["supportedModelFormats"]
    meta = {"kind": "ClusterServingRuntime", "metadata": {"name": row["name"]}}
    return {**meta, "spec": {"supportedModelFormats": formats, **shape}}


def verdict(row: Object) -> list[tuple[str, Kind, Any]]:
    """What preflight says of a task that names the runtime: of the runtime, and if there is nothing, of the rest."""
    named = {"preset": None, "name": row["name"], "engine": row["engine"]}
    flag = {"SGLang": "max-running-requests", "VLLM": "max-num-seqs"}[row["engine"]]
    own: Object = {"baseline": None, "parameters": [{"name": flag, "values": [8, 64]}]}
    spec = make_spec(runtime=named, benchmark={"tokenizer": {"source": "Hub", "id": "x"}}, **own)
    found = check(spec, shipped(), Surroundings(OME, live_model(), runtime(row)))
    of_runtime = [one for one in found if one.field.startswith("runtime")] or found
    return [(one.field, one.kind, one.details.get("part")) for one in of_runtime]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_single_engine_is_taken_and_all_else_is_refused_by_name(row: Object) -> None:
    part = row.get("refused")
    kind = KINDS.get(part or "", Kind.RUNTIME_OF_SEVERAL)
    assert verdict(row) == ([("runtime.name", kind, None if part in ("image", "gRPC") else part)] if part else [])


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row["name"])
def test_the_engine_and_its_gpus_are_told(row: Object) -> None:
    engine: EngineName = row["engine"]
    found = model_and_runtime.engine_template(OME, runtime(row)["spec"], None)

    assert engine_container.find([container(row)]).engine == engine
    assert engines.get(engine).accelerators(found.args, found.command) == row["gpus"]


def test_the_catalogue_has_every_form() -> None:
    forms = {"command", "args", "image", "script", "containers", "decoder", "group", "decoder groups"}
    assert {row["form"] for row in ROWS} == forms
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def test_a_degree_by_the_variable_counts_as_the_runtimes_own_number() -> None:
    row = {"name": "sized", "engine": "SGLang", "form": "command", "flags": "--tp-size $(PARALLELISM_SIZE)", "gpus": 4}
    found = model_and_runtime.engine_template(OME, runtime(row)["spec"], None)

    assert verdict(row) == []
    assert engines.get("SGLang").accelerators(found.args, found.command) == 4
    # With twice the data it is twice the GPUs, of which the variable must not make twice the tensor degree as well.
    assert engines.get("SGLang").accelerators([*found.args, "--dp-size=2"], found.command) == 8
    assert "--tp-size=4" in found.args
