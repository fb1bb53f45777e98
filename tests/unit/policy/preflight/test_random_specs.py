"""Two thousand tasks that nobody would write, and many that somebody might: none crashes a pass, none that is broken
passes, and each refusal names its field."""

from __future__ import annotations

import copy
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from autotuner.api.task import TaskSpec
from autotuner.cli import diagnostics, documents, kubectl_yaml
from autotuner.kube import TASK
from autotuner.kubernetes_object import Object
from autotuner.memory_api import incoming, kinds
from autotuner.policy.task.decide import decide
from tests.unit.builders import after
from tests.unit.task_builders import live_model, make_task, observed, shipped

FIELD = re.compile(
    r"(model|runtime|parameters|constraints|parallelism|quantization|baseline|benchmark|objectives|slos|search"
    r"|timeouts|placement|gpuHourPrice)\b"
)
FLAGS = ["tp-size", "mem-fraction-static", "chunked-prefill-size", "schedule-policy", "enable-mixed-chunk", "page-size",
         "max-running-requests", "port", "enable-mixed-chunking", "kv-cache-dtype", "tp"]  # fmt: skip
NUMBERS = st.one_of(st.integers(-2, 9000), st.sampled_from([0.5, 0.85, 1.5]))
WORDS = st.sampled_from(["lpm", "fcfs", "auto", "fp8_e5m2", "{{x}}", "a b", "lifo"])
RULES = st.sampled_from(
    [
        "p.tp_size <= 2",
        "p.tp_size * 2 == 4",
        "has(p.page_size)",
        "p.absent == 1",
        "p.tp_size >",
        "p.schedule_policy == 'lpm' || p.tp_size > 1",
        "p.mem_fraction_static < 0.9",
        "1 + 'a'",
        "p.tp_size",
        "false",
    ]
)


@st.composite
def parameter(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(["values", "values", "choices", "range", "toggle", "variants"]))
    body: Object = {"name": draw(st.sampled_from(FLAGS))}
    if kind == "values":
        body["values"] = draw(st.lists(NUMBERS, min_size=1, max_size=4, unique=True))
    elif kind == "choices":
        body["choices"] = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
    elif kind == "range":
        low = draw(st.sampled_from([0.1, 1, 0, 64]))
        scale = draw(st.sampled_from(["Linear", "Log"]))
        body["range"] = {"min": low, "max": low + draw(st.integers(1, 500)), "scale": scale}
    elif kind == "toggle":
        body["toggle"] = True
    else:
        args = draw(st.sampled_from([["--page-size=16"], ["--host=x"], ["word"], []]))
        body["variants"] = [{"name": "one", "args": args}, {"name": "none"}]
    if draw(st.booleans()):
        body["when"] = draw(RULES)
    return body


@st.composite
def changes(draw: st.DrawFn) -> Object:
    """Some parts of a task, most of them sensible."""
    parts: dict[str, st.SearchStrategy[Any]] = {
        "parameters": st.lists(parameter(), max_size=4, unique_by=lambda one: one["name"]),
        "constraints": st.lists(st.fixed_dictionaries({"rule": RULES}), min_size=1, max_size=2),
        "parallelism": st.fixed_dictionaries(
            {},
            optional={
                "tensor": st.lists(st.sampled_from([1, 2, 3, 8, 64]), min_size=1, max_size=3, unique=True),
                "expert": st.just([2]),
                "decodeContext": st.just([1, 2]),
                "presets": st.just(["balanced", "long-context"]),
            },
        ),
        "quantization": st.fixed_dictionaries(
            {}, optional={"weights": st.just(["auto", "int8"]), "kvCache": st.sampled_from([["int4"], ["auto", "fp8"]])}
        ),
        "model": st.sampled_from(
            [
                {"preset": "llama-3-2-1b-instruct"},
                {"preset": "deepseek-v3", "overrides": {"storage": None}},
                {"preset": "absent"},
                {"name": "mine"},
                {"custom": {"name": "own", "spec": {}}},
                {"preset": "mixtral-8x7b-instruct", "volume": {"claimName": "models"}},
            ]
        ),
        "runtime": st.sampled_from(
            [
                {"preset": "simulated-vllm"},
                {"preset": "sglang-llama-small", "extraArgs": ["--tp-size=1"]},
                {"preset": "simulated-sglang", "overrides": {"engineConfig": {"runner": {"command": None}}}},
                {"preset": "absent"},
                {"name": "mine", "engine": "Custom"},
                {"custom": {"name": "own", "spec": {"engineConfig": None}}, "engine": "SGLang"},
                {"preset": "simulated-sglang", "allowUnknownFlags": True},
            ]
        ),
        "baseline": st.sampled_from([{"args": ["--tp-size=2"]}, {"args": ["--absent"]}, {"args": ["--api-key=x"]}]),
        "search": st.sampled_from(
            [
                {"maxExperiments": 3},
                {"maxExperiments": 3, "startPoints": [{"args": ["--tp-size=2"]}]},
                {"maxExperiments": 3, "startPoints": [{"args": ["--nothing"]}]},
            ]
        ),
        "placement": st.sampled_from([{"acceleratorResource": ""}, {"nodeSelector": {"pool": "gpu"}}]),
    }
    names = draw(st.lists(st.sampled_from(sorted(parts)), max_size=4, unique=True))
    return {name: draw(parts[name]) for name in names}


