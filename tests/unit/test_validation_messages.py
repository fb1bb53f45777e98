"""The sentence of every kind of finding; the only place that pins their wording."""

from __future__ import annotations

import pytest

from autotuner.serving.accelerators import Sharing
from autotuner.validation_messages import Finding, Kind

TEXTS: list[tuple[Kind, dict[str, object], str]] = [
    (
        Kind.BACKEND_ABSENT,
        {"backend": "OME", "why": "no kind"},
        "OME cannot serve here (no kind); install it, or choose another: Auto takes what there is",
    ),
    (
        Kind.BACKEND_CHOSEN,
        {"backend": "Deployment", "absent": "OME cannot (no kind)"},
        "Deployment serves the engines, since OME cannot (no kind)",
    ),
    (
        Kind.TARGET_BACKEND_ABSENT,
        {"backend": "Deployment", "why": "no kind"},
        "engines cannot be copied by Deployment here (no kind); install it, and let the operator use it: the chart's"
        " value backends",
    ),
    (
        Kind.NAME_UNFIT,
        {"task": "chat", "namespace": "team", "why": "x is too long"},
        "the task's own name, chat, is too long for its experiments in namespace team (x is too long for the last of"
        " them); give the task a shorter metadata.name",
    ),
    (
        Kind.TARGET_NOTED,
        {"note": "copies have no hostNetwork"},
        "copies have no hostNetwork",
    ),
    (
        Kind.TARGET_UNUSABLE,
        {"why": "Deployment chat does not exist; create it"},
        "cannot be copied: Deployment chat does not exist; create it",
    ),
    (
        Kind.BACKEND_LOADS_MODELS,
        {"backend": "OME"},
        "OME downloads models itself; remove it, or choose backend Deployment",
    ),
    (
        Kind.DOWNLOAD_TOO_LARGE,
        {"size": "141", "most": "20"},
        "each experiment would download 141 GB anew (more than 20 GB): name a folder in overrides.storage.path, a claim"
        " in volume, a claim as cache (volume.cache: true), or set allowDownload: true",
    ),
    (
        Kind.TARGET_DOWNLOADS,
        {"size": "141", "most": "20"},
        "each experiment would download 141 GB anew (more than 20 GB), as every pod of it does: put the model on a"
        " claim (pvc://), or set target.allowDownload: true",
    ),
    (
        Kind.BACKEND_WITHOUT_OBJECTS,
        {"backend": "backend Deployment"},
        "names an object, and backend Deployment knows none; give a preset or custom, or choose another backend in"
        " spec.backend",
    ),
    (
        Kind.PRESET_UNKNOWN,
        {"name": "zzz", "known": ["one", "two"]},
        "no preset is called zzz; there are one, two",
    ),
    (
        Kind.PRESET_MISSPELT,
        {"meant": "llama-3-2-1b-instruct", "name": "llama-3-2-1b-instrukt"},
        "no preset is called llama-3-2-1b-instrukt; did you mean llama-3-2-1b-instruct?",
    ),
    (
        Kind.OBJECT_MISSING,
        {"object": "BaseModel my-model"},
        "BaseModel my-model does not exist; create it, or name another",
    ),
    (
        Kind.CREATION_FORBIDDEN,
        {"object": "ClusterBaseModel own"},
        "ClusterBaseModel own does not exist, and this operator may not create cluster-scoped objects; ask for it"
        " to be created",
    ),
    (
        Kind.MODEL_INCOMPLETE,
        {"lacking": "the spec has no storage.storageUri; OME demands one"},
        "the spec has no storage.storageUri; OME demands one",
    ),
    (
        Kind.OBJECT_MISSHAPEN,
        {"object": "ClusterServingRuntime mine", "what": "engineConfig is no mapping"},
        "ClusterServingRuntime mine cannot be read: engineConfig is no mapping",
    ),
    (
        Kind.RUNTIME_WITHOUT_IMAGE,
        {},
        "engineConfig.runner has no image, so there is no engine to start",
    ),
    (
        Kind.RUNTIME_OF_SEVERAL,
        {"part": "decoderConfig"},
        "with decoderConfig the runtime is no single engine but several (prefill and decode apart, or a leader with"
        " workers), and only one of them would be measured; choose a runtime whose engineConfig.runner is the whole"
        " engine",
    ),
    (
        Kind.RUNTIME_BY_SCRIPT,
        {"part": "args"},
        "a shell starts the engine by a script in args of engineConfig.runner, so that no experiment could give it"
        ' other arguments; start the engine by command and args, or end a script in command with "$@"',
    ),
    (
        Kind.RUNTIME_WITHOUT_HTTP,
        {"flag": "grpc-mode"},
        "with --grpc-mode its engine serves gRPC alone, and the benchmark speaks HTTP; choose a runtime without it",
    ),
    (
        Kind.RUNTIME_INCOMPATIBLE,
        {"mismatch": "its words"},
        "its words",
    ),
    (
        Kind.OBJECT_SHADOWED,
        {"hiding": "BaseModel x", "namespace": "team", "hidden": "ClusterBaseModel", "product": "OME"},
        "BaseModel x in namespace team hides the ClusterBaseModel from OME; remove it",
    ),
    (
        Kind.KUEUE_MISSING,
        {},
        "Kueue is not installed: the API server serves no LocalQueues (kueue.x-k8s.io/v1beta2 or v1beta1), so nothing"
        " would queue; install it, or remove this",
    ),
    (
        Kind.QUEUE_MISSING,
        {"queue": "gpus", "namespace": "team", "known": ["a", "b"]},
        "LocalQueue gpus does not exist in namespace team (there: a, b), and Kueue would let everything wait for it;"
        " create it, or name another",
    ),
    (
        Kind.CLUSTER_QUEUE_MISSING,
        {"queue": "gpus", "cluster_queue": "shared"},
        "LocalQueue gpus leads to ClusterQueue shared, which does not exist; ask for it to be created, or name another"
        " queue",
    ),
    (
        Kind.DEFAULTS_DO_NOT_FIT,
        {"why": "at most 16 items"},
        "together with the operator's taskDefaults this is more than a task may say: at most 16 items; say less here,"
        " or ask for fewer defaults",
    ),
    (
        Kind.LABEL_KEY_MALFORMED,
        {"key": "'a b'"},
        "'a b' is no key of a label; write a name of at most 63 characters, perhaps after a domain and /",
    ),
    (
        Kind.OBJECT_PRUNED,
        {},
        "Argo CD would prune the object; remove it",
    ),
    (
        Kind.STORAGE_AND_VOLUME,
        {},
        "model.volume says where the weights are; remove one of the two",
    ),
    (
        Kind.PATH_EXPANDED,
        {"mark": "{{"},
        '"{{" would be expanded; write the path as it is',
    ),
    (
        Kind.PATH_WITH_PARENT,
        {},
        "must not contain ..; write the path in full",
    ),
    (
        Kind.PATH_ABSOLUTE,
        {},
        "is relative to the claim's root; remove the leading slash",
    ),
    (
        Kind.MOUNT_ON_SYSTEM,
        {"mount": "/"},
        "/ belongs to the system; choose another folder",
    ),
    (
        Kind.MOUNT_OVERLAPS,
        {"mount": "/models/llama", "owner": "the storage.path of ClusterBaseModel mine", "path": "/models/llama"},
        "/models/llama overlaps with /models/llama, where the storage.path of ClusterBaseModel mine is mounted;"
        " choose another folder",
    ),
    (
        Kind.VOLUME_AND_MODEL_CLAIM,
        {"product": "OME", "model": "ClusterBaseModel mine"},
        "ClusterBaseModel mine lies on a claim of its own (pvc://), which OME mounts; remove model.volume, or"
        " name a model of storageUri vendor://... without a path",
    ),
    (
        Kind.CLAIM_IN_OTHER_NAMESPACE,
        {"claim": "theirs", "model": "ClusterBaseModel mine", "namespace": "other"},
        "ClusterBaseModel mine lies on claim theirs of namespace other, and pods mount claims of their own"
        " namespace only; create the task there",
    ),
    (
        Kind.MODEL_WITHOUT_WEIGHTS,
        {"product": "OME", "model": "ClusterBaseModel mine", "variable": "MODEL_PATH"},
        "ClusterBaseModel mine has no storage.path, so OME mounts no weights and sets no MODEL_PATH, which the"
        " runtime's command reads; name the claim that holds them in model.volume, or a model with a path",
    ),
    (
        Kind.CLAIM_MISSING,
        {"claim": "PersistentVolumeClaim weights", "namespace": "team"},
        "PersistentVolumeClaim weights does not exist in namespace team; create it, or name another",
    ),
    (
        Kind.CLAIM_TERMINATING,
        {"claim": "PersistentVolumeClaim weights"},
        "PersistentVolumeClaim weights is being deleted; create it again once it is gone, or name another",
    ),
    (
        Kind.CLAIM_LOST,
        {"claim": "PersistentVolumeClaim weights", "volume": "pv-1"},
        "PersistentVolumeClaim weights is Lost: its PersistentVolume pv-1 is gone, and the data perhaps too;"
        " delete the claim and create it again with a volume that has the weights, or name another",
    ),
    (
        Kind.CLAIM_IS_DEVICE,
        {"claim": "PersistentVolumeClaim weights"},
        "PersistentVolumeClaim weights is a raw device (volumeMode Block); the engine needs a file system: name"
        " another",
    ),
    (
        Kind.CLAIM_FOR_ONE_POD,
        {"claim": "PersistentVolumeClaim weights", "engines": 2},
        "PersistentVolumeClaim weights is ReadWriteOncePod, for one pod at a time, and 2 engines would read it;"
        " set 1, or use a claim that is ReadOnlyMany or ReadWriteMany",
    ),
    (
        Kind.CLAIM_FOR_ONE_NODE,
        {"claim": "PersistentVolumeClaim weights", "engines": 2},
        "PersistentVolumeClaim weights is ReadWriteOnce, for one node at a time, and 2 engines would read it; set"
        " 1, or use a claim that is ReadOnlyMany or ReadWriteMany",
    ),
    (
        Kind.MODEL_PATH_FORBIDDEN,
        {
            "product": "OME",
            "path": "/raid/x",
            "model": "ClusterBaseModel mine",
            "level": "baseline",
            "namespace": "team",
        },
        "OME mounts /raid/x of the node for ClusterBaseModel mine, which Pod Security (baseline) forbids in"
        " namespace team; name the claim that holds the weights in model.volume, or use a namespace without the"
        " label pod-security.kubernetes.io/enforce",
    ),
    (
        Kind.OWN_MODEL_PATH_FORBIDDEN,
        {
            "product": "OME",
            "level": "restricted",
            "model": "ClusterBaseModel mine",
            "namespace": "team",
            "path": "/raid/x",
        },
        "OME mounts /raid/x of the node for ClusterBaseModel mine, which Pod Security (restricted) forbids in"
        " namespace team; name a model of storageUri vendor://... without a path, and the weights' claim in"
        " model.volume, or use a namespace without the label pod-security.kubernetes.io/enforce",
    ),
    (
        Kind.RUNTIME_PATH_FORBIDDEN,
        {"level": "baseline", "namespace": "team", "volume": "fast"},
        "its volume fast is a host path, which Pod Security (baseline) forbids in namespace team; use a runtime"
        " without it, or use a namespace without the label pod-security.kubernetes.io/enforce",
    ),
    (
        Kind.VOLUME_MAY_BE_EMPTY,
        {"claim": "PersistentVolumeClaim weights"},
        "PersistentVolumeClaim weights is not bound yet, and its StorageClass will make an empty volume; put the"
        " weights there before the task starts",
    ),
    (
        Kind.MODEL_MOUNTED_TOO,
        {"product": "OME", "model": "ClusterBaseModel mine", "path": "/raid/x"},
        "ClusterBaseModel mine has a storage.path too, so OME also mounts /raid/x of the node; a model of"
        " storageUri vendor://... without a path downloads and mounts nothing",
    ),
    (
        Kind.VOLUME_NOT_READ,
        {"mount": "/models", "variable": "MODEL_PATH"},
        "the runtime's command reads neither $(MODEL_PATH) nor /models; check that its engine finds the weights there",
    ),
    (
        Kind.FLAG_RESERVED,
        {"instead": "its words"},
        "its words",
    ),
    (
        Kind.FLAG_UNKNOWN,
        {"engine": "SGLang 0.5.5.post3"},
        "SGLang 0.5.5.post3 has no such flag (if your image's engine has it, set runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.FLAG_MISSPELT,
        {"engine": "SGLang 0.5.5.post3", "meant": "enable-mixed-chunk"},
        "SGLang 0.5.5.post3 has no such flag; did you mean enable-mixed-chunk? (if your image's engine has it,"
        " set runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.FLAG_RENAMED,
        {"engine": "SGLang 0.5.23", "meant": "--cuda-graph-max-bs-decode"},
        "SGLang 0.5.23 has no such flag any more; write --cuda-graph-max-bs-decode (if your image's engine has it, set"
        " runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.FLAG_GONE,
        {"engine": "SGLang 0.5.23", "last": "0.5.15"},
        "SGLang 0.5.23 has no such flag any more, 0.5.15 is the last known release that has it; remove it, or set"
        " runtime.version or runtime.allowUnknownFlags: true if your image's engine has it",
    ),
    (
        Kind.FLAG_TOO_NEW,
        {"engine": "SGLang 0.5.9", "first": "0.5.23"},
        "SGLang 0.5.9 has no such flag yet, 0.5.23 is the first known release that has it; take a newer image, or set"
        " runtime.version or runtime.allowUnknownFlags: true if your image's engine has it",
    ),
    (
        Kind.PERHAPS_WRONG,
        {"complaint": Finding("field", Kind.VALUE_MISSING)},
        "perhaps wrong, for your image's engine is another release: a value is missing",
    ),
    (
        Kind.SPELLING_UNKNOWN,
        {"engine": "SGLang 0.5.5.post3", "meant": "--mem-fraction-static"},
        "SGLang 0.5.5.post3 does not know this spelling; write --mem-fraction-static",
    ),
    (
        Kind.FLAG_FIXED_TOO,
        {"index": 0},
        "the flag is also in runtime.extraArgs[0]; remove one of them",
    ),
    (
        Kind.FLAG_SEARCHED_TWICE,
        {"other": "tp"},
        "is the same flag as parameters[tp]; remove one of them",
    ),
    (
        Kind.FLAG_IN_COMMAND,
        {"flag": "page-size"},
        "some configurations leave out --page-size, but the runtime's command sets it, and what is in a command cannot"
        " be taken away; move it to the runtime's args, or override its command",
    ),
    (
        Kind.JSON_KEY_UNKNOWN,
        {"engine": "vLLM 0.33.0", "flag": "kv-transfer-config", "key": "role"},
        "vLLM 0.33.0 refuses the key role in --kv-transfer-config (if your image's engine takes it, set"
        " runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.JSON_KEY_MISSPELT,
        {"engine": "vLLM 0.33.0", "flag": "compilation-config", "key": "modes", "meant": "mode"},
        "vLLM 0.33.0 refuses the key modes in --compilation-config; did you mean mode? (if your image's engine takes"
        " it, set runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.JSON_IN_COMMAND,
        {"flag": "compilation-config"},
        "the runtime's command gives --compilation-config too, one of them as JSON and the other in parts, and the"
        " engine drops the JSON beside parts; write both in one form, or move the flag to the runtime's args",
    ),
    (
        Kind.LIST_IN_COMMAND,
        {"flag": "compilation-config.cudagraph_capture_sizes"},
        "the runtime's command gives --compilation-config.cudagraph_capture_sizes too, and the engine adds this list to"
        " that one; move the flag to the runtime's args",
    ),
    (
        Kind.FLAG_IN_TARGET,
        {"flag": "seed"},
        "some configurations leave out --seed, but the target has it where no copy can take it away, in a runtime, in a"
        " preset or with a value that only pods know; offer a value or the flag's negation, or take it out there",
    ),
    (
        Kind.JSON_IN_TARGET,
        {"flag": "compilation-config"},
        "the target gives --compilation-config too, where no copy can change it, one of them as JSON and the other in"
        " parts, and the engine drops the JSON beside parts; write it in the target's form",
    ),
    (
        Kind.LIST_IN_TARGET,
        {"flag": "compilation-config.sizes"},
        "the target gives --compilation-config.sizes too, where no copy can change it, and the engine adds this list to"
        " that one; take the flag out there",
    ),
    (
        Kind.FLAG_MIXED_WITH_VALUE,
        {"meant": "--tp-size=2"},
        "flag and value are one argument: write --tp-size=2",
    ),
    (
        Kind.NOT_A_FLAG,
        {},
        "not a flag: an argument begins with a dash, for example --name=value",
    ),
    (
        Kind.TEMPLATE_IN_VALUE,
        {},
        '"{{" would be expanded as a template; write the value without it',
    ),
    (
        Kind.VALUE_MISSING,
        {},
        "a value is missing",
    ),
    (
        Kind.VALUE_REFUSED,
        {"value": "two", "refusal": "its words", "engine": "SGLang 0.5.23"},
        "its words (SGLang 0.5.23; if your image's engine takes it, set runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.VALUES_TOO_MANY,
        {"count": 2},
        "it takes one value, not 2",
    ),
    (
        Kind.SWITCH_WITH_VALUE,
        {},
        "it is a switch and takes no value",
    ),
    (
        Kind.OFFER_REFUSED,
        {"part": "values", "value": 1.5, "refusal": "its words", "engine": "SGLang 0.5.23"},
        "values: its words (SGLang 0.5.23; if your image's engine takes it, set runtime.allowUnknownFlags: true)",
    ),
    (
        Kind.TOGGLE_OF_VALUE,
        {},
        "the flag takes a value and cannot be toggled; use values or choices",
    ),
    (
        Kind.VALUES_OF_SWITCH,
        {},
        "the flag is a switch and takes no value; use toggle: true",
    ),
    (
        Kind.RANGE_NOT_WHOLE,
        {},
        "the flag takes whole numbers; write range.type: Integer",
    ),
    (
        Kind.ARGUMENTS_MALFORMED,
        {"why": "its words"},
        "joined with the runtime's own and runtime.extraArgs: its words",
    ),
    (
        Kind.NO_ARGUMENT_LEFT,
        {"product": "OME"},
        "without it no argument is left, and OME would use the runtime's own, which have it; fix some other flag"
        " in runtime.extraArgs",
    ),
    (
        Kind.PROBE_IMPOSSIBLE,
        {"engine": "the simulated engine"},
        "the simulated engine has no argument parser that could be asked; remove it",
    ),
    (
        Kind.PROBE_DECIDES,
        {"complaint": Finding("field", Kind.VALUE_MISSING)},
        "the probe will decide: a value is missing",
    ),
    (
        Kind.PROBE_FAILED,
        {"why": "no node"},
        "the image's own parser could not be asked for its flags: no node",
    ),
    (
        Kind.VERSION_UNTOLD,
        {"engine": "SGLang", "table": "SGLang 0.5.23"},
        "the image's tag does not tell the version of its SGLang; flags are judged by SGLang 0.5.23, the newest that is"
        " known, and what it refuses is only doubted: set runtime.version",
    ),
    (
        Kind.VERSION_NEWER,
        {"version": "0.6.0", "source": "the image's tag", "table": "SGLang 0.5.23"},
        "0.6.0 (the image's tag) is newer than any release that is known; flags are judged by SGLang 0.5.23, and what"
        " it refuses is only doubted",
    ),
    (
        Kind.VERSION_BETWEEN,
        {"version": "0.5.10", "source": "runtime.version", "table": "SGLang 0.5.9"},
        "0.5.10 (runtime.version) is not among the releases that are known; flags are judged by SGLang 0.5.9, the"
        " nearest, and what it refuses is only doubted",
    ),
    (
        Kind.LEVEL_NOT_ON_LADDER,
        {"level": 16, "ladder": [4, 8]},
        "16 is not on the ladder; choose one of 4, 8",
    ),
    (
        Kind.LEVEL_OF_OTHER_LOOP,
        {"given": "rates", "instead": "rate"},
        "the ladder is benchmark.rates; write rate instead",
    ),
    (
        Kind.USERS_IN_OPEN_LOOP,
        {},
        "MaxConcurrency counts users, of which an open loop has none; give benchmark.concurrencySearch, or choose"
        " MaxRequestRate",
    ),
    (
        Kind.RATE_IN_CLOSED_LOOP,
        {},
        "MaxRequestRate is a rate, which a closed loop does not have; give benchmark.rateSearch, or choose"
        " MaxConcurrency",
    ),
    (
        Kind.LEVEL_OF_SEARCH,
        {"metric": "TTFT", "search": "rateSearch", "ladder": "rates"},
        "TTFT is judged at one level, and benchmark.rateSearch measures others for each configuration; give"
        " benchmark.rates instead, or choose a throughput, MaxConcurrency or MaxRequestRate",
    ),
    (
        Kind.SEARCH_WITHOUT_LIMIT,
        {},
        "it looks for the level at which a hard SLO breaks, and there is none; add one to slos, with the max of a"
        " latency or the min of Attainment",
    ),
    (
        Kind.REQUEST_PARAMETER_REFUSED,
        {"why": "set by the benchmark itself; remove it"},
        "set by the benchmark itself; remove it",
    ),
    (
        Kind.TOKENIZER_COUNTS_BYTES,
        {},
        "Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
    ),
    (
        Kind.TOKENIZER_WITHOUT_FILES,
        {"volume": "model.volume"},
        "ModelVolume needs model.volume or a model with spec.storage.path; use Hub with an id",
    ),
    (
        Kind.TOKENIZER_ON_ONE_POD_CLAIM,
        {"claim": "PersistentVolumeClaim weights"},
        "ModelVolume reads PersistentVolumeClaim weights beside the engine, but that is ReadWriteOncePod; use Hub"
        " with an id, or a claim that more pods may use",
    ),
    (
        Kind.TOKENIZER_ON_ONE_NODE_CLAIM,
        {"claim": "PersistentVolumeClaim weights"},
        "PersistentVolumeClaim weights is ReadWriteOnce, for one node at a time, and the benchmark reads its"
        " tokenizer there (ModelVolume) beside the engine; set SameNode, or use Hub with an id",
    ),
    (
        Kind.LADDER_TOO_LONG,
        {"levels": 3, "limit": 3600, "minutes": 30, "needed": 5400.0, "scenarios": 1},
        "the ladder may take 5400 s (1 scenarios x 3 levels x 30 min), but 3600 s are allowed; allow more, or"
        " measure less",
    ),
    (
        Kind.REQUESTS_TOO_LONG,
        {"tokens": 1280, "flag": "max-model-len", "limit": 1024, "where": "runtime.extraArgs"},
        "a prompt and its answer have 1280 tokens, but max-model-len in runtime.extraArgs allows 1024; raise it, or"
        " write shorter requests",
    ),
    (
        Kind.SOME_REQUESTS_TOO_LONG,
        {"tokens": 1600, "flag": "max-model-len", "limit": 1500, "where": "runtime.extraArgs"},
        "some prompts with their answers have more than 1600 tokens, but max-model-len in runtime.extraArgs allows"
        " 1500: the engine refuses or shortens them",
    ),
    (
        Kind.REQUESTS_BEYOND_MODEL,
        {"tokens": 1280, "limit": 1024},
        "a prompt and its answer have 1280 tokens, but the model's context has 1024; write shorter requests, or extend"
        " the context by the engine's flags",
    ),
    (
        Kind.LADDER_WITH_GAPS,
        {"low": "32", "high": "128", "instead": "benchmark.concurrencySearch"},
        "between 32 and 128 nothing is measured, and the SLOs may hold nearly up to 128: what is reported can lie far"
        " below what is possible, and differences can be those of the ladder; benchmark.concurrencySearch finds the"
        " boundary",
    ),
    (
        Kind.LOAD_IN_LOCKSTEP,
        {"limit": 16},
        "D moves in lock-step and biases TTFT above concurrency 16; N or U with the same means does not",
    ),
    (
        Kind.EFFECT_DEPENDS_ON_TEXT,
        {},
        "its effect depends on the text of the prompts; the benchmark's is artificial",
    ),
    (
        Kind.OBJECTIVE_REPEATED,
        {"figure": "OutputThroughput", "earlier": 0},
        "OutputThroughput is objectives[0] already; remove one of them, or change its statistic or concurrency",
    ),
    (
        Kind.LATENCY_OBJECTIVE_REPEATED,
        {"where": "concurrency 8", "earlier": 0, "figure": "TTFT P99"},
        "TTFT P99 at concurrency 8 is objectives[0] already; remove one of them, or change its statistic, concurrency"
        " or rate",
    ),
    (
        Kind.REQUEST_LIMIT_MISSING,
        {"metric": "Goodput"},
        "Goodput counts the requests that keep every SLO with perRequest: true, and there is none; add one with the max"
        " of TTFT, TPOT or E2ELatency",
    ),
    (
        Kind.REQUEST_LIMIT_UNUSED,
        {},
        "a limit of single requests counts in Goodput and Attainment only; add one of them as objective or SLO, or"
        " remove perRequest",
    ),
    (
        Kind.LATENCY_NEVER_SO_LOW,
        {"figure": "TTFT P99", "limit": "0ms"},
        "TTFT P99 is never 0ms or less; write the most that you accept, for example 500ms",
    ),
    (
        Kind.RATE_NEVER_SO_LOW,
        {"figure": "OutputThroughput", "limit": "0tok/s"},
        "OutputThroughput is never 0tok/s or less; write the most that you accept, for example 900tok/s",
    ),
    (
        Kind.SHARE_ABOVE_ALL,
        {"metric": "ErrorRate", "example": "1%"},
        "ErrorRate is a share of all requests, at most 100%; write a smaller one, for example 1%",
    ),
    (
        Kind.SLO_REPEATED,
        {"earlier": 0, "limit": "500ms", "side": "max"},
        "says the same as slos[0] (max 500ms); remove one of them",
    ),
    (
        Kind.FLOOR_ABOVE_CEILING,
        {"earlier": 0, "limit": "900tok/s", "other": "800tok/s"},
        "900tok/s is above the ceiling of slos[0], 800tok/s: both cannot be kept; change one of them",
    ),
    (
        Kind.CEILING_BELOW_FLOOR,
        {"earlier": 0, "limit": "500ms", "other": "1s"},
        "500ms is below the floor of slos[0], 1s: both cannot be kept; change one of them",
    ),
    (
        Kind.GAIN_WITHOUT_MODEL,
        {"strategy": "Grid"},
        "strategy Grid has no model that could expect a gain; set search.strategy: Bayesian, or leave this out",
    ),
    (
        Kind.GAIN_OF_SEVERAL,
        {"count": 2},
        "2 objectives have no gain in common; give one objective, or leave this out",
    ),
    (
        Kind.BASELINE_BEYOND_MAX_GPUS,
        {"needed": 8, "limit": 4},
        "the baseline needs 8 GPUs, so that nothing could be measured within 4; set at least 8",
    ),
    (
        Kind.BASELINE_BEYOND_ALL_TASKS,
        {"needed": 8, "limit": 4},
        "needs 8 GPUs, but the experiments of all tasks may hold 4 together; give a smaller one, or ask for a larger"
        " limits.maxGPUs of the operator",
    ),
    (
        Kind.MORE_SLOTS_THAN_GPUS,
        {"gpus": 4},
        "at most 4 run at the same time, for each needs a GPU and search.maxGPUs is 4",
    ),
    (
        Kind.BATCH_LEARNS_LITTLE,
        {"experiments": 12, "parallel": 8},
        "of 12 experiments 8 run at the same time, so that the search has little to learn from before most have"
        " started; a lower one, or more experiments, finds better configurations",
    ),
    (
        Kind.BENCHMARKS_SHARE_NODES,
        {"parallel": 4},
        "up to 4 engines and their benchmarks may share the CPUs of a node and slow each other down; set OtherNode or"
        " Any, or measure one at a time, if experiments end as ClientOverloaded",
    ),
    (
        Kind.ACCELERATORS_SHARED,
        {"node": "node-a", "resource": "nvidia.com/gpu", "sharing": Sharing("mps", 4)},
        "node-a shares nvidia.com/gpu among pods (mps, 4 clients), and figures would depend on what the others do;"
        " choose other nodes with placement.nodeSelector, or set true: then every verdict says so",
    ),
    (
        Kind.ACCELERATORS_SHARED_KNOWINGLY,
        {"node": "node-a", "resource": "nvidia.com/gpu", "sharing": Sharing("mps", 4)},
        "node-a shares nvidia.com/gpu among pods (mps, 4 clients): figures depend on what the others do",
    ),
    (
        Kind.EXPERIMENTS_SHARE_ACCELERATORS,
        {"node": "node-a", "resource": "nvidia.com/gpu", "sharing": Sharing("mps", 4)},
        "node-a shares nvidia.com/gpu among pods (mps, 4 clients), so that engines of this task may get the same one"
        " and slow each other down; measure one at a time",
    ),
    (
        Kind.SPREAD_OVER_SLICES,
        {"what": "tp-size 2, 4", "profile": "1g.10gb"},
        "tp-size 2, 4: an engine cannot spread over MIG slices (1g.10gb), for NCCL does not connect them; write 1, or"
        " ask for whole GPUs in placement.acceleratorResource",
    ),
    (
        Kind.ACCELERATORS_UNEVEN,
        {"count": 3, "pods": 2},
        "the baseline's parallel degrees make 3 accelerators, which the 2 pods of an engine cannot share evenly; their"
        " product must be a multiple of 2",
    ),
    (
        Kind.RESOURCE_NOWHERE,
        {"resource": "amd.com/gpu", "known": ["nvidia.com/gpu"]},
        "no node that engines may run on has amd.com/gpu (nodes have nvidia.com/gpu): engines wait for one, at most"
        " timeouts.queueSeconds",
    ),
    (
        Kind.RESOURCE_MISSPELT,
        {"resource": "nvidia.com/gpus", "meant": "nvidia.com/gpu"},
        "no node that engines may run on has nvidia.com/gpus; did you mean nvidia.com/gpu? Engines wait for one, at"
        " most timeouts.queueSeconds",
    ),
    (
        Kind.MIG_INVALID,
        {"node": "node-a", "resource": "nvidia.com/gpu", "product": "H100-MIG-INVALID"},
        "node-a hands out no nvidia.com/gpu: its MIG profiles differ, and its strategy wants one for all"
        " (H100-MIG-INVALID); give its GPUs the same profile, or use the strategy mixed and ask for a profile's own"
        " resource",
    ),
    (
        Kind.ACCELERATORS_MIXED,
        {"node": "node-a", "resource": "amd.com/gpu", "models": ("MI210", "MI300X")},
        "node-a has several models of amd.com/gpu (MI210, MI300X), and nobody knows which one an engine gets; exclude"
        " the node with placement.nodeSelector",
    ),
    (
        Kind.ACCELERATORS_UNTOLD,
        {"node": "node-a", "resource": "amd.com/gpu", "label": "pool"},
        "node-a does not tell the model of its amd.com/gpu (no label pool): it is unknown, and nothing keeps all"
        " experiments on the same; install the labeller of your accelerators, or name the label that tells it",
    ),
    (
        Kind.NO_GPU_HOURS,
        {},
        "engines ask for no accelerators (placement.acceleratorResource is empty), so nothing counts against it; remove"
        " it, or limit the time with maxHours",
    ),
    (
        Kind.NO_GPUS,
        {},
        "engines ask for no accelerators (placement.acceleratorResource is empty), so nothing counts against it; remove"
        " it, or limit what runs side by side with parallelExperiments",
    ),
    (
        Kind.FIGURE_PER_NO_GPU,
        {"metric": "CostPerMillionTokens"},
        "engines ask for no accelerators (placement.acceleratorResource is empty); CostPerMillionTokens counts one for"
        " each process that the parallel degrees make",
    ),
    (Kind.NOTHING_TO_SEARCH, {}, "there is nothing to search; give parameters, parallelism or quantization"),
    (Kind.RANGE_WRONG, {"mistake": "its words"}, "its words"),
    (Kind.RULE_WRONG, {"complaint": "its words"}, "its words"),
    (
        Kind.CONDITION_ON_ALL,
        {},
        "reads p as a whole, and thereby its own parameter; name the others one by one, as p.x",
    ),
    (
        Kind.CONDITION_ON_ITSELF,
        {"name": "policy"},
        "asks for its own parameter, p.policy; a condition is about the others",
    ),
    (
        Kind.CONDITIONS_IN_CIRCLE,
        {"names": ["a", "b"]},
        "the conditions of a, b wait for each other; drop one",
    ),
    (
        Kind.NAMES_ALIKE,
        {"other": "a.b", "name": "a_b"},
        "rules cannot tell it from a.b, both are p.a_b; write rules without them, or search only one of them",
    ),
    (Kind.WORDS_WITHOUT_FLAGS, {"explanation": "its words"}, "its words"),
    (
        Kind.WORD_AND_PARAMETER,
        {"section": "parallelism"},
        "is the name of a word in parallelism; remove it",
    ),
    (
        Kind.FLAG_OF_WORDS,
        {"flag": "dtype", "section": "quantization"},
        "--dtype is set by quantization too; remove one of them",
    ),
    (
        Kind.ARGUMENT_OF_WORDS,
        {"argument": "--tp=2", "section": "parallelism"},
        "--tp=2: the flag is set by parallelism too; remove one of them",
    ),
    (
        Kind.VALUE_NEVER_TRIED,
        {"value": "ngram", "rule": "constraints[0]", "reason": "its words"},
        "no configuration has ngram: constraints[0] removes all with it (its words); offer others, or change the rule",
    ),
    (Kind.START_POINT_WRONG, {"obstacle": "its words"}, "its words"),
    (
        Kind.SPACE_EMPTY,
        {"why": "its words"},
        "no configuration is left: its words",
    ),
]


