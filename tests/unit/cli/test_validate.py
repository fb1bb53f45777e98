"""`autotuner validate`: what it says about files, where, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from autotuner.cli.app import application
from autotuner.kubernetes_object import Object
from tests.unit.builders import merged
from tests.unit.engines.probed import printed
from tests.unit.task_builders import make_task

ROOT = Path(__file__).parents[3]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests" / "data" / "everything.yaml"]
Run = Callable[..., tuple[int, str]]


def autotuner(*arguments: str, stdin: str = "") -> tuple[int, str]:
    """Runs the command line; returns the exit code and what was printed."""
    ended = CliRunner().invoke(application("autotuner"), arguments, input=stdin, catch_exceptions=False)
    return ended.exit_code, ended.output


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Validates objects that are written to a file; returns the exit code and what was printed."""

    def validate(*objects: Object | str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        texts = [item if isinstance(item, str) else yaml.safe_dump(item, sort_keys=False) for item in objects]
        Path("task.yaml").write_text("---\n".join(texts))
        return autotuner("validate", "task.yaml", *options)

    return validate


def task(**spec: Any) -> Object:
    body = make_task(**spec)
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": "chat"}, "spec": body["spec"]}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    code, said = autotuner("validate", str(path))

    assert code == 0, said


def test_a_valid_task_is_summed_up(run: Run) -> None:
    assert run(task()) == (0, "task.yaml: TuningTask chat: valid; 4 configurations, at most 0.7 GPU-hours\n")


def of_vllm(flag: str) -> Object:
    return task(
        runtime={"preset": "vllm-llama-small"},
        parameters=[{"name": flag, "choices": ["a", "b"]}],
        baseline=None,
        benchmark={"tokenizer": {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}},
    )


def test_the_flags_of_an_image_of_ones_own_win_over_known_ones(run: Run, tmp_path: Path) -> None:
    flags = tmp_path / "flags.json"
    flags.write_text(printed())
    options = ("--flags", str(flags))

    code, said = run(of_vllm("new-flag"))
    assert code == 1
    assert "spec.parameters[0]: vLLM 0.33.0 has no such flag" in said
    code, said = run(of_vllm("new-flag"), options=options)
    assert code == 0, said
    assert "own parser" in said
    assert run(of_vllm("load-format"), options=options)[0] == 1
    assert run(task(), options=options) == run(task())  # of another engine


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["{}"], "no table of flags"),
        ([printed(), printed()], "there are flags of vllm already"),
        ([None], "No such file"),
    ],
)
def test_flags_that_cannot_be_used_are_told(run: Run, tmp_path: Path, texts: list[str | None], words: str) -> None:
    options = []
    for number, text in enumerate(texts):
        file = tmp_path / f"flags{number}.json"
        if text is not None:
            file.write_text(text)
        options += ["--flags", str(file)]
    code, said = run(task(), options=tuple(options))

    assert code == 2
    assert words in said


def test_of_a_task_that_asks_its_image_what_only_the_image_knows_is_a_warning(run: Run) -> None:
    probed = task(
        runtime={"preset": "vllm-llama-small", "probe": True},
        parameters=[{"name": "new-flag", "choices": ["a", "b"]}],
        baseline=None,
        benchmark={"tokenizer": {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}},
    )
    code, said = run(probed)

    assert code == 0
    assert "warning: spec.parameters[0]: the probe will decide: vLLM 0.33.0 has no such flag" in said
    assert said.endswith("docker.io/vllm/vllm-openai:v0.33.0's own parser will be asked for its flags (probe)\n")


TYPO = """apiVersion: autotuner.io/v1alpha1
kind: TuningTask
metadata: {name: chat}
spec:
  model: {preset: llama-3-2-1b-instruct}
  runtime: {preset: simulated-sglang}
  parameters:
    - name: tp-size
      valeus: [1, 2]
  benchmark:
    scenarios: [{name: chat, load: "D(100,10)"}]
    concurrency: [8]
    tokenizer: {source: Builtin}
  objectives: [{metric: OutputThroughput}]
  search: {maxExperiments: 3}
"""


def test_a_typo_is_found_in_its_line(run: Run) -> None:
    code, said = run(TYPO)

    assert code == 1
    assert said.splitlines()[0] == ("task.yaml:9:7: spec.parameters[0].valeus: unknown field; did you mean values?")
    assert said.splitlines()[-1] == "task.yaml: TuningTask chat: 1 error"