def written(parts: Object) -> Object:
    """The task with parts of it replaced whole."""
    body = make_task()
    body["spec"] = {**body["spec"], **copy.deepcopy(parts)}
    return body


def refused_by_shape(body: Object) -> list[diagnostics.Diagnostic]:
    document = documents.Document({**body, "metadata": {"name": "chat"}}, {(): kubectl_yaml.Position(1, 1)})
    verdict = diagnostics.judge(document, diagnostics.AtHand([], shipped(), {}))
    return [one for one in verdict.diagnostics if one.severity == "error"]


@settings(max_examples=1500, deadline=None)
@given(changes())
def test_a_task_passes_or_is_refused_by_field(parts: Object) -> None:
    body = written(parts)
    refused = refused_by_shape(body)
    assert all(one.path[:1] == ("spec",) and one.message for one in refused)
    try:
        TaskSpec.model_validate(body["spec"])
    except ValidationError:
        assert refused
        return
    live = live_model() if body["spec"]["model"] == make_task()["spec"]["model"] else None
    plan = decide(observed(body, model=live, runtime=None, wanted_runtime=None), after(1))
    valid = next(one for one in plan.status.conditions or [] if one.type == "Valid")
    if valid.status == "True":
        # What needs the cluster is not judged here; all else is refused by both or by none.
        assert not refused, [one.message for one in refused]
        assert plan.status.start_time
    else:
        assert not plan.create_experiments
        assert all(FIELD.match(message) for message in valid.message.split("; ")[:1]), valid.message


MUTATIONS = [None, True, -1, 10**9, "x", [], {}, [None], {"a": 1}]


@st.composite
def mutated(draw: st.DrawFn) -> Object:
    """A good task of which one value is something else, or one key is misspelt."""
    body = copy.deepcopy(
        written({"slos": [{"metric": "TTFT", "max": "1s"}], "constraints": [{"rule": "p.tp_size > 0"}]})
    )
    here: Any = body["spec"]
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and here[key] and draw(st.booleans()):
            here = here[key]
            continue
        if isinstance(here, dict) and draw(st.booleans()):
            here[f"{key}x"] = here.pop(key)
        else:
            here[key] = copy.deepcopy(draw(st.sampled_from(MUTATIONS)))
        return body


@settings(max_examples=500, deadline=None)
@given(mutated())
def test_a_broken_value_never_passes_unseen(body: Object) -> None:
    refused = refused_by_shape(body)
    assert all(one.message for one in refused)
    if not refused:
        kept = incoming.judged(kinds.traits(TASK), {**body, "metadata": {"name": "chat"}}).body
        assert kept is not None
        plan = decide(observed({**body, "spec": kept["spec"]}), after(1))

        assert plan.status.conditions


def test_some_of_the_tasks_are_valid_and_some_of_each_kind_are_not() -> None:
    reasons = {reason_of(example) for example in EXAMPLES}

    assert reasons == {"Valid", "InvalidSpec", "UnknownPreset", "NotFound", "ReservedFlag", "UnknownFlag", "EmptySpace"}


EXAMPLES: list[Object] = [
    {},
    {"runtime": {"preset": "absent"}},
    {"model": {"name": "mine"}},
    {"parameters": [{"name": "port", "values": [1]}]},
    {"parameters": [{"name": "enable-mixed-chunking", "toggle": True}]},
    {"constraints": [{"rule": "false"}]},
    {"constraints": [{"rule": "1 + 'a'"}]},
]


def reason_of(parts: Object) -> str:
    plan = decide(observed(written(parts), model=None, runtime=None, wanted_runtime=None), after(1))
    return next(one.reason for one in plan.status.conditions or [] if one.type == "Valid")