@pytest.mark.parametrize(("kind", "details", "sentence"), TEXTS, ids=[kind.name for kind, *_ in TEXTS])
def test_the_sentence_of_a_kind(kind: Kind, details: dict[str, object], sentence: str) -> None:
    assert Finding("field", kind, details).sentence == sentence


def test_every_kind_is_worded() -> None:
    assert [kind for kind, *_ in TEXTS] == list(Kind)


REASONS = {
    "UnknownPreset": {Kind.PRESET_UNKNOWN, Kind.PRESET_MISSPELT},
    "NotFound": {
        Kind.BACKEND_ABSENT,
        Kind.TARGET_BACKEND_ABSENT,
        Kind.OBJECT_MISSING,
        Kind.CREATION_FORBIDDEN,
        Kind.CLAIM_MISSING,
        Kind.KUEUE_MISSING,
        Kind.QUEUE_MISSING,
        Kind.CLUSTER_QUEUE_MISSING,
    },
    "ReservedFlag": {Kind.FLAG_RESERVED},
    "UnknownFlag": {
        Kind.FLAG_UNKNOWN,
        Kind.FLAG_MISSPELT,
        Kind.FLAG_RENAMED,
        Kind.FLAG_GONE,
        Kind.FLAG_TOO_NEW,
    },
    "EmptySpace": {Kind.SPACE_EMPTY},
    "Valid": {
        Kind.VALUE_NEVER_TRIED,
        Kind.BACKEND_CHOSEN,
        Kind.TARGET_NOTED,
        Kind.PERHAPS_WRONG,
        Kind.PROBE_DECIDES,
        Kind.PROBE_FAILED,
        Kind.VERSION_UNTOLD,
        Kind.VERSION_NEWER,
        Kind.VERSION_BETWEEN,
        Kind.VOLUME_MAY_BE_EMPTY,
        Kind.MODEL_MOUNTED_TOO,
        Kind.VOLUME_NOT_READ,
        Kind.SOME_REQUESTS_TOO_LONG,
        Kind.REQUESTS_BEYOND_MODEL,
        Kind.LADDER_WITH_GAPS,
        Kind.LOAD_IN_LOCKSTEP,
        Kind.MORE_SLOTS_THAN_GPUS,
        Kind.BATCH_LEARNS_LITTLE,
        Kind.BENCHMARKS_SHARE_NODES,
        Kind.EFFECT_DEPENDS_ON_TEXT,
        Kind.ACCELERATORS_SHARED_KNOWINGLY,
        Kind.EXPERIMENTS_SHARE_ACCELERATORS,
        Kind.RESOURCE_NOWHERE,
        Kind.RESOURCE_MISSPELT,
        Kind.MIG_INVALID,
        Kind.ACCELERATORS_MIXED,
        Kind.ACCELERATORS_UNTOLD,
        Kind.FIGURE_PER_NO_GPU,
    },
}


@pytest.mark.parametrize("kind", Kind)
def test_the_reason_of_a_kind(kind: Kind) -> None:
    named = [reason for reason, kinds in REASONS.items() if kind in kinds]

    assert [Finding("field", kind).reason] == (named or ["InvalidSpec"])


def test_a_message_begins_with_field_and_argument() -> None:
    share = Finding("slos[0].max", Kind.SHARE_ABOVE_ALL, {"metric": "ErrorRate", "example": "1%"})
    assert share.message.startswith("slos[0].max: ErrorRate is a share")
    assert Finding("baseline.args[1]", Kind.VALUE_MISSING, argument="--tp=").message == (
        'baseline.args[1]: "--tp=": a value is missing'
    )
    assert Finding("baseline.args[0]", Kind.VALUE_MISSING, argument="").message.startswith('baseline.args[0]: "": ')
