"""One judge: `validate`, the API server and the operator say the same of the same spec.

Each spec goes to what the command uses, to a real API server's dry run, created and applied, and from there to the
operator's own reading and preflight. A disagreement is told with its spec.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from autotuner import backend_choice, presets
from autotuner.api.experiment import ExperimentSpec
from autotuner.api.task import TaskSpec
from autotuner.cli import diagnostics
from autotuner.cli.diagnostics import AtHand, Diagnostic
from autotuner.cli.documents import Document
from autotuner.cli.kubectl_yaml import Position
from autotuner.kubernetes_object import Object
from autotuner.memory_api.json_values import copied
from autotuner.policy import preflight
from autotuner.policy.preflight import Surroundings
from testbed.api import APPLY, Api, ApiError
from tests.support import drawn_specs
from tests.support.listed_specs import LISTED
from tests.support.objects import experiments, tasks

DRAWN = 500
_AT_ONCE = 16
_PRESETS = presets.load(presets.default_folder())
_KNOWN = AtHand([], _PRESETS, {})
_KEY = re.compile(r"\[([^\]0-9][^\]]*)\]")  # of a map, where a rule says something of its value
_FIELD = re.compile(r"^[\w.\[\]-]+: ")
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]*)"')


@dataclass(frozen=True)
class Judged:
    """What a real API server said of an object.

    Attributes:
        body: the object as it was created; None if it was refused.
        fields: that it named; None where it refused the whole.
        message: its words.
        applied: whether it took the same from server-side apply; None where it was not asked.
    """

    body: Object | None
    fields: frozenset[str] | None = frozenset()
    message: str = ""
    applied: bool | None = None


async def ask(api: Api, body: Object) -> Judged:
    path = (tasks if body["kind"] == "TuningTask" else experiments)("default")
    # As kubectl sends it: a raw 4.0 is an integer to the schema, and none to the rules.
    body, metadata = copied(body), body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    applied = None
    if isinstance(name, str) and re.fullmatch(r"[-a-z0-9]+", name):
        try:
            await api.patch(f"{path}/{name}", body, APPLY, dryRun="All", fieldManager="argocd-controller", force=True)
            applied = True
        except ApiError:
            applied = False
    try:
        return Judged(await api.create(path, body, dryRun="All", fieldValidation="Strict"), applied=applied)
    except ApiError as problem:
        return Judged(None, _fields(problem), problem.message, applied)


def _fields(problem: ApiError) -> frozenset[str] | None:
    if problem.status == 422:
        causes = (problem.body.get("details") or {}).get("causes") or []
        return frozenset(_KEY.sub(r".\1", one.get("field", "")) for one in causes) - {"<nil>"}
    # A key that is empty leaves no step in a path.
    return frozenset(one.rstrip(".") for one in _UNKNOWN_FIELD.findall(problem.message)) or None


def validate(body: Object) -> Sequence[Diagnostic]:
    return diagnostics.judge(Document(body, {(): Position(1, 1)}), _KNOWN).diagnostics


def disagreements(body: Object, real: Judged) -> Iterator[str]:
    """What the judges do not agree about."""
    told = validate(body)
    errors = {one.field: one.message for one in told if one.severity == "error"}
    if real.body is None:
        if not errors:
            yield f"validate takes it, the API server says {real.message}"
        elif real.fields is not None and not real.fields <= errors.keys():
            yield f"the API server names {sorted(real.fields)}, validate {sorted(errors)}"
        return
    try:
        found = operator(real.body)
    except ValidationError as problem:
        yield f"the API server takes it, the operator cannot read it: {problem}"
        return
    # A finding about a field that is not there is told at one above it, with the field's name before it.
    if {_FIELD.sub("", one) for one in errors.values()} != {_FIELD.sub("", one) for one in found}:
        yield f"validate says {errors}, the operator {found}"
    nulls = any(one.message.startswith("null;") for one in told)
    if real.applied is not None and real.applied == nulls:
        said = [one.message for one in told]
        yield f"server-side apply {'takes' if real.applied else 'refuses'} it, validate says {said}"


def operator(body: Object) -> set[str]:
    """What the operator refuses of an object that the API server has taken, in its words."""
    if body["kind"] != "TuningTask":
        ExperimentSpec.model_validate(body["spec"])
        return set()
    spec = TaskSpec.model_validate(body["spec"])
    around = Surroundings(backend_choice.DEFAULT, None, None)
    return {one.explanation for one in preflight.check(spec, _PRESETS, around) if one.reason != "NotFound"}


async def judged(api: Api, bodies: Iterable[Object]) -> list[tuple[Object, Judged]]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(body: Object) -> tuple[Object, Judged]:
        async with free:
            return body, await ask(api, body)

    return list(await asyncio.gather(*map(one, bodies)))


def report(results: Iterable[tuple[Object, Judged]]) -> list[str]:
    return [f"{each}\n{json.dumps(body)}" for body, real in results for each in disagreements(body, real)]


async def test_of_500_drawn_specs_all_judges_say_the_same(api: Api) -> None:
    results = await judged(api, map(drawn_specs.draw, range(DRAWN)))
    assert report(results) == []
    taken = sum(real.body is not None for _, real in results)
    assert DRAWN / 4 < taken < DRAWN * 3 / 4, "neither all right nor all wrong"


async def test_of_the_listed_specs_all_judges_say_the_same_and_name_the_field(api: Api) -> None:
    results = await judged(api, [one.body for one in LISTED])
    assert report(results) == []
    told: Mapping[str, Any] = {
        one.name: [each.field for each in validate(one.body) if each.severity == "error"] for one in LISTED
    }
    assert told == {one.name: one.fields for one in LISTED}
