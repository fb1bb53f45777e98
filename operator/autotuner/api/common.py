"""Types that both kinds of the API share: the base model, bounded strings and lists, conditions, CEL helpers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "autotuner.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
TASKS = "tuningtasks"
EXPERIMENTS = "tuningexperiments"

TASK_LABEL = f"{GROUP}/task"
FINISHED_LABEL = f"{GROUP}/finished"
EXPERIMENT_UID_LABEL = f"{GROUP}/experiment-uid"

TASK_NAME_MAX = 40
EXPERIMENT_NAME_MAX = 50
# OME gives its own Services these endings: an InferenceService called x-engine collides with that of x.
RESERVED_ENDINGS = ("-engine", "-decoder", "-router")


class Model(BaseModel):
    """An object of the API: camelCase outside, snake_case inside, nothing unknown, never changed in place."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def dump(self) -> dict[str, Any]:
        """The object as the API server stores it: camelCase, absent where unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def cel(rule: str, message: str, **more: str) -> dict[str, str]:
    """One entry of x-kubernetes-validations."""
    return {"rule": rule, "message": message, **more}


def rules(*validations: dict[str, str]) -> dict[str, Any]:
    """Schema keywords that carry CEL rules; for `json_schema_extra`."""
    return {"x-kubernetes-validations": list(validations)}


def explained(message: str) -> Callable[[dict[str, Any]], None]:
    """Has the API server say this, instead of quoting the pattern, when a string does not match."""

    def rewrite(schema: dict[str, Any]) -> None:
        schema.update(rules(cel(f"self.matches(r'{schema.pop('pattern')}')", message)))

    return rewrite


def list_map(*keys: str) -> dict[str, Any]:
    """Schema keywords of a list of named things."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class Reserved:
    """Names that a user cannot give because the operator, or what it relies on, sets them.

    Attributes:
        prefixes: of such names.
        names: in full.
        message: what the API server and the models say of one.
    """

    def __init__(self, prefixes: tuple[str, ...], names: tuple[str, ...], message: str) -> None:
        self._prefixes, self._names, self.message = prefixes, names, message

    def rule(self, items: str) -> dict[str, str]:
        """The rule in CEL; `items` is a macro over the names such as `self.all(k, {})`, with the name as `k`."""
        tests = [f"!k.startsWith('{prefix}')" for prefix in self._prefixes] + [f"k != '{name}'" for name in self._names]
        return cel(items.format(" && ".join(tests)), self.message)

    def refuse(self, names: Iterable[str]) -> None:
        """The same for the models.

        Raises:
            ValueError: one of the names is reserved.
        """
        if any(name.startswith(self._prefixes) or name in self._names for name in names):
            raise ValueError(self.message)


ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
# Never `set` for numbers: CEL finds an unchanged set of whole numbers unequal.
UNIQUE = rules(cel("self.all(v, self.exists_one(w, w == v))", "must not repeat a value"))

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
# Of labels, taints and, with its domain, of an extended resource; the keys of maps are beyond a schema.
QUALIFIED_NAME = rf"^({_SUBDOMAIN}/)?{_LABEL_NAME}$"
ObjectName = Annotated[str, StringConstraints(pattern=rf"^{_SUBDOMAIN}$", max_length=253)]
# Of a LocalQueue: it is written into a label.
QueueName = Annotated[str, StringConstraints(pattern=rf"^{_SUBDOMAIN}$", max_length=63)]
LabelValue = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63),
    Field(
        json_schema_extra=explained(
            "write letters, digits, dashes, dots and underscores, none of the last three at an end"
        )
    ),
]
TaintKey = Annotated[
    str,
    StringConstraints(pattern=rf"^(({_SUBDOMAIN}/)?{_LABEL_NAME})?$", max_length=317),
    Field(json_schema_extra=explained("write the key of a taint, for example nvidia.com/gpu")),
]
Amount = Annotated[
    str,
    StringConstraints(
        pattern=r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$", max_length=63
    ),
    Field(json_schema_extra=explained("write an amount of a resource, for example 500m, 2 or 4Gi")),
]
ShortName = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=30)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Word = Annotated[str, StringConstraints(max_length=63)]
_IMAGE_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_REGISTRY = r"([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]+)?"
ImageRef = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(({_REGISTRY}/)?{_IMAGE_PART}(/{_IMAGE_PART})*(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@[a-z0-9+._-]+:[0-9a-fA-F]+)?)?$",
        max_length=500,
    ),
    Field(json_schema_extra=explained("write an image as a pod does, for example registry.example/team/engine:v1")),
]
# What a runtime of containers says an image is: a digest, or an address with a scheme.
ImageId = Annotated[str, StringConstraints(max_length=500)]
ServedName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Argument = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
FlagName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]*$", max_length=63),
    Field(json_schema_extra=explained("write the engine's flag without its leading dashes, for example tp-size")),
]
Timestamp = Annotated[str, StringConstraints(max_length=40), WithJsonSchema({"type": "string", "format": "date-time"})]
# An int stays an int: 1 must become --tp-size=1, not 1.0. Booleans are not numbers here.
Number = Annotated[
    Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True, allow_inf_nan=False)],
    WithJsonSchema({"type": "number", "minimum": -1e12, "maximum": 1e12}),
]
# As the API server's: "yes", "true" and 1 are none.
Switch = Annotated[bool, Field(strict=True)]
# pydantic takes 1 for it, and knows no strict literals.
OnlyTrue = Annotated[Literal[True], BeforeValidator(lambda value: value if isinstance(value, bool) else None)]
Real = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Concurrency = Annotated[int, Field(ge=1, le=4096)]
# Requests per second.
Rate = Annotated[float, Field(ge=0.001, le=10_000, allow_inf_nan=False)]
# Keys are checked by the operator: a schema says nothing of them.
LabelMap = Annotated[dict[str, LabelValue], Field(max_length=16)]
ResourceMap = Annotated[dict[str, Amount], Field(max_length=16)]
_RESERVED_LABELS = Reserved(
    (f"{GROUP}/", "ome.io/", "batch.kubernetes.io/", "kueue.x-k8s.io/", "argocd.argoproj.io/"),
    ("app.kubernetes.io/instance", "job-name", "controller-uid", "networking.knative.dev/visibility"),
    "labels of autotuner.io, ome.io, batch.kubernetes.io, kueue.x-k8s.io and argocd.argoproj.io, job-name,"
    " controller-uid, app.kubernetes.io/instance and networking.knative.dev/visibility are set by controllers and"
    " would mislead them; remove them (a queue is named in placement.queueName)",
)
_RESERVED_ANNOTATIONS = Reserved(
    (f"{GROUP}/", "ome.io/", "batch.kubernetes.io/", "argocd.argoproj.io/"),
    ("kubectl.kubernetes.io/last-applied-configuration",),
    "annotations of autotuner.io, ome.io, batch.kubernetes.io and argocd.argoproj.io, and kubectl's"
    " last-applied-configuration, are set by controllers and would mislead them; remove them",
)


