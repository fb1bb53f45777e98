"""The task that is proposed for what runs already: the text of its file, with a comment on each choice."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from autotuner import yaml_text
from autotuner.api.common import API_VERSION, JUDGED_AT_A_LEVEL, RESERVED_ENDINGS, TASK_NAME_MAX
from autotuner.api.task import TaskSpec
from autotuner.policy import cost_estimate, preflight
from autotuner.policy.preflight import Surroundings
from autotuner.policy.proposal import commented_yaml
from autotuner.policy.proposal.commented_yaml import Entry
from autotuner.policy.proposal.offers import TENSOR, Offer, offers, without
from autotuner.policy.proposal.recognised import NotRecognisedError, Recognised
from autotuner.policy.proposal.wishes import LADDER, MAX_EXPERIMENTS, MAX_HOURS, SLOS, TRAFFIC, Wishes, slo
from autotuner.policy.target_spec import with_target
from autotuner.presets import Presets
from autotuner.serving.accelerators import Fleet
from autotuner.serving.backend import Backend

_USUAL_STARTUP = 1800  # timeouts.startupSeconds, where a task says nothing


@dataclass(frozen=True)
class Place:
    """Where the engine runs today.

    Attributes:
        namespace: of the object.
        node_selector: of the nodes where copies of its pods can run.
        why: they are kept there, as a sentence; empty without a selector.
        fleet: what these nodes say of the accelerators that the engine asks for.
        unknown: why nothing is known of nodes, as a sentence; empty if something is.
    """

    namespace: str
    node_selector: Mapping[str, str]
    why: str
    fleet: Fleet
    unknown: str = ""


@dataclass(frozen=True)
class _Choices:
    """All that the file is written of."""

    found: Recognised
    wishes: Wishes
    place: Place
    offers: Sequence[Offer]
    gpu_hours: float | None

    @property
    def resource(self) -> str:
        """Of the accelerators; empty for none."""
        return self.place.fleet.resource


def name_of(target: str) -> str:
    """The name of a task for an object of this name."""
    known = re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-")
    name = f"tune-{known}"[:TASK_NAME_MAX].rstrip("-")
    for ending in RESERVED_ENDINGS:
        name = name.removesuffix(ending)
    return name


def propose(
    found: Recognised, wishes: Wishes, place: Place, backend: Backend, data: Mapping[str, Any], presets: Presets
) -> str:
    """The file of a task for what runs.

    What no engine could run is left out, by the same rules by which the task is judged later.

    Args:
        found: what runs.
        wishes: what people say of the task.
        place: where it runs.
        backend: that serves it.
        data: of its snapshot.
        presets: whose models are known.

    Raises:
        NotRecognisedError: something has to be said, or there is nothing to search; the message says how.
    """
    proposed = offers(found, place.fleet, wishes.users or LADDER, wishes.max_gpus)
    choices = _Choices(found, wishes, place, proposed, wishes.max_gpu_hours)
    around = Surroundings(backend, None, None, fleet=place.fleet)
    spec = _spec(choices, data)
    engine = preflight.engine(spec, presets, around) if spec else None
    if spec is None or engine is None:  # what people say makes no task: its judgement tells what is wrong
        return commented_yaml.written(_entries(choices))
    lost = preflight.space(spec, presets, around, engine).lost
    left = without(proposed, [(one.dimension, one.value, one.reason) for one in lost])
    if not left:
        raise NotRecognisedError(f"{found.title}: {found.product} has no flag with a choice that could be proposed")
    choices = replace(choices, offers=left)
    if choices.gpu_hours is None and (spec := _spec(choices, data)) is not None:
        hours = cost_estimate.gpu_hours(spec, preflight.space(spec, presets, around, engine), engine)
        choices = replace(choices, gpu_hours=hours)
    return commented_yaml.written(_entries(choices))


def _spec(choices: _Choices, data: Mapping[str, Any]) -> TaskSpec | None:
    """The spec as far as it is chosen; None if it is none."""
    try:
        body = yaml_text.read(commented_yaml.written(_entries(choices)))
        return with_target(TaskSpec.model_validate(body["spec"]), data)
    except ValidationError:
        return None


def _entries(choices: _Choices) -> list[Entry]:
    found, place = choices.found, choices.place
    name = choices.wishes.name or name_of(str(found.target["name"]))
    count, resource = found.accelerators, choices.resource
    on = f" on {count} x {resource}" if resource else ""
    product = f" ({place.fleet.product})" if place.fleet.product else ""
    return [
        Entry(
            "apiVersion",
            API_VERSION,
            (
                f"Written by `autotuner create` for {found.title} in namespace {place.namespace}: {found.product}"
                f" serves {found.model_name}{on}{product}.",
                "Everything may be changed until the task has started.",
            ),
        ),
        Entry("kind", "TuningTask"),
        Entry("metadata", {"name": name, "namespace": place.namespace}),
        Entry("spec", tuple(_sections(choices))),
    ]


def _sections(choices: _Choices) -> Iterator[Entry]:
    yield _target(choices.found, choices.wishes)
    yield from _space(choices)
    yield Entry("benchmark", tuple(_benchmark(choices)))
    yield from _goals(choices)
    yield from _search(choices)
    yield from _placement(choices)
    if (seconds := choices.found.startup_seconds) > _USUAL_STARTUP:
        why = f"Its startup probe lets it start for so long; else a task gives it {_USUAL_STARTUP} seconds."
        yield Entry("timeouts", {"startupSeconds": min(seconds, 86400)}, (why,))


def _target(found: Recognised, wishes: Wishes) -> Entry:
    why = ["What runs today: its pod is copied without its traffic, and its arguments are the baseline."]
    own: dict[str, Any] = {}
    key = wishes.api_key_secret or found.api_key
    if key is not None:
        own["apiKeySecret"] = dict(key)
        why.append("It asks clients for the key in this Secret.")
    if names := found.listed_names:
        own["servedModelName"] = names[0]
        why.append(f"It lists several models ({', '.join(names)}); this one is measured.")
    return Entry("target", {**found.target, **own}, why)


def _space(choices: _Choices) -> Iterator[Entry]:
    label = choices.found.engine.label
    parameters = []
    for one in choices.offers:
        why = [f"{one.why}. {one.today}."]
        why += [f"Left out: {value} ({reason})." for value, reason in one.left_out.items()]
        if one.name == TENSOR:
            count = choices.place.fleet.accelerators
            why += [f"A node has {count}."] if count else ["How many a node has is not known, so not more than today."]
            yield Entry("parallelism", {"tensor": list(one.values)}, why)
            continue
        kind = "choices" if isinstance(one.values[0], str) else "values"
        unset = {"allowUnset": True} if one.unset else {}
        parameters.append(Entry("", {"name": one.name, kind: list(one.values), **unset}, why))
    if parameters:
        why = [
            f"Flags of {label}. None of these changes what the model answers; quantization and the type of the KV cache"
            " would, so that they are yours to add."
        ]
        yield Entry("parameters", tuple(parameters), why)


def _benchmark(choices: _Choices) -> Iterator[Entry]:
    wishes, found = choices.wishes, choices.found
    scenarios = wishes.scenarios or [{"name": "chat", "load": TRAFFIC["chat"]}]
    words = "Tokens of prompts and answers, each a mean and a standard deviation."
    default = "Nobody said what your traffic is, so this is common chat: write your own."
    yield Entry(
        "scenarios",
        tuple(Entry("", dict(one)) for one in scenarios),
        (words,) if wishes.scenarios else (words, default),
    )
    yield _levels(wishes)
    if wishes.requests is not None:
        yield Entry("maxRequestsPerLevel", wishes.requests)
    yield _tokenizer(found, wishes)
    if ways := found.ways_to_hub:
        yield Entry("pod", {"env": [dict(one) for one in ways]}, ("The engine's own way to the hub.",))


def _levels(wishes: Wishes) -> Entry:
    """The users that are measured: a ladder where somebody wants one, or nothing says where a search would end."""
    users = "Users who send a request as soon as their last one is answered."
    limits = [slo(one) for one in SLOS] if wishes.slos is None else wishes.slos
    hard = any("max" in one and one.get("enforcement") != "Soft" and not one.get("perRequest") for one in limits)
    at_a_level = (wishes.objective or {}).get("metric") in JUDGED_AT_A_LEVEL
    if wishes.users:
        return Entry("concurrency", list(wishes.users), (users,))
    if not hard or at_a_level:
        more = " Each level has twice as many as the one before; write up to what you expect."
        return Entry("concurrency", list(LADDER), (users + more,))
    why = "The most of them within the SLOs are searched for, from 1 to max; write more than you expect."
    return Entry("concurrencySearch", {"min": 1, "max": 2 * LADDER[-1], "precision": "10%"}, (users, why))


def _tokenizer(found: Recognised, wishes: Wishes) -> Entry:
    """With which prompts are made and answers counted: it should be the model's own."""
    if found.template.simulated and not wishes.tokenizer:
        return Entry("tokenizer", {"source": "Builtin"}, ("The simulated engine counts bytes.",))
    name = wishes.tokenizer or found.tokenizer_id
    if not name and found.has_files:
        return Entry("tokenizer", {"source": "ModelVolume"}, ("The model's own, from where its files lie.",))
    if not name:
        raise NotRecognisedError(
            f"{found.title} loads {found.model_name}, which is neither an id on the hub nor on a volume of its pod that"
            " others can read: say whose tokenizer makes the prompts, with --tokenizer ORGANISATION/MODEL"
        )
    token = {"tokenSecret": dict(found.hub_token)} if found.hub_token else {}
    why = "The model's own, from the hub" + (", with the engine's token." if token else ".")
    return Entry("tokenizer", {"source": "Hub", "id": name, **token}, (why,))