ON_VLLM: Object = {
    "runtime": {"preset": "vllm-llama-small"},
    "baseline": None,
    "parameters": [{"name": "max-num-seqs", "values": [8, 16]}],
    "benchmark": {
        "scenarios": [{"name": "chat", "load": "D(100,250)"}],
        "concurrency": [8],
        "tokenizer": {"source": "Hub", "id": "x"},
    },
}

WRONG: list[tuple[str, Object, str]] = [
    ("a rule of the schema", {"parameters": [{"name": "a"}]}, "spec.parameters[0]: give exactly one of values"),
    ("a rule about one field", {"runtime": {"engine": "SGLang"}}, "spec.runtime.engine: required with name and custom"),
    (
        "a pattern that the API server explains",
        {"gpuHourPrice": "2 EUR"},
        'spec.gpuHourPrice: write a decimal number above zero in quotes, for example "2.50"',
    ),
    (
        "another one, deeper",
        {"search": {"maxExperiments": 2, "minExpectedGain": "0%"}},
        "spec.search.minExpectedGain: write a percentage from 0.01% to 100%, for example 1%",
    ),
    ("a pattern", {"parameters": [{"name": "--a", "values": [1]}]}, "spec.parameters[0].name: "),
    (
        "a limit without a unit",
        {"slos": [{"metric": "TTFT", "max": 400}]},
        'spec.slos[0].max: must be of type string, not "integer"; it is: The highest value allowed, with its unit,',
    ),
    (
        "a bound",
        {"search": {"maxExperiments": 0}},
        "spec.search.maxExperiments: should be greater than or equal to 1, not 0",
    ),
    ("an unknown preset", {"runtime": {"preset": "simulated-sglan"}}, "spec.runtime.preset: no preset is called"),
    (
        "an unknown flag",
        {"parameters": [{"name": "enable-mixed-chunking", "toggle": True}]},
        "spec.parameters[0]: SGLang 0.5.23 has no such flag; did you mean enable-mixed-chunk?",
    ),
    (
        "JSON that is none",
        {**ON_VLLM, "runtime": {"preset": "vllm-llama-small", "extraArgs": ["--speculative-config={method: ngram"]}},
        'spec.runtime.extraArgs[0]: "--speculative-config": {method: ngram is not JSON: ',
    ),
    (
        "a key that the engine does not take",
        {**ON_VLLM, "parameters": [{"name": "compilation-config", "choices": ['{"modes":3}', '{"mode":0}']}]},
        "spec.parameters[0]: vLLM ",
    ),
    (
        "a flag that the command gives as JSON and a parameter in parts",
        {
            **ON_VLLM,
            "runtime": {
                "preset": "vllm-llama-small",
                "overrides": {"engineConfig": {"runner": {"command": ["vllm", "serve", '-cc={"mode":3}']}}},
            },
            "parameters": [{"name": "compilation-config.cudagraph_mode", "choices": ["NONE", "FULL"]}],
        },
        "spec.parameters[0].choices[0]: the runtime's command gives --compilation-config too",
    ),
    (
        "heads that cannot be divided",
        {**ON_VLLM, "parameters": [{"name": "tensor-parallel-size", "values": [3, 5]}]},
        "spec.parameters: no configuration is left: heads removes all 2 configurations: the model's 32 attention heads"
        " cannot be divided by tensor-parallel-size (3)",
    ),
    (
        "requests that do not fit into the context",
        {
            **ON_VLLM,
            "runtime": {"preset": "vllm-llama-small", "extraArgs": ["--max-model-len=300"]},
        },
        "spec.benchmark.scenarios[0].load: a prompt and its answer have 350 tokens, but max-model-len in"
        " runtime.extraArgs allows 300",
    ),
    (
        "more ranks than GPUs in sight",
        {
            **ON_VLLM,
            "runtime": {"preset": "vllm-llama-small", "env": [{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}]},
            "parameters": [{"name": "tensor-parallel-size", "values": [2, 4]}],
        },
        "spec.parameters: no configuration is left: accelerators in sight removes all 2 configurations: 2 accelerators"
        " are needed, and the environment lets the engine see 1",
    ),
    (
        "small batches without chunks, against the model's own context",
        {
            **ON_VLLM,
            "runtime": {
                "preset": "vllm-llama-small",
                "extraArgs": ["--no-enable-chunked-prefill", "--max-num-batched-tokens=512"],
            },
        },
        "spec.parameters: no configuration is left: whole prompts of the model",
    ),
    ("an empty space", {"constraints": [{"rule": "p.tp_size > 8"}]}, "spec.parameters: no configuration is left"),
    ("a rule that is none", {"constraints": [{"rule": "p.tp_size >"}]}, "spec.constraints[0].rule: "),
]


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_told_with_its_place(run: Run, change: Object, words: str) -> None:
    code, said = run(task(**change))

    assert code == 1
    place, _, rest = said.splitlines()[0].partition(": ")
    assert place.startswith("task.yaml:")
    assert place.split(":")[1].isdecimal()
    assert rest.startswith(words)