def _unreserved(reserved: Reserved) -> AfterValidator:
    def check(given: dict[str, str]) -> dict[str, str]:
        reserved.refuse(given)
        return given

    return AfterValidator(check)


# Of what the operator makes in the name of a user.
OwnLabels = Annotated[
    LabelMap,
    Field(json_schema_extra=rules(_RESERVED_LABELS.rule("self.all(k, {})"))),
    _unreserved(_RESERVED_LABELS),
]
OwnAnnotations = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=2048)]],
    Field(max_length=16, json_schema_extra=rules(_RESERVED_ANNOTATIONS.rule("self.all(k, {})"))),
    _unreserved(_RESERVED_ANNOTATIONS),
]


def _extended_resource(schema: dict[str, Any]) -> None:
    """As the API server has one: a domain, which is none of its own, and a name; quotas put a word before it."""
    explained(
        "write an extended resource with its domain, for example nvidia.com/gpu, amd.com/gpu or nvidia.com/mig-1g.10gb;"
        " empty for engines without accelerators"
    )(schema)
    schema["x-kubernetes-validations"].append(
        cel(
            "!self.startsWith('requests.') && !self.contains('kubernetes.io/')",
            "must not begin with requests. nor be of Kubernetes' own domain, where no device plugin offers anything",
        )
    )