def _goals(choices: _Choices) -> Iterator[Entry]:
    wishes = choices.wishes
    per = "OutputThroughputPerGPU" if choices.resource else "OutputThroughput"
    why = (
        "" if wishes.objective else f"Tokens a second{' and accelerator' if choices.resource else ''}, within the SLOs."
    )
    yield Entry("objectives", (Entry("", wishes.objective or {"metric": per}),), (why,) if why else ())
    limits = [slo(one) for one in SLOS] if wishes.slos is None else list(wishes.slos)
    if limits:
        default = (
            "Nobody said which limits you promise. These are lenient: MLPerf Inference asks the latencies of Llama 2"
            " 70B as a server. Write your own."
        )
        yield Entry("slos", tuple(Entry("", dict(one)) for one in limits), (default,) if wishes.slos is None else ())


def _search(choices: _Choices) -> Iterator[Entry]:
    wishes = choices.wishes
    own = {"maxGPUs": wishes.max_gpus} if wishes.max_gpus is not None else {}
    search = {"maxExperiments": wishes.max_experiments or MAX_EXPERIMENTS, "minExpectedGain": "1%", **own}
    yield Entry(
        "search",
        search,
        (
            "It ends earlier where ten more experiments are expected to gain less than this. Engines are measured one"
            " after the other, beside what serves: they need free accelerators.",
        ),
    )
    budget: dict[str, Any] = {}
    why = ["Whatever ends first ends the search, early enough to confirm its best."]
    if choices.resource:
        hours = choices.gpu_hours if choices.gpu_hours is not None else 1.0
        budget["maxGPUHours"] = hours if wishes.max_gpu_hours is not None else max(1, math.ceil(hours))
        why += [] if wishes.max_gpu_hours is not None else ["So many take all experiments whose levels last longest."]
    budget["maxHours"] = wishes.max_hours or MAX_HOURS
    yield Entry("budget", {**budget, "maxFailedExperiments": 10}, why)


def _placement(choices: _Choices) -> Iterator[Entry]:
    place, found = choices.place, choices.found
    own: dict[str, Any] = {"acceleratorResource": choices.resource}
    why = [f"{found.title} asks for these accelerators." if choices.resource else f"{found.title} asks for none."]
    asked, taken = found.requested.get(choices.resource, 0) * found.template.pods, found.accelerators
    if choices.resource and asked != taken:
        why.append(f"It asks for {asked}, and its arguments take {taken}: copies ask for what theirs take.")
    if place.node_selector:
        own["nodeSelector"] = dict(place.node_selector)
        why.append(place.why)
    if choices.wishes.allow_shared:
        own["allowShared"] = True
        why.append("What others do on the same accelerators changes the figures.")
    models = sorted({one.product for one in place.fleet.open if one.product})
    if len(models) > 1:
        why.append(f"Nodes have {', '.join(models)}: all are measured on the model on which the baseline comes to run.")
    if place.unknown:
        why.append(place.unknown)
    yield Entry("placement", own, why)
