"""What objects of our kinds may say: fields, types, limits, defaults, and the rules in CEL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotuner.kube import CONFIG_MAP, EXPERIMENT, TASK
from tests.conformance.cases.objects import UNSEEN, at, config_map, create_seen, version
from tests.conformance.server import UNCHECKED, RefusedError, Server, invalid, refused
from tests.support.objects import edited, make_experiment, make_task

UNKNOWN = RefusedError(400, "BadRequest")
Edits = Mapping[str, Any]
BAD_SHAPES: dict[str, tuple[Edits, tuple[str, str]]] = {
    "a type": ({"spec.suspend": "no"}, ("FieldValueTypeInvalid", "spec.suspend")),
    "a number for a string": ({"spec.model.preset": 1}, ("FieldValueTypeInvalid", "spec.model.preset")),
    "a broken number": ({"spec.search.maxExperiments": 1.5}, ("FieldValueTypeInvalid", "spec.search.maxExperiments")),
    "a boolean for a number": ({"spec.search.seed": True}, ("FieldValueTypeInvalid", "spec.search.seed")),
    "a list": ({"spec.parameters": {}}, ("FieldValueTypeInvalid", "spec.parameters")),
    "an item": ({"spec.objectives.0": "x"}, ("FieldValueTypeInvalid", "spec.objectives[0]")),
    "an object": ({"spec.search": "x"}, ("FieldValueTypeInvalid", "spec.search")),
    "required": ({"spec.search": None}, ("FieldValueRequired", "spec.search")),
    "required, in a list": (
        {"spec.benchmark.scenarios.0": {"load": "D(9,9)"}},
        ("FieldValueRequired", "spec.benchmark.scenarios[0].name"),
    ),
    "an enumeration": ({"spec.search.strategy": "Guess"}, ("FieldValueNotSupported", "spec.search.strategy")),
    "a string that is too long": ({"spec.model.preset": "x" * 300}, ("FieldValueTooLong", "spec.model.preset")),
    "a list that is too long": (
        {"spec.benchmark.concurrency": list(range(1, 20))},
        ("FieldValueTooMany", "spec.benchmark.concurrency"),
    ),
}
BAD_VALUES: dict[str, tuple[Edits, tuple[str, str]]] = {
    "too small": ({"spec.search.maxExperiments": 0}, ("FieldValueInvalid", "spec.search.maxExperiments")),
    "too large": ({"spec.search.maxExperiments": 10**6}, ("FieldValueInvalid", "spec.search.maxExperiments")),
    "a list that is too short": ({"spec.objectives": []}, ("FieldValueInvalid", "spec.objectives")),
    "a pattern": ({"spec.gpuHourPrice": "cheap"}, ("FieldValueInvalid", "spec.gpuHourPrice")),
    "a name twice": (
        {"spec.parameters.1": {"name": "tp-size", "values": [1]}},
        ("FieldValueDuplicate", "spec.parameters[1]"),
    ),
    "a value of a set twice": (
        {"spec.parameters.2.choices": ["lpm", "lpm"]},
        ("FieldValueDuplicate", "spec.parameters[2].choices[1]"),
    ),
    "a value of a set three times": (
        {"spec.parameters.2.choices": ["lpm", "lpm", "lpm"]},
        ("FieldValueDuplicate", "spec.parameters[2].choices[1]"),
    ),
}
BROKEN_RULES: dict[str, tuple[Edits, tuple[str, str]]] = {
    "exactly one": ({"spec.parameters.0.range": {"min": 1, "max": 2}}, ("FieldValueInvalid", "spec.parameters[0]")),
    "none of them": ({"spec.parameters.0": {"name": "tp-size"}}, ("FieldValueInvalid", "spec.parameters[0]")),
    "a number twice": ({"spec.parameters.0.values": [1, 1]}, ("FieldValueInvalid", "spec.parameters[0].values")),
    "a number twice, written otherwise": (
        {"spec.parameters.0.values": [1, 1.0]},
        ("FieldValueInvalid", "spec.parameters[0].values"),
    ),
    "a product": (
        {
            "spec.benchmark.concurrency": [1, 2, 3, 4, 5, 6, 7],
            "spec.benchmark.scenarios.1": {"name": "b", "load": "D(1,1)"},
        },
        ("FieldValueInvalid", "spec.benchmark"),
    ),
    "numbers of two types": (
        {"spec.parameters.0": {"name": "a", "range": {"min": 2, "max": 1.5}}},
        ("FieldValueInvalid", "spec.parameters[0].range.max"),
    ),
    "a bound that is zero": (
        {"spec.budget": {"maxGPUHours": 0}},
        ("FieldValueInvalid", "spec.budget.maxGPUHours"),
    ),
    "both bounds": ({"spec.slos.0.min": "1ms"}, ("FieldValueInvalid", "spec.slos[0]")),
    "a value of a map": (
        {"spec.placement": {"nodeSelector": {"pool": "a b"}}},
        ("FieldValueInvalid", "spec.placement.nodeSelector[pool]"),
    ),
    "a request parameter of the benchmark's own": (
        {"spec.benchmark.requestParams": {"max_tokens": 5}},
        ("FieldValueInvalid", "spec.benchmark.requestParams.max_tokens"),
    ),
    "a load": ({"spec.benchmark.scenarios.0.load": "N(1)"}, ("FieldValueInvalid", "spec.benchmark.scenarios[0].load")),
}


async def an_unknown_field_is_refused_where_that_is_asked_for(server: Server) -> None:
    for place in ("spec", "spec.parameters.0", "metadata", "spec.benchmark.tokenizer"):
        assert await refused(server.create(TASK, edited(make_task(), {f"{place}.foo": 1}))) == UNKNOWN, place


async def an_unknown_field_is_dropped_elsewhere(server: Server) -> None:
    made = await server.create(TASK, edited(make_task(), {"spec.foo": 1, "spec.parameters.0.foo": 1}), strict=False)
    assert "foo" not in made["spec"]
    assert "foo" not in made["spec"]["parameters"][0]

    await server.delete(TASK, "chat")
    made = await create_seen(server)
    merged = await server.merge(TASK, "chat", {"spec": {"foo": 1}, "foo": 1})
    replaced = await server.replace(TASK, edited(made, {"spec.foo": 1, "metadata.foo": 1}))

    assert {version(merged), version(replaced)} == {version(made)}
    assert await refused(server.replace(TASK, edited(made, {"spec.foo": 1}), strict=True)) == UNKNOWN


async def an_unknown_field_cannot_be_applied(server: Server) -> None:
    await server.create(TASK, make_task())
    failed = RefusedError(500, "")

    assert await refused(server.apply(TASK, edited(make_task(), {"spec.foo": 1}))) == failed
    assert await refused(server.apply(TASK, edited(make_task("other"), {"spec.foo": 1}))) == failed
    status = at(TASK, "chat", status={"phase": "Running", "foo": 1})
    assert await refused(server.apply(TASK, status, subresource="status")) == failed


async def another_type_cannot_be_applied(server: Server) -> None:
    await server.create(TASK, make_task())
    status = at(TASK, "chat", status={"phase": 1})

    assert await refused(server.apply(TASK, status, subresource="status")) == RefusedError(500, "")


async def unknown_fields_are_kept_where_anything_goes(server: Server) -> None:
    overrides = {"a": {"b": [1, {"c": None}], "d": 1.5}, "e": "f"}

    made = await server.create(TASK, edited(make_task(), {"spec.model.overrides": overrides}))

    assert made["spec"]["model"]["overrides"] == overrides


async def defaults_are_filled_in_at_every_depth(server: Server) -> None:
    made = (await server.create(TASK, make_task()))["spec"]

    assert (made["suspend"], made["search"]["seed"], made["search"]["confirm"]) == (
        False,
        0,
        {"top": 2, "maxRepeats": 4, "sameNode": False},
    )
    assert [one["allowUnset"] for one in made["parameters"]] == [False] * 4
    assert made["timeouts"]["queueSeconds"] == 3600
    assert "enforcement" not in made["slos"][0]  # an apply replaces the list as a whole: it stays as it was written
    experiment = (await server.create(EXPERIMENT, make_experiment()))["spec"]
    assert (experiment["cancel"], experiment["purpose"], experiment["block"]) == (False, "Search", 0)


async def a_default_comes_back_when_it_is_taken_away(server: Server) -> None:
    made = await server.create(TASK, edited(make_task(), {"spec.search.seed": 7}))

    merged = await server.merge(TASK, "chat", {"spec": {"search": {"seed": None}}})
    replaced = await server.replace(TASK, edited({**made, "metadata": merged["metadata"]}, {"spec.timeouts": None}))

    assert merged["spec"]["search"]["seed"] == 0
    assert replaced["spec"]["timeouts"]["pullSeconds"] == 1800


async def null_is_as_good_as_absent(server: Server) -> None:
    body = make_task()
    body["spec"] |= {"suspend": None, "slos": None, "timeouts": None}

    made = (await server.create(TASK, body))["spec"]

    assert (made["suspend"], "slos" in made, made["timeouts"]["queueSeconds"]) == (False, False, 3600)
    missing = {**make_task("b"), "spec": {**make_task()["spec"], "benchmark": None}}
    want = invalid(("FieldValueRequired", "spec.benchmark"), UNCHECKED)
    assert await refused(server.create(TASK, missing)) == want


async def a_wrong_shape_is_told_and_that_rules_were_not_looked_at(server: Server) -> None:
    for name, (edit, cause) in BAD_SHAPES.items():
        answer = await refused(server.create(TASK, edited(make_task(), edit)))
        # A set: newer releases say for each rule apart that it was not looked at.
        assert (answer.status, set(answer.causes)) == (422, {cause, UNCHECKED}), (name, answer)


async def an_item_without_a_name(server: Server) -> None:
    answer = await refused(server.create(TASK, edited(make_task(), {"spec.parameters.0": "x"})))
    nameless = [(f"FieldValue{reason}", "spec.parameters[0]") for reason in ("TypeInvalid", "Invalid")]
    assert answer == invalid(*nameless, UNCHECKED)


async def a_wrong_value_is_told(server: Server) -> None:
    for name, (edit, cause) in BAD_VALUES.items():
        answer = await refused(server.create(TASK, edited(make_task(), edit)))
        assert answer == invalid(cause), name


async def a_broken_rule_is_told(server: Server) -> None:
    for name, (edit, cause) in BROKEN_RULES.items():
        answer = await refused(server.create(TASK, edited(make_task(), edit)))
        assert answer == invalid(cause), name


async def all_that_is_wrong_is_told(server: Server) -> None:
    values = edited(make_task(), {"spec.search.maxExperiments": 0, "spec.parameters.0.values": [1, 1]})
    want = invalid(
        ("FieldValueInvalid", "spec.parameters[0].values"), ("FieldValueInvalid", "spec.search.maxExperiments")
    )
    assert await refused(server.create(TASK, values)) == want

    shapes = edited(make_task("B_"), {"spec.search.strategy": "Guess", "spec.parameters.0.values": [1, 1]})
    answer = await refused(server.create(TASK, shapes))
    assert set(answer.causes) == {
        ("FieldValueInvalid", "metadata.name"),
        ("FieldValueNotSupported", "spec.search.strategy"),
        UNCHECKED,
    }


async def a_name_keeps_the_rule_of_its_kind(server: Server) -> None:
    broken = invalid(("FieldValueInvalid", "<nil>"))
    for name in ("chat-engine", "1chat", "a" * 41, "a.b"):
        assert await refused(server.create(TASK, make_task(name))) == broken, name
    await server.create(TASK, make_task("a" * 40))
    await server.create(EXPERIMENT, make_experiment("a" * 50))
    assert await refused(server.create(EXPERIMENT, make_experiment("a" * 51))) == broken


async def a_name_keeps_the_rule_of_all_names(server: Server) -> None:
    for name in ("Notes", "a_b", "-a", "a" * 254):
        answer = await refused(server.create(CONFIG_MAP, config_map(name)))
        assert answer == invalid(("FieldValueInvalid", "metadata.name")), name
    await server.create(CONFIG_MAP, config_map("1.a-b"))


async def metadata_has_rules_too(server: Server) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u", "controller": True}
    for edit, field in (
        ({"metadata.labels": {"a": "-"}}, "metadata.labels"),
        ({"metadata.labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"metadata.labels": {"a b": "c"}}, "metadata.labels"),
        ({"metadata.annotations": {"a b": "-"}}, "metadata.annotations"),
        ({"metadata.ownerReferences": [{**owner, "uid": ""}]}, "metadata.ownerReferences.uid"),
        ({"metadata.ownerReferences": [{**owner, "kind": ""}]}, "metadata.ownerReferences.kind"),
        ({"metadata.ownerReferences": [owner, {**owner, "uid": "v"}]}, "metadata.ownerReferences"),
    ):
        answer = await refused(server.create(CONFIG_MAP, edited(config_map(), edit)))
        # Newer releases tell which of the owners it is, and that what is empty is required.
        assert {re.sub(r"\[[0-9]+]", "", place) for _, place in answer.causes} == {field}, (edit, answer)
    assert await refused(server.create(CONFIG_MAP, config_map(labels={"a": 1}))) == UNKNOWN


async def all_broken_rules_of_a_change_are_told(server: Server) -> None:
    await server.create(EXPERIMENT, make_experiment())
    await server.merge(EXPERIMENT, "chat-1", {"spec": {"cancel": True}})

    both = {"spec": {"cancel": False, "block": 2}}
    want = invalid(("FieldValueForbidden", "spec"), ("FieldValueForbidden", "spec.cancel"))
    assert await refused(server.merge(EXPERIMENT, "chat-1", both)) == want


async def a_status_has_rules_too(server: Server) -> None:
    await server.create(TASK, make_task())

    for status, causes in (
        ({"phase": "Strange"}, (("FieldValueNotSupported", "status.phase"), UNCHECKED)),
        ({"conditions": [{"type": "Valid"}]}, None),
    ):
        answer = await refused(server.merge(TASK, "chat", {"status": status}, subresource="status"))
        assert answer.status == 422
        if causes:
            assert answer == invalid(*causes)
    assert (await server.get(TASK, "chat"))["status"] == UNSEEN