# 244: with the word of quotas no longer than 253. Empty is none.
ResourceName = Annotated[
    str,
    StringConstraints(pattern=rf"^({_SUBDOMAIN}/{_LABEL_NAME})?$", max_length=244),
    Field(json_schema_extra=_extended_resource),
]
LabelKey = Annotated[
    str,
    StringConstraints(pattern=rf"^({_SUBDOMAIN}/)?{_LABEL_NAME}$", max_length=317),
    Field(json_schema_extra=explained("write the key of a label, for example nvidia.com/gpu.product")),
]
FreeObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
Arguments = Annotated[list[Argument], Field(max_length=128, json_schema_extra=ATOMIC)]

EngineName = Literal["SGLang", "VLLM", "Custom"]
UNKNOWN_ENGINE: EngineName = "Custom"  # whose flags nobody here knows
PresetBackend = Literal["OME", "Deployment"]  # that make engines of presets, the preferred first
# And those that only copy what serves already.
BackendName = Literal[
    PresetBackend, "OMEInferenceService", "KServeInferenceService", "KServeLLMInferenceService", "LeaderWorkerSet"
]
TaskBackend = Literal["Auto", PresetBackend]
ClientBackend = Literal["sglang", "vllm", "openai"]  # what load clients call an engine's API
ModelKind = Literal["ClusterBaseModel", "BaseModel"]
RuntimeKind = Literal["ClusterServingRuntime", "ServingRuntime", "ControllerRevision"]
LatencyMetric = Literal["TTFT", "TPOT", "E2ELatency"]
ThroughputMetric = Literal[
    "OutputThroughput", "OutputThroughputPerGPU", "TotalThroughput", "RequestThroughput", "Goodput"
]
Statistic = Literal["Mean", "P50", "P90", "P95", "P99"]
LATENCY_METRICS = ("TTFT", "TPOT", "E2ELatency")
ShareMetric = Literal["Attainment"]
# What is best where nothing is offered: as objectives they are judged at one level, and not at the best of them.
JUDGED_AT_A_LEVEL = (*LATENCY_METRICS, "Attainment")
# What counts requests that keep the SLOs marked perRequest.
PER_REQUEST_METRICS = ("Goodput", "Attainment")
# Of objectives, which say more than levels do.
BoundaryMetric = Literal["MaxConcurrency", "MaxRequestRate"]
BOUNDARY_METRICS: tuple[BoundaryMetric, ...] = get_args(BoundaryMetric)
DerivedMetric = Literal["CostPerMillionTokens", BoundaryMetric]


# Who judges an object by its generation has to see that nobody has looked at a new one: an absent number would pass.
WITH_DEFAULTS: dict[str, Any] = {"default": {}}
ObservedGeneration = Annotated[
    Count | None,
    Field(
        json_schema_extra={"default": 0},
        description="The metadata.generation that this status is about; 0 until the operator has looked at the object.",
    ),
]


class Toleration(Model):
    """A toleration of a pod, as in Kubernetes' own core/v1."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
                "without a key write Exists, which tolerates every taint",
                fieldPath=".operator",
            ),
            cel(
                "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "only with operator Equal",
                fieldPath=".value",
            ),
            cel(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "only with effect NoExecute",
                fieldPath=".tolerationSeconds",
            ),
        )
    )

    key: TaintKey | None = Field(
        default=None, description="The taint's key; absent: all keys, together with operator Exists."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="Equal (if absent): the taint's value must be equal. Exists: any value will do."
    )
    value: LabelValue | None = Field(default=None, description="The taint's value, for operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="The taint's effect; absent: all effects."
    )
    toleration_seconds: Annotated[int, Field(ge=0, le=604800)] | None = Field(
        default=None,
        description="Seconds that the pod stays on a node after a NoExecute taint appears; absent: it stays for good.",
    )


Tolerations = Annotated[list[Toleration], Field(max_length=16, json_schema_extra=ATOMIC)]


class Condition(Model):
    """One aspect of the object's state, as a Kubernetes condition."""

    type: Word = Field(description="The condition's name, for example Finished.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: Word = Field(description="One word for programs that says why; docs/operations.md explains every one.")
    message: Annotated[str, StringConstraints(max_length=2048)] = Field(
        default="", description="An explanation for people, with what to do where something is wrong."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    observed_generation: Count = Field(
        default=0, description="The metadata.generation of the object that the condition was judged for."
    )


Conditions = Annotated[list[Condition], Field(max_length=10, json_schema_extra=list_map("type"))]


class EnvironmentVariable(Model):
    """An environment variable of a container."""

    # Not explained by a rule: variants may have so many that the API server would not afford one for each.
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)] = Field(
        description="The variable's name."
    )
    value: Annotated[str, StringConstraints(max_length=4096)] = Field(
        default="", description="The variable's value; empty if absent."
    )