def test_a_value_that_a_rule_takes_away_is_told(run: Run) -> None:
    variants = [{"name": "none"}, {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"]}]
    parameters = [{"name": "speculation", "variants": variants}, {"name": "tp-size", "values": [1, 2]}]
    code, said = run(task(parameters=parameters, constraints=[{"rule": "p.speculation == 'none'"}]))

    assert code == 0
    assert "warning: spec.parameters[0]: no configuration has ngram: constraints[0] removes all with it" in said
    assert said.count("warning: ") == 1


NAMED: Object = {"model": {"preset": None, "name": "own"}}
OWN: Object = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "ClusterBaseModel",
    "metadata": {"name": "own"},
    "spec": {"storage": {"storageUri": "hf://a/b"}},
}


def test_what_only_the_cluster_knows_is_noted(run: Run) -> None:
    code, said = run(task(**NAMED))

    assert code == 0
    assert "note: spec.model.name: not among these files: what depends on it was not checked" in said


def test_objects_of_the_same_files_count_as_existing(run: Run) -> None:
    volume = merged(NAMED, {"benchmark": {"tokenizer": {"source": "ModelVolume"}}})
    code, said = run(task(**volume), OWN)

    assert code == 1
    assert "spec.benchmark.tokenizer.source: ModelVolume needs model.volume or a model with" in said


def test_a_list_is_looked_into(run: Run) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [task(), task(search={"maxExperiments": 0})]}

    assert run(items)[1].count("TuningTask chat: ") == 2


def test_other_kinds_are_left_alone(run: Run) -> None:
    assert run({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}) == (0, "")


def test_a_kind_of_the_same_name_in_another_group_is_left_alone(run: Run) -> None:
    assert run({"apiVersion": "example.com/v1", "kind": "TuningTask", "metadata": {"name": "x"}}) == (0, "")


@pytest.mark.parametrize("version", ["autotuner.io/v1", None])
def test_another_version_and_none_are_refused(run: Run, version: str | None) -> None:
    body = task()
    body = {**body, "apiVersion": version} if version else {key: body[key] for key in body if key != "apiVersion"}

    code, said = run(body)

    assert code == 1
    assert "task.yaml:1:1: apiVersion: write autotuner.io/v1alpha1\n" in said


@pytest.mark.parametrize(("spec", "words"), [(5, 'must be of type object, not "integer"'), (None, "required")])
def test_a_spec_that_is_no_mapping_is_refused(run: Run, spec: int | None, words: str) -> None:
    code, said = run({**task(), "spec": spec})

    assert code == 1
    assert f": spec: {words}; it is: What to tune, with which traffic" in said


def test_machines_read_json(run: Run) -> None:
    code, said = run(TYPO, options=("-o", "json"))
    (one,) = json.loads(said)

    assert code == 1
    assert one == {
        "file": "task.yaml",
        "line": 9,
        "column": 7,
        "object": "TuningTask chat",
        "field": "spec.parameters[0].valeus",
        "severity": "error",
        "reason": "InvalidSpec",
        "message": "unknown field; did you mean values?",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "task.yaml: not YAML"),
        ("- a\n", "task.yaml: not YAML: line 1: a document is a mapping"),
        ("", "no objects in these files"),
    ],
)
def test_a_file_that_cannot_be_read_is_another_failure(run: Run, text: str, words: str) -> None:
    code, said = run(text)

    assert code == 2
    assert words in said


@pytest.mark.parametrize("text", ["a: [", "- a\n", "", "\x00", "a: &x [*x]", "items: 5\nkind: List"])
def test_machines_read_why_a_file_cannot_be_read(run: Run, text: str) -> None:
    code, said = run(text, options=("-o", "json"))
    found = json.loads(said)

    assert code == 2 or found == []
    assert [(one["file"], one["reason"], one["line"]) for one in found] in ([("task.yaml", "Unreadable", 1)], [])


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(task()))
    bad.write_text("a: [")
    code, said = autotuner("validate", str(bad), str(tmp_path / "absent.yaml"), str(good))

    assert code == 2
    assert f"{good}: TuningTask chat: valid" in said
    assert f"autotuner: {bad}: not YAML: line 1: " in said
    assert "absent.yaml: No such file" in said


