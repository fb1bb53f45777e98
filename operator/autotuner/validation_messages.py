"""What a check can find in a specification, as data, and the one place where findings become sentences."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from enum import Enum, unique
from typing import Literal, NamedTuple

ValidReason = Literal["InvalidSpec", "UnknownPreset", "NotFound", "ReservedFlag", "UnknownFlag", "EmptySpace", "Valid"]
"""Reasons of the condition Valid. A task with findings of reason Valid only may start: they are warnings."""


class Wording(NamedTuple):
    """What a kind of finding means to the user: a reason, and a sentence with the names of details in braces."""

    reason: ValidReason
    template: str


@unique
class Kind(Enum):
    """Every kind of finding with its text: what is wrong, and what to write instead."""

    # Backends.
    BACKEND_ABSENT = Wording(
        "NotFound", "{backend} cannot serve here ({why}); install it, or choose another: Auto takes what there is"
    )
    BACKEND_CHOSEN = Wording("Valid", "{backend} serves the engines, since {absent}")
    TARGET_BACKEND_ABSENT = Wording(
        "NotFound",
        "engines cannot be copied by {backend} here ({why}); install it, and let the operator use it: the chart's value"
        " backends",
    )
    NAME_UNFIT = Wording(
        "InvalidSpec",
        "the task's own name, {task}, is too long for its experiments in namespace {namespace} ({why} for the last of"
        " them); give the task a shorter metadata.name",
    )
    TARGET_NOTED = Wording("Valid", "{note}")
    TARGET_UNUSABLE = Wording("InvalidSpec", "cannot be copied: {why}")
    BACKEND_LOADS_MODELS = Wording(
        "InvalidSpec", "{backend} downloads models itself; remove it, or choose backend Deployment"
    )
    DOWNLOAD_TOO_LARGE = Wording(
        "InvalidSpec",
        "each experiment would download {size} GB anew (more than {most} GB): name a folder in overrides.storage.path,"
        " a claim in volume, a claim as cache (volume.cache: true), or set allowDownload: true",
    )
    TARGET_DOWNLOADS = Wording(
        "InvalidSpec",
        "each experiment would download {size} GB anew (more than {most} GB), as every pod of it does: put the model on"
        " a claim (pvc://), or set target.allowDownload: true",
    )
    BACKEND_WITHOUT_OBJECTS = Wording(
        "InvalidSpec",
        "names an object, and {backend} knows none; give a preset or custom, or choose another backend in spec.backend",
    )

    # Objects.
    PRESET_UNKNOWN = Wording("UnknownPreset", "no preset is called {name}; there are {known}")
    PRESET_MISSPELT = Wording("UnknownPreset", "no preset is called {name}; did you mean {meant}?")
    OBJECT_MISSING = Wording("NotFound", "{object} does not exist; create it, or name another")
    CREATION_FORBIDDEN = Wording(
        "NotFound",
        "{object} does not exist, and this operator may not create cluster-scoped objects; ask for it to be created",
    )
    MODEL_INCOMPLETE = Wording("InvalidSpec", "{lacking}")
    OBJECT_MISSHAPEN = Wording("InvalidSpec", "{object} cannot be read: {what}")
    RUNTIME_WITHOUT_IMAGE = Wording("InvalidSpec", "engineConfig.runner has no image, so there is no engine to start")
    RUNTIME_OF_SEVERAL = Wording(
        "InvalidSpec",
        "with {part} the runtime is no single engine but several (prefill and decode apart, or a leader with workers),"
        " and only one of them would be measured; choose a runtime whose engineConfig.runner is the whole engine",
    )
    RUNTIME_BY_SCRIPT = Wording(
        "InvalidSpec",
        "a shell starts the engine by a script in {part} of engineConfig.runner, so that no experiment could give it"
        ' other arguments; start the engine by command and args, or end a script in command with "$@"',
    )
    RUNTIME_WITHOUT_HTTP = Wording(
        "InvalidSpec",
        "with --{flag} its engine serves gRPC alone, and the benchmark speaks HTTP; choose a runtime without it",
    )
    RUNTIME_INCOMPATIBLE = Wording("InvalidSpec", "{mismatch}")
    OBJECT_SHADOWED = Wording(
        "InvalidSpec", "{hiding} in namespace {namespace} hides the {hidden} from {product}; remove it"
    )
    KUEUE_MISSING = Wording(
        "NotFound",
        "Kueue is not installed: the API server serves no LocalQueues (kueue.x-k8s.io/v1beta2 or v1beta1), so nothing"
        " would queue; install it, or remove this",
    )
    QUEUE_MISSING = Wording(
        "NotFound",
        "LocalQueue {queue} does not exist in namespace {namespace} (there: {known}), and Kueue would let everything"
        " wait for it; create it, or name another",
    )
    CLUSTER_QUEUE_MISSING = Wording(
        "NotFound",
        "LocalQueue {queue} leads to ClusterQueue {cluster_queue}, which does not exist; ask for it to be created, or"
        " name another queue",
    )
    DEFAULTS_DO_NOT_FIT = Wording(
        "InvalidSpec",
        "together with the operator's taskDefaults this is more than a task may say: {why}; say less here, or ask for"
        " fewer defaults",
    )
    LABEL_KEY_MALFORMED = Wording(
        "InvalidSpec", "{key} is no key of a label; write a name of at most 63 characters, perhaps after a domain and /"
    )
    OBJECT_PRUNED = Wording("InvalidSpec", "Argo CD would prune the object; remove it")

    # Weights.
    STORAGE_AND_VOLUME = Wording("InvalidSpec", "model.volume says where the weights are; remove one of the two")
    PATH_EXPANDED = Wording("InvalidSpec", '"{mark}" would be expanded; write the path as it is')
    PATH_WITH_PARENT = Wording("InvalidSpec", "must not contain ..; write the path in full")
    PATH_ABSOLUTE = Wording("InvalidSpec", "is relative to the claim's root; remove the leading slash")
    MOUNT_ON_SYSTEM = Wording("InvalidSpec", "{mount} belongs to the system; choose another folder")
    MOUNT_OVERLAPS = Wording(
        "InvalidSpec", "{mount} overlaps with {path}, where {owner} is mounted; choose another folder"
    )
    VOLUME_AND_MODEL_CLAIM = Wording(
        "InvalidSpec",
        "{model} lies on a claim of its own (pvc://), which {product} mounts; remove model.volume, or name a model of"
        " storageUri vendor://... without a path",
    )
    CLAIM_IN_OTHER_NAMESPACE = Wording(
        "InvalidSpec",
        "{model} lies on claim {claim} of namespace {namespace}, and pods mount claims of their own namespace only;"
        " create the task there",
    )
    MODEL_WITHOUT_WEIGHTS = Wording(
        "InvalidSpec",
        "{model} has no storage.path, so {product} mounts no weights and sets no {variable}, which the runtime's"
        " command reads; name the claim that holds them in model.volume, or a model with a path",
    )
    CLAIM_MISSING = Wording("NotFound", "{claim} does not exist in namespace {namespace}; create it, or name another")
    CLAIM_TERMINATING = Wording(
        "InvalidSpec", "{claim} is being deleted; create it again once it is gone, or name another"
    )
    CLAIM_LOST = Wording(
        "InvalidSpec",
        "{claim} is Lost: its PersistentVolume {volume} is gone, and the data perhaps too; delete the claim and"
        " create it again with a volume that has the weights, or name another",
    )
    CLAIM_IS_DEVICE = Wording(
        "InvalidSpec", "{claim} is a raw device (volumeMode Block); the engine needs a file system: name another"
    )
    CLAIM_FOR_ONE_POD = Wording(
        "InvalidSpec",
        "{claim} is ReadWriteOncePod, for one pod at a time, and {engines} engines would read it; set 1, or use a"
        " claim that is ReadOnlyMany or ReadWriteMany",
    )
    CLAIM_FOR_ONE_NODE = Wording(
        "InvalidSpec",
        "{claim} is ReadWriteOnce, for one node at a time, and {engines} engines would read it; set 1, or use a claim"
        " that is ReadOnlyMany or ReadWriteMany",
    )
    MODEL_PATH_FORBIDDEN = Wording(
        "InvalidSpec",
        "{product} mounts {path} of the node for {model}, which Pod Security ({level}) forbids in namespace"
        " {namespace}; name the claim that holds the weights in model.volume, or use a namespace without the label"
        " pod-security.kubernetes.io/enforce",
    )
    OWN_MODEL_PATH_FORBIDDEN = Wording(
        "InvalidSpec",
        "{product} mounts {path} of the node for {model}, which Pod Security ({level}) forbids in namespace"
        " {namespace}; name a model of storageUri vendor://... without a path, and the weights' claim in model.volume,"
        " or use a namespace without the label pod-security.kubernetes.io/enforce",
    )
    RUNTIME_PATH_FORBIDDEN = Wording(
        "InvalidSpec",
        "its volume {volume} is a host path, which Pod Security ({level}) forbids in namespace {namespace}; use a"
        " runtime without it, or use a namespace without the label pod-security.kubernetes.io/enforce",
    )
    VOLUME_MAY_BE_EMPTY = Wording(
        "Valid",
        "{claim} is not bound yet, and its StorageClass will make an empty volume; put the weights there before the"
        " task starts",
    )
    MODEL_MOUNTED_TOO = Wording(
        "Valid",
        "{model} has a storage.path too, so {product} also mounts {path} of the node; a model of storageUri vendor://..."
        " without a path downloads and mounts nothing",
    )
    VOLUME_NOT_READ = Wording(
        "Valid",
        "the runtime's command reads neither $({variable}) nor {mount}; check that its engine finds the weights there",
    )

    # Flags.
    FLAG_RESERVED = Wording("ReservedFlag", "{instead}")
    FLAG_UNKNOWN = Wording(
        "UnknownFlag",
        "{engine} has no such flag (if your image's engine has it, set runtime.allowUnknownFlags: true)",
    )
    FLAG_MISSPELT = Wording(
        "UnknownFlag",
        "{engine} has no such flag; did you mean {meant}? (if your image's engine has it, set"
        " runtime.allowUnknownFlags: true)",
    )
    FLAG_RENAMED = Wording(
        "UnknownFlag",
        "{engine} has no such flag any more; write {meant} (if your image's engine has it, set"
        " runtime.allowUnknownFlags: true)",
    )
    FLAG_GONE = Wording(
        "UnknownFlag",
        "{engine} has no such flag any more, {last} is the last known release that has it; remove it, or set"
        " runtime.version or runtime.allowUnknownFlags: true if your image's engine has it",
    )
    FLAG_TOO_NEW = Wording(
        "UnknownFlag",
        "{engine} has no such flag yet, {first} is the first known release that has it; take a newer image, or set"
        " runtime.version or runtime.allowUnknownFlags: true if your image's engine has it",
    )
    PERHAPS_WRONG = Wording("Valid", "perhaps wrong, for your image's engine is another release: {complaint}")
    SPELLING_UNKNOWN = Wording("InvalidSpec", "{engine} does not know this spelling; write {meant}")
    FLAG_FIXED_TOO = Wording("InvalidSpec", "the flag is also in runtime.extraArgs[{index}]; remove one of them")
    FLAG_SEARCHED_TWICE = Wording("InvalidSpec", "is the same flag as parameters[{other}]; remove one of them")
    FLAG_IN_COMMAND = Wording(
        "InvalidSpec",
        "some configurations leave out --{flag}, but the runtime's command sets it, and what is in a command cannot be"
        " taken away; move it to the runtime's args, or override its command",
    )
    JSON_KEY_UNKNOWN = Wording(
        "InvalidSpec",
        "{engine} refuses the key {key} in --{flag} (if your image's engine takes it, set runtime.allowUnknownFlags:"
        " true)",
    )
    JSON_KEY_MISSPELT = Wording(
        "InvalidSpec",
        "{engine} refuses the key {key} in --{flag}; did you mean {meant}? (if your image's engine takes it, set"
        " runtime.allowUnknownFlags: true)",
    )
    JSON_IN_COMMAND = Wording(
        "InvalidSpec",
        "the runtime's command gives --{flag} too, one of them as JSON and the other in parts, and the engine drops the"
        " JSON beside parts; write both in one form, or move the flag to the runtime's args",
    )
    LIST_IN_COMMAND = Wording(
        "InvalidSpec",
        "the runtime's command gives --{flag} too, and the engine adds this list to that one; move the flag to the"
        " runtime's args",
    )
    FLAG_IN_TARGET = Wording(
        "InvalidSpec",
        "some configurations leave out --{flag}, but the target has it where no copy can take it away, in a runtime, in"
        " a preset or with a value that only pods know; offer a value or the flag's negation, or take it out there",
    )
    JSON_IN_TARGET = Wording(
        "InvalidSpec",
        "the target gives --{flag} too, where no copy can change it, one of them as JSON and the other in parts, and"
        " the engine drops the JSON beside parts; write it in the target's form",
    )
    LIST_IN_TARGET = Wording(
        "InvalidSpec",
        "the target gives --{flag} too, where no copy can change it, and the engine adds this list to that one; take"
        " the flag out there",
    )
    FLAG_MIXED_WITH_VALUE = Wording("InvalidSpec", "flag and value are one argument: write {meant}")
    NOT_A_FLAG = Wording("InvalidSpec", "not a flag: an argument begins with a dash, for example --name=value")
    TEMPLATE_IN_VALUE = Wording("InvalidSpec", '"{{{{" would be expanded as a template; write the value without it')
    VALUE_MISSING = Wording("InvalidSpec", "a value is missing")
    VALUE_REFUSED = Wording(
        "InvalidSpec",
        "{refusal} ({engine}; if your image's engine takes it, set runtime.allowUnknownFlags: true)",
    )
    VALUES_TOO_MANY = Wording("InvalidSpec", "it takes one value, not {count}")
    SWITCH_WITH_VALUE = Wording("InvalidSpec", "it is a switch and takes no value")
    OFFER_REFUSED = Wording(
        "InvalidSpec",
        "{part}: {refusal} ({engine}; if your image's engine takes it, set runtime.allowUnknownFlags: true)",
    )
    TOGGLE_OF_VALUE = Wording("InvalidSpec", "the flag takes a value and cannot be toggled; use values or choices")
    VALUES_OF_SWITCH = Wording("InvalidSpec", "the flag is a switch and takes no value; use toggle: true")
    RANGE_NOT_WHOLE = Wording("InvalidSpec", "the flag takes whole numbers; write range.type: Integer")
    ARGUMENTS_MALFORMED = Wording("InvalidSpec", "joined with the runtime's own and runtime.extraArgs: {why}")
    NO_ARGUMENT_LEFT = Wording(
        "InvalidSpec",
        "without it no argument is left, and {product} would use the runtime's own, which have it; fix some other flag"
        " in runtime.extraArgs",
    )

    # The engine's version, and the probe of its image.
    PROBE_IMPOSSIBLE = Wording("InvalidSpec", "{engine} has no argument parser that could be asked; remove it")
    PROBE_DECIDES = Wording("Valid", "the probe will decide: {complaint}")
    PROBE_FAILED = Wording("Valid", "the image's own parser could not be asked for its flags: {why}")
    VERSION_UNTOLD = Wording(
        "Valid",
        "the image's tag does not tell the version of its {engine}; flags are judged by {table}, the newest that is"
        " known, and what it refuses is only doubted: set runtime.version",
    )
    VERSION_NEWER = Wording(
        "Valid",
        "{version} ({source}) is newer than any release that is known; flags are judged by {table}, and what it refuses"
        " is only doubted",
    )
    VERSION_BETWEEN = Wording(
        "Valid",
        "{version} ({source}) is not among the releases that are known; flags are judged by {table}, the nearest, and"
        " what it refuses is only doubted",
    )

    # Benchmark.
    LEVEL_NOT_ON_LADDER = Wording("InvalidSpec", "{level} is not on the ladder; choose one of {ladder}")
    LEVEL_OF_OTHER_LOOP = Wording("InvalidSpec", "the ladder is benchmark.{given}; write {instead} instead")
    USERS_IN_OPEN_LOOP = Wording(
        "InvalidSpec",
        "MaxConcurrency counts users, of which an open loop has none; give benchmark.concurrencySearch, or choose"
        " MaxRequestRate",
    )
    RATE_IN_CLOSED_LOOP = Wording(
        "InvalidSpec",
        "MaxRequestRate is a rate, which a closed loop does not have; give benchmark.rateSearch, or choose"
        " MaxConcurrency",
    )
    LEVEL_OF_SEARCH = Wording(
        "InvalidSpec",
        "{metric} is judged at one level, and benchmark.{search} measures others for each configuration; give"
        " benchmark.{ladder} instead, or choose a throughput, MaxConcurrency or MaxRequestRate",
    )
    SEARCH_WITHOUT_LIMIT = Wording(
        "InvalidSpec",
        "it looks for the level at which a hard SLO breaks, and there is none; add one to slos, with the max of a"
        " latency or the min of Attainment",
    )
    REQUEST_PARAMETER_REFUSED = Wording("InvalidSpec", "{why}")
    TOKENIZER_COUNTS_BYTES = Wording(
        "InvalidSpec", "Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume"
    )
    TOKENIZER_WITHOUT_FILES = Wording(
        "InvalidSpec", "ModelVolume needs {volume} or a model with spec.storage.path; use Hub with an id"
    )
    TOKENIZER_ON_ONE_POD_CLAIM = Wording(
        "InvalidSpec",
        "ModelVolume reads {claim} beside the engine, but that is ReadWriteOncePod; use Hub with an id, or a claim"
        " that more pods may use",
    )
    TOKENIZER_ON_ONE_NODE_CLAIM = Wording(
        "InvalidSpec",
        "{claim} is ReadWriteOnce, for one node at a time, and the benchmark reads its tokenizer there (ModelVolume)"
        " beside the engine; set SameNode, or use Hub with an id",
    )
    LADDER_TOO_LONG = Wording(
        "InvalidSpec",
        "the ladder may take {needed:.0f} s ({scenarios} scenarios x {levels} levels x {minutes} min), but {limit} s"
        " are allowed; allow more, or measure less",
    )
    REQUESTS_TOO_LONG = Wording(
        "InvalidSpec",
        "a prompt and its answer have {tokens} tokens, but {flag} in {where} allows {limit}; raise it, or write shorter"
        " requests",
    )
    SOME_REQUESTS_TOO_LONG = Wording(
        "Valid",
        "some prompts with their answers have more than {tokens} tokens, but {flag} in {where} allows {limit}: the"
        " engine refuses or shortens them",
    )
    REQUESTS_BEYOND_MODEL = Wording(
        "Valid",
        "a prompt and its answer have {tokens} tokens, but the model's context has {limit}; write shorter requests, or"
        " extend the context by the engine's flags",
    )
    LADDER_WITH_GAPS = Wording(
        "Valid",
        "between {low} and {high} nothing is measured, and the SLOs may hold nearly up to {high}: what is reported can"
        " lie far below what is possible, and differences can be those of the ladder; {instead} finds the boundary",
    )
    LOAD_IN_LOCKSTEP = Wording(
        "Valid",
        "D moves in lock-step and biases TTFT above concurrency {limit}; N or U with the same means does not",
    )
    EFFECT_DEPENDS_ON_TEXT = Wording(
        "Valid", "its effect depends on the text of the prompts; the benchmark's is artificial"
    )

    # Goals.
    OBJECTIVE_REPEATED = Wording(
        "InvalidSpec",
        "{figure} is objectives[{earlier}] already; remove one of them, or change its statistic or concurrency",
    )
    LATENCY_OBJECTIVE_REPEATED = Wording(
        "InvalidSpec",
        "{figure} at {where} is objectives[{earlier}] already; remove one of them, or change its statistic, concurrency"
        " or rate",
    )
    REQUEST_LIMIT_MISSING = Wording(
        "InvalidSpec",
        "{metric} counts the requests that keep every SLO with perRequest: true, and there is none; add one with the"
        " max of TTFT, TPOT or E2ELatency",
    )
    REQUEST_LIMIT_UNUSED = Wording(
        "InvalidSpec",
        "a limit of single requests counts in Goodput and Attainment only; add one of them as objective or SLO, or"
        " remove perRequest",
    )
    LATENCY_NEVER_SO_LOW = Wording(
        "InvalidSpec",
        "{figure} is never {limit} or less; write the most that you accept, for example 500ms",
    )
    RATE_NEVER_SO_LOW = Wording(
        "InvalidSpec",
        "{figure} is never {limit} or less; write the most that you accept, for example 900tok/s",
    )
    SHARE_ABOVE_ALL = Wording(
        "InvalidSpec",
        "{metric} is a share of all requests, at most 100%; write a smaller one, for example {example}",
    )
    SLO_REPEATED = Wording("InvalidSpec", "says the same as slos[{earlier}] ({side} {limit}); remove one of them")
    FLOOR_ABOVE_CEILING = Wording(
        "InvalidSpec",
        "{limit} is above the ceiling of slos[{earlier}], {other}: both cannot be kept; change one of them",
    )
    CEILING_BELOW_FLOOR = Wording(
        "InvalidSpec",
        "{limit} is below the floor of slos[{earlier}], {other}: both cannot be kept; change one of them",
    )

    # The end of a search.
    GAIN_WITHOUT_MODEL = Wording(
        "InvalidSpec",
        "strategy {strategy} has no model that could expect a gain; set search.strategy: Bayesian, or leave this out",
    )
    GAIN_OF_SEVERAL = Wording(
        "InvalidSpec",
        "{count} objectives have no gain in common; give one objective, or leave this out",
    )

    # Side by side.
    BASELINE_BEYOND_MAX_GPUS = Wording(
        "InvalidSpec",
        "the baseline needs {needed} GPUs, so that nothing could be measured within {limit}; set at least {needed}",
    )
    BASELINE_BEYOND_ALL_TASKS = Wording(
        "InvalidSpec",
        "needs {needed} GPUs, but the experiments of all tasks may hold {limit} together; give a smaller one, or ask"
        " for a larger limits.maxGPUs of the operator",
    )
    MORE_SLOTS_THAN_GPUS = Wording(
        "Valid", "at most {gpus} run at the same time, for each needs a GPU and search.maxGPUs is {gpus}"
    )
    BATCH_LEARNS_LITTLE = Wording(
        "Valid",
        "of {experiments} experiments {parallel} run at the same time, so that the search has little to learn from"
        " before most have started; a lower one, or more experiments, finds better configurations",
    )
    BENCHMARKS_SHARE_NODES = Wording(
        "Valid",
        "up to {parallel} engines and their benchmarks may share the CPUs of a node and slow each other down; set"
        " OtherNode or Any, or measure one at a time, if experiments end as ClientOverloaded",
    )

    # Accelerators.
    ACCELERATORS_SHARED = Wording(
        "InvalidSpec",
        "{node} shares {resource} among pods ({sharing}), and figures would depend on what the others do; choose other"
        " nodes with placement.nodeSelector, or set true: then every verdict says so",
    )
    ACCELERATORS_SHARED_KNOWINGLY = Wording(
        "Valid", "{node} shares {resource} among pods ({sharing}): figures depend on what the others do"
    )
    EXPERIMENTS_SHARE_ACCELERATORS = Wording(
        "Valid",
        "{node} shares {resource} among pods ({sharing}), so that engines of this task may get the same one and slow"
        " each other down; measure one at a time",
    )
    SPREAD_OVER_SLICES = Wording(
        "InvalidSpec",
        "{what}: an engine cannot spread over MIG slices ({profile}), for NCCL does not connect them; write 1, or ask"
        " for whole GPUs in placement.acceleratorResource",
    )
    ACCELERATORS_UNEVEN = Wording(
        "InvalidSpec",
        "the baseline's parallel degrees make {count} accelerators, which the {pods} pods of an engine cannot share"
        " evenly; their product must be a multiple of {pods}",
    )
    RESOURCE_NOWHERE = Wording(
        "Valid",
        "no node that engines may run on has {resource} (nodes have {known}): engines wait for one, at most"
        " timeouts.queueSeconds",
    )
    RESOURCE_MISSPELT = Wording(
        "Valid",
        "no node that engines may run on has {resource}; did you mean {meant}? Engines wait for one, at most"
        " timeouts.queueSeconds",
    )
    MIG_INVALID = Wording(
        "Valid",
        "{node} hands out no {resource}: its MIG profiles differ, and its strategy wants one for all ({product}); give"
        " its GPUs the same profile, or use the strategy mixed and ask for a profile's own resource",
    )
    ACCELERATORS_MIXED = Wording(
        "Valid",
        "{node} has several models of {resource} ({models}), and nobody knows which one an engine gets; exclude the"
        " node with placement.nodeSelector",
    )
    ACCELERATORS_UNTOLD = Wording(
        "Valid",
        "{node} does not tell the model of its {resource} (no label {label}): it is unknown, and nothing keeps all"
        " experiments on the same; install the labeller of your accelerators, or name the label that tells it",
    )
    NO_GPU_HOURS = Wording(
        "InvalidSpec",
        "engines ask for no accelerators (placement.acceleratorResource is empty), so nothing counts against it; remove"
        " it, or limit the time with maxHours",
    )
    NO_GPUS = Wording(
        "InvalidSpec",
        "engines ask for no accelerators (placement.acceleratorResource is empty), so nothing counts against it; remove"
        " it, or limit what runs side by side with parallelExperiments",
    )
    FIGURE_PER_NO_GPU = Wording(
        "Valid",
        "engines ask for no accelerators (placement.acceleratorResource is empty); {metric} counts one for each process"
        " that the parallel degrees make",
    )

    # Search space.
    NOTHING_TO_SEARCH = Wording(
        "InvalidSpec", "there is nothing to search; give parameters, parallelism or quantization"
    )
    RANGE_WRONG = Wording("InvalidSpec", "{mistake}")
    RULE_WRONG = Wording("InvalidSpec", "{complaint}")
    CONDITION_ON_ALL = Wording(
        "InvalidSpec",
        "reads p as a whole, and thereby its own parameter; name the others one by one, as p.x",
    )
    CONDITION_ON_ITSELF = Wording(
        "InvalidSpec", "asks for its own parameter, p.{name}; a condition is about the others"
    )
    CONDITIONS_IN_CIRCLE = Wording("InvalidSpec", "the conditions of {names} wait for each other; drop one")
    NAMES_ALIKE = Wording(
        "InvalidSpec",
        "rules cannot tell it from {other}, both are p.{name}; write rules without them, or search only one of them",
    )
    WORDS_WITHOUT_FLAGS = Wording("InvalidSpec", "{explanation}")
    WORD_AND_PARAMETER = Wording("InvalidSpec", "is the name of a word in {section}; remove it")
    FLAG_OF_WORDS = Wording("InvalidSpec", "--{flag} is set by {section} too; remove one of them")
    ARGUMENT_OF_WORDS = Wording("InvalidSpec", "{argument}: the flag is set by {section} too; remove one of them")
    VALUE_NEVER_TRIED = Wording(
        "Valid",
        "no configuration has {value}: {rule} removes all with it ({reason}); offer others, or change the rule",
    )
    START_POINT_WRONG = Wording("InvalidSpec", "{obstacle}")
    SPACE_EMPTY = Wording("EmptySpace", "no configuration is left: {why}")


# The fields that runtime and target both have.
_FIELD_OF_RUNTIME = re.compile(r"\bruntime\.(?=version|extraArgs|allowUnknownFlags|image\b|env\b)")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        field: the path of the field in the spec, such as `slos[1].max`.
        kind: what is wrong with it.
        details: what the kind's sentence names, by the names in its braces.
        argument: the flag as it is written, where the field is an item of a list of arguments.
        of_target: the task names a target, which has the fields of a runtime.
    """

    field: str
    kind: Kind
    details: Mapping[str, object] = dataclasses.field(default_factory=dict)
    argument: str | None = None
    of_target: bool = False

    @property
    def reason(self) -> ValidReason:
        """The reason of the condition that tells the finding."""
        return self.kind.value.reason

    @property
    def sentence(self) -> str:
        """What is wrong and what to write instead, without the field; a list of details is joined by commas."""
        template = self.kind.value.template
        if self.of_target:
            template = _FIELD_OF_RUNTIME.sub("target.", template)
        return template.format_map({name: _written(value) for name, value in self.details.items()})

    @property
    def explanation(self) -> str:
        """What the user reads beside the field: the argument if there is one, and the sentence."""
        return f'"{self.argument}": {self.sentence}' if self.argument is not None else self.sentence

    @property
    def message(self) -> str:
        """What the user reads: the field, the argument if there is one, and the sentence."""
        return f"{self.field}: {self.explanation}"


def _written(detail: object) -> object:
    if isinstance(detail, Finding):
        return detail.sentence
    return ", ".join(map(str, detail)) if isinstance(detail, list | tuple) else detail