Environment = Annotated[list[EnvironmentVariable], Field(max_length=64, json_schema_extra=list_map("name"))]


class Volume(Model):
    """A PersistentVolumeClaim of the same namespace that holds the model's weights."""

    claim_name: ObjectName = Field(description="The name of the PersistentVolumeClaim.")
    sub_path: Annotated[str, StringConstraints(max_length=512)] = Field(
        default="", description="The model's folder on the volume; empty: the volume's root."
    )
    mount_path: Annotated[str, StringConstraints(pattern=r"^/[^:]*$", max_length=512)] = Field(
        default="/models",
        json_schema_extra=explained("write an absolute path without a colon"),
        description="Where engine and benchmark mount the volume; it becomes the engine's MODEL_PATH.",
    )
    cache: Switch = Field(
        default=False,
        description=(
            "true: the volume is no model but a cache of the hub, for engines that load their model from there (backend"
            " Deployment): what is missing is downloaded into it once. It is mounted for writing."
        ),
    )
    annotations: Switch = Field(
        default=False,
        description=(
            "Set it to true only for the OME fork that mounts claims itself. autotuner then writes the annotations"
            " ome.io/storage-type, pvc-name, pvc-subpath and mount-path, and no volume, which would be mounted twice."
        ),
    )


class SecretKey(Model):
    """One key of a Secret in the same namespace. The operator passes it on as secretKeyRef and never reads it."""

    name: ObjectName = Field(description="The Secret's name.")
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = Field(
        description="The key in the Secret's data that holds the value."
    )


class Parameter(Model):
    """One parameter and the value that an experiment gave it."""

    name: FlagName = Field(description="The parameter's name.")
    value: Annotated[str, StringConstraints(max_length=253)] = Field(
        description="The value as the command line has it; for a toggle, true or false."
    )


def name_rule(maximum: int) -> dict[str, str]:
    """The rule for names that children carry: OME refuses a leading digit and dots, Services want room."""
    endings = " && ".join(f"!self.metadata.name.endsWith('{ending}')" for ending in RESERVED_ENDINGS)
    return cel(
        f"self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= {maximum}"
        f" && {endings}",
        f"metadata.name: use at most {maximum} lower-case letters, digits and dashes, beginning with a letter and"
        f" not ending in {', '.join(RESERVED_ENDINGS[:-1])} or {RESERVED_ENDINGS[-1]}"
        " (the InferenceService and the Job bear this name)",
    )


def unchanged(field: str, *, optional: bool = False, root: str = "") -> str:
    """CEL that holds when `field` below self (and `root`) is what it was; the optional syntax would cost too much."""
    new, old = f"self.{root}{field}", f"oldSelf.{root}{field}"
    if not optional:
        return f"{new} == {old}"
    return f"(has({new}) == has({old}) && (!has({new}) || {new} == {old}))"


def unchanged_items(field: str, texts: Sequence[str], *, root: str = "") -> str:
    """CEL that holds when an optional list means what it meant, item by item.

    Earlier versions of the schema wrote defaults into such items: what is absent and what is its default are the same.

    Args:
        field: below self and `root`.
        texts: CEL over x, an item: strings that say all of it.
        root: where the field is.
    """
    new, old, item = f"self.{root}{field}", f"oldSelf.{root}{field}", ", ".join(texts)
    same = f"{new}.map(x, [{item}]) == {old}.map(x, [{item}])"
    return f"(has({new}) == has({old}) && (!has({new}) || {same}))"


def or_absent(field: str, default: str = "") -> str:
    """CEL for an optional field of x as a string."""
    return f"has(x.{field}) ? string(x.{field}) : '{default}'"