# Of metadata and of a spec, what is odd and what is said about it.
ODD: list[tuple[str, Object, int, str]] = [
    ("a generated name", {"metadata": {"generateName": "sweep-"}}, 0, "TuningTask sweep-...: valid"),
    ("a generated name that is too long", {"metadata": {"generateName": "x" * 40}}, 1, "metadata.name: use at most 40"),
    ("a generated name of capitals", {"metadata": {"generateName": "Sweep-"}}, 1, ": metadata.name: "),
    ("no name", {"metadata": {}}, 1, ": metadata.name: name or generateName is required"),
    ("no metadata", {"metadata": None}, 1, ": metadata.name: "),
    (
        "a name that is a number",
        {"metadata": {"name": 5}},
        1,
        'metadata.name: must be of type string, not "integer"; put it in quotes',
    ),
    ("metadata that is none", {"metadata": 5}, 1, 'metadata: must be of type object, not "integer"'),
    ("a label that is a boolean", {"metadata": {"name": "a", "labels": {"x": True}}}, 1, "metadata.labels.x: must be"),
    ("labels that are none", {"metadata": {"name": "a", "labels": [1]}}, 1, "metadata.labels: must be of type object"),
    ("unknown metadata", {"metadata": {"name": "a", "foo": 1}}, 1, "metadata.foo: unknown field"),
    ("a status that is none", {"status": 5}, 0, "valid"),
    ("another field", {"foo": 5}, 1, "foo: unknown field; there are "),
]


@pytest.mark.parametrize(("change", "code", "words"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_whatever_the_file_says_there_is_an_answer(run: Run, change: Object, code: int, words: str) -> None:
    ended, said = run({**task(), **change})

    assert (ended, words in said) == (code, True), said
    assert run({**task(), **change}, options=("-o", "json"))[0] == code


# As the API server has them, which knows no other numbers than these.
STRICT: list[tuple[Object, str]] = [
    ({"benchmark": {"concurrency": ["4"]}}, "spec.benchmark.concurrency[0]: must be of type integer"),
    ({"search": {"maxExperiments": "4"}}, "spec.search.maxExperiments: must be of type integer"),
    ({"search": {"maxExperiments": 4.5}}, "spec.search.maxExperiments: must be of type integer"),
    ({"search": {"maxExperiments": True}}, "spec.search.maxExperiments: must be of type integer"),
    ({"budget": {"maxGPUHours": "12"}}, "spec.budget.maxGPUHours: must be of type number"),
    ({"parameters": [{"name": "a", "values": [2e12]}]}, "spec.parameters[0].values[0]: should be less than or equal"),
    ({"parameters": [{"name": "a", "values": [1, None]}]}, "spec.parameters[0].values[1]: must be of type number"),
    ({"parameters": [{"name": "a", "choices": ["x", "x"]}]}, 'spec.parameters[0].choices[1]: "x": stands there twice'),
    ({"parameters": [{"name": "a", "values": [1]}] * 2}, 'spec.parameters[1]: {"name":"a"}: stands there twice'),
    ({"quantization": {"weights": ["auto", "auto"]}}, 'spec.quantization.weights[1]: "auto": stands there twice'),
    ({"gpuHourPrice": 2.5}, "spec.gpuHourPrice: must be of type string"),
]


@pytest.mark.parametrize(("change", "words"), STRICT)
def test_numbers_sets_and_maps_are_those_of_the_api_server(run: Run, change: Object, words: str) -> None:
    code, said = run(task(**change))

    assert (code, words in said) == (1, True), said


def test_a_whole_number_may_be_written_with_an_exponent(run: Run) -> None:
    text = TYPO.replace("valeus: [1, 2]", "values: [1e0, 0o2]").replace("maxExperiments: 3", "maxExperiments: 3.0")

    assert run(text) == (0, "task.yaml: TuningTask chat: valid; 2 configurations, at most 2.62 GPU-hours\n")


def test_what_may_be_meant_otherwise_is_a_warning(run: Run) -> None:
    text = TYPO.replace("valeus: [1, 2]", "values: [1, 2]").replace("kind: ", "kind: TuningTask\nkind: ")
    code, said = run(f"{text}  slos: null\n  suspend: null\n")

    assert code == 0, said
    assert "task.yaml:3:1: warning: kind: stands there twice; kubectl takes the last one" in said
    assert "warning: spec.slos: null; server-side apply and Argo CD refuse it" in said
    assert said.count("warning: ") == 2


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff\xfe\x00")

    code, said = autotuner("validate", str(path))

    assert code == 2
    assert said.startswith(f"autotuner: {path}: ")


def test_a_missing_file_is_named() -> None:
    code, said = autotuner("validate", "absent.yaml")

    assert code == 2
    assert "absent.yaml" in said


def test_standard_input_and_own_presets(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.yaml").write_text("spec: {storage: {storageUri: 'hf://a/b', path: /x}}")

    code, said = autotuner(
        "validate", "-", "--presets", str(tmp_path), stdin=yaml.safe_dump(task(model={"preset": "own"}))
    )

    assert code == 0
    assert said.startswith("<stdin>: TuningTask chat: valid")


def test_names_are_printed_as_they_are_written(run: Run) -> None:
    body = task(search={"maxExperiments": 0})
    body["metadata"]["name"] = "[red]chat[/red] :boom: [link=x]"

    assert "task.yaml: TuningTask [red]chat[/red] :boom: [link=x]: 3 errors\n" in run(body)[1]


def engine_task(image: str, *args: str, preset: str = "sglang-llama-small", **runtime: Any) -> Object:
    """A task with an image of an engine and fixed arguments."""
    parameters = [{"name": "max-running-requests" if "sglang" in preset else "max-num-seqs", "values": [32, 64]}]
    tokenizer = {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}
    benchmark = {
        "scenarios": [{"name": "chat", "load": "N(100,10)/(10,2)"}],
        "concurrency": [8],
        "tokenizer": tokenizer,
    }
    words = {"preset": preset, "image": image, "extraArgs": list(args), **runtime}
    body = task(runtime=words, parameters=parameters, benchmark=benchmark)
    del body["spec"]["baseline"]
    return body


SGLANG, VLLM = "lmsysorg/sglang:v", "vllm/vllm-openai:v"
NEW_VALUES = [
    *(("attention-backend", value) for value in ("dsa", "cutedsl_mla", "hpc_ops")),
    *(("moe-runner-backend", value) for value in ("marlin", "aiter", "flashinfer_trtllm_routed")),
    *(("moe-a2a-backend", value) for value in ("mori", "nixl", "pplx")),
    *(("quantization", value) for value in ("mxfp8", "modelopt_mixed", "quark")),
    *(("kv-cache-dtype", value) for value in ("nvfp4", "mxfp8")),
    *(("schedule-policy", value) for value in ("shortest-prefill-first", "hrrn")),
    ("radix-eviction-policy", "slru"),
    *(("speculative-algorithm", value) for value in ("DFLASH", "DSPARK")),
    ("load-format", "runai_streamer"),
    *((flag, "32k") for flag in ("context-length", "max-total-tokens", "max-prefill-tokens")),
]


@pytest.mark.parametrize(("flag", "value"), NEW_VALUES)
def test_what_a_new_release_takes_is_valid_for_its_image(run: Run, flag: str, value: str) -> None:
    code, said = run(engine_task(f"{SGLANG}0.5.23", f"--{flag}={value}"))

    assert code == 0, said
    assert said.endswith("flags are judged by SGLang 0.5.23 (the image's tag)\n")


@pytest.mark.parametrize(
    ("flag", "value"), [("kv-cache-dtype", "int4_per_token_head"), ("all2all-backend", "deepep_v2")]
)
def test_the_same_of_vllm(run: Run, flag: str, value: str) -> None:
    image = f"{VLLM}0.33.0"
    code, said = run(engine_task(image, f"--{flag}={value}", preset="vllm-llama-small"))

    assert code == 0, said


VERSIONS: list[tuple[str, dict[str, Any], int, list[str]]] = [
    (
        "the image's own release refuses",
        {"image": f"{SGLANG}0.5.5.post3"},
        1,
        ["nvfp4 is none of its values", "SGLang 0.5.5.post3", "set runtime.allowUnknownFlags: true"],
    ),
    ("the user knows better", {"image": f"{SGLANG}0.5.5.post3", "allowUnknownFlags": True}, 0, []),
    ("a word beside the tag", {"image": f"{SGLANG}0.5.5.post3", "version": "0.5.23"}, 0, ["0.5.23 (runtime.version)"]),
    (
        "a release that is not known",
        {"image": f"{SGLANG}0.5.10"},
        0,
        ["0.5.10 (the image's tag) is not among", "judged by SGLang 0.5.9, the nearest", "perhaps wrong"],
    ),
    (
        "a release that is newer",
        {"image": f"{SGLANG}0.6.0-cu130"},
        0,
        ["0.6.0 (the image's tag) is newer than any release that is known", "judged by SGLang 0.5.23"],
    ),
    (
        "a tag that tells nothing",
        {"image": "lmsysorg/sglang:latest"},
        0,
        ["does not tell the version of its SGLang", "set runtime.version", "the newest that is known"],
    ),
    (
        "a version that is said",
        {"image": "lmsysorg/sglang:latest", "version": "0.5.23"},
        0,
        ["flags are judged by SGLang 0.5.23 (runtime.version)"],
    ),
]


@pytest.mark.parametrize(("runtime", "code", "told"), [row[1:] for row in VERSIONS], ids=[row[0] for row in VERSIONS])
def test_which_release_judges_and_how_strictly(run: Run, runtime: Object, code: int, told: list[str]) -> None:
    words = {name: value for name, value in runtime.items() if name != "image"}
    ended, said = run(engine_task(runtime["image"], "--kv-cache-dtype=nvfp4", **words))

    assert ended == code, said
    assert not [one for one in told if one not in said], said


HINTS = [
    (f"{SGLANG}0.5.23", "--cuda-graph-max-bs=64", "write --cuda-graph-max-bs-decode", 1),
    (f"{SGLANG}0.5.23", "--torchao-config=int4wo-128", "0.5.15 is the last known release that has it", 1),
    (f"{SGLANG}0.5.5.post3", "--cuda-graph-max-bs-decode=64", "0.5.15 is the first known release that has it", 1),
    (f"{SGLANG}0.5.23", "--cuda-graph-max-bs-decode=64", "valid", 0),
    (f"{SGLANG}0.5.5.post3", "--attn-dp-size=2", "0.5.23 is the first known release that has it", 1),
    (f"{VLLM}0.33.0", "--disable-prefix-caching", "valid", 0),
    (f"{VLLM}0.20.1", "--disable-prefix-caching", "did you mean --no-enable-prefix-caching", 1),
    (f"{VLLM}0.20.1", "--disable-prefix-cachin", "did you mean --no-enable-prefix-caching", 1),
    (f"{VLLM}0.33.0", "--calculate-kv-scales", "is the last known release that has it", 1),
]


@pytest.mark.parametrize(("image", "argument", "words", "code"), HINTS)
def test_hints_lead_to_what_the_image_has(run: Run, image: str, argument: str, words: str, code: int) -> None:
    preset = "vllm-llama-small" if "vllm" in image else "sglang-llama-small"
    ended, said = run(engine_task(image, argument, preset=preset))

    assert ended == code, said
    assert words in said


def test_words_for_experts_mean_what_the_engine_runs(run: Run) -> None:
    for words, count in ((["auto", "fp8"], 2), (["fp8"], 1)):
        body = engine_task(f"{SGLANG}0.5.5.post3", preset="sglang-mixtral-moe")
        body["spec"] |= {"parameters": [], "quantization": {"moe": words}, "model": {"preset": "mixtral-8x7b-instruct"}}

        code, said = run(body)

        assert code == 0, said
        assert f"valid; {count} configurations" in said


def test_a_target_is_read_by_its_group_where_two_products_have_a_kind_of_one_name(run: Run) -> None:
    target = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "chat"}
    body = task(target=target, parameters=[{"name": "max-num-seqs", "values": [1, 2]}])
    body["spec"] = {key: value for key, value in body["spec"].items() if key not in ("model", "runtime", "baseline")}
    body["spec"]["benchmark"]["tokenizer"] = {"source": "Hub", "id": "a/b"}
    engine = {"name": "kserve-container", "image": f"{VLLM}0.33.0", "args": ["--model=a/b", "--max-num-seqs=1"]}
    named: Object = {"kind": "InferenceService", "metadata": {"name": "chat"}}
    other = {**named, "apiVersion": "ome.io/v1beta1", "spec": {"engine": {}}}
    own = {**named, "apiVersion": "serving.kserve.io/v1beta1", "spec": {"predictor": {"containers": [engine]}}}

    assert "is not among these files" in run(body, other)[1]
    code, said = run(body, other, own)
    assert (code, "valid; 2 configurations" in said) == (0, True), said
