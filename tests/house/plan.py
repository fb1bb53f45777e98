"""How the house is built: what stands on what, who alone may do what, and which exceptions there are."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_FUNCTION = 50
MEDIAN_FUNCTION = 9
LONG_FUNCTION = 25  # the 90th percentile
MODULES_IN_A_FOLDER = 20


@dataclass(frozen=True)
class Floor:
    """Rooms that stand side by side: they import from the floors below only.

    Attributes:
        what: they have in common.
        rooms: folders below the package, or modules of the package itself.
    """

    what: str
    rooms: tuple[str, ...]


# From the ground up.
FLOORS = (
    Floor(
        "what needs nothing",
        ("autotuner", "clock", "hashing", "log_excerpt", "log_format", "kubernetes_object", "proxies", "yaml_text"),
    ),
    Floor(
        "the API, manifests, and the simulated engine, which is a program of its own",
        ("api", "manifest_rendering", "simulator"),
    ),
    Floor(
        "what belongs to whom, what is shipped and set",
        ("validation_messages", "kube", "ownership", "presets", "settings"),
    ),
    Floor("the Kubernetes API: a cluster's, and one in memory", ("api_server", "memory_api")),
    Floor("why an engine ended", ("engines.diagnosis",)),
    Floor("engines, and what a measurement is worth", ("engines", "scoring")),
    Floor("what a serving object is, what is said to a benchmark", ("serving", "benchmark.contract")),
    Floor("what serves already, what was recorded", ("serving.target", "benchmark.traces")),
    Floor(
        "backends, the benchmark, the space that is searched",
        (
            "serving.deployment",
            "serving.kserve",
            "serving.llm_inference_service",
            "serving.lws",
            "serving.ome",
            "benchmark",
            "benchmark.runner",
            "benchmark.clients",
            "live_target",
            "search.space",
        ),
    ),
    Floor(
        "load clients, the search, the choice of a backend",
        ("backend_choice", "benchmark.clients.genai_bench", "benchmark.clients.open_loop", "search"),
    ),
    Floor("what runs on one machine for a pod", ("local",)),
    Floor("containers of one machine, and its accelerators", ("local.containers", "local.devices")),
    Floor("what all decisions share", ("policy",)),
    Floor("one experiment, and a task before its first", ("policy.experiment", "policy.preflight")),
    Floor("what a task knows, and a task that is proposed", ("policy.evidence", "policy.proposal")),
    Floor("what is measured again", ("policy.confirmation",)),
    Floor("what may still be spent", ("policy.budget",)),
    Floor("what a task tells", ("policy.recommendation",)),
    Floor("what a task does next", ("policy.task",)),
    Floor("what a task tells as a page", ("html_report",)),
    Floor("what is counted", ("metrics",)),
    Floor("what a task leaves behind", ("controllers.results",)),
    Floor("observe and act", ("controllers",)),
    Floor("what commands share", ("cli.shared",)),
    Floor("what people are told of tasks and experiments", ("cli.telling",)),
    Floor("commands on what a cluster has", ("cli.cluster",)),
    Floor("the operator's process", ("process",)),
    Floor("a task on one machine", ("local.running",)),
    Floor("what people run", ("cli",)),
    Floor("where programs begin", ("main", "__main__")),
)

# Libraries -> the only rooms that may import them.
IMPORTED_ONLY_IN = {
    "kopf": ("main",),
    "kubernetes": ("api_server",),
    "genai_bench": ("benchmark", "simulator"),
    "gevent": ("benchmark", "simulator"),
    "locust": ("benchmark", "simulator"),
    "transformers": ("benchmark", "simulator"),
}


@dataclass(frozen=True)
class Ban:
    """What rooms must not import, not even through others.

    Attributes:
        rooms: and those below them.
        names: modules and libraries.
        why: as a sentence.
    """

    rooms: tuple[str, ...]
    names: tuple[str, ...]
    why: str


BANS = (
    Ban(
        ("policy", "search", "scoring", "engines", "presets", "html_report"),
        (
            *("kopf", "kubernetes", "asyncio", "aiohttp", "socket", "time"),
            *("autotuner.kube", "autotuner.api_server", "autotuner.memory_api"),
            *("autotuner.controllers", "autotuner.main"),
        ),
        "decisions see no cluster and no clock",
    ),
    Ban(
        ("benchmark", "simulator"),
        (
            *("kopf", "kubernetes", "prometheus_client"),
            *("autotuner.controllers", "autotuner.policy", "autotuner.main"),
            *("autotuner.kube", "autotuner.api_server", "autotuner.memory_api"),
        ),
        "the benchmark image has nothing of the operator",
    ),
    Ban(
        ("benchmark.runner",),
        (
            *(
                "aiohttp",
                "genai_bench",
                "gevent",
                "huggingface_hub",
                "locust",
                "requests",
                "tokenizers",
                "transformers",
            ),
            "autotuner.benchmark.clients",
        ),
        "runner and load clients meet in the contract, and the runner starts where no client is installed",
    ),
    Ban(("benchmark.clients",), ("autotuner.benchmark.runner",), "runner and load clients meet in the contract"),
    Ban(
        ("cli", "controllers", "main", "policy", "process", "serving"),
        ("autotuner.benchmark.clients", "autotuner.benchmark.runner"),
        "these run in the benchmark's pod alone",
    ),
    Ban(("cli", "local"), ("kopf", "autotuner.main"), "whatever people run, no cluster is watched by it"),
    Ban(
        tuple(
            f"cli.{name}"
            for name in (
                *("create", "diagnostics", "documents", "flags", "found_target", "kubectl_yaml", "screen", "validate"),
                "what_runs",
            )
        ),
        ("autotuner.controllers", "autotuner.process"),
        "only `run` is an operator; for others the API in memory and the policy judge",
    ),
    Ban(
        (
            "cli.telling",
            *(
                f"cli.{name}"
                for name in (
                    "diagnostics",
                    "documents",
                    "flags",
                    "found_target",
                    "kubectl_yaml",
                    "object_files",
                    "validate",
                    "what_runs",
                )
            ),
        ),
        ("kubernetes", "autotuner.api_server"),
        "`cli.shared.cluster_access` alone connects to a cluster, and hands the connection over",
    ),
)

# Modules of the standard library that a module of ours would hide when its folder is on the path.
SHADOWING = frozenset({"queue", "random", "types", "logging", "signal", "select", "operator"})


@dataclass(frozen=True)
class Twins:
    """Modules with the same file name, which do the same for different subjects.

    Attributes:
        modules: below the package.
        same: what each does.
    """

    modules: tuple[str, ...]
    same: str


TWINS = (
    Twins(("api.benchmark", "policy.preflight.benchmark"), "the benchmark of a spec: its fields, its checks"),
    Twins(("api.experiment", "controllers.experiment"), "TuningExperiment: its fields, its reconcile"),
    Twins(("api.goals", "policy.preflight.goals"), "the goals of a spec: their fields, their checks"),
    Twins(("api.model_and_runtime", "policy.model_and_runtime"), "model and runtime: their fields, the objects meant"),
    Twins(("api.task", "controllers.task"), "TuningTask: its fields, its reconcile"),
    Twins(("controllers.events", "policy.events"), "Kubernetes events: which are told, how they are sent"),
    Twins(
        ("controllers.release", "policy.experiment.release"),
        "the release of an experiment: what is read and deleted, what follows",
    ),
    Twins(("engines.arguments", "simulator.arguments"), "command lines as flags: the operator's side, the engine's"),
    Twins(("cli.flags", "policy.preflight.flags", "simulator.flags"), "an engine's flags: asked for, checked, obeyed"),
    Twins(("engines.memory", "simulator.memory"), "what fits into a GPU: the operator's estimate, the engine's answer"),
    Twins(("engines.sglang", "simulator.sglang"), "SGLang: what the operator knows of it, how it behaves"),
    Twins(("engines.vllm", "simulator.vllm"), "vLLM: what the operator knows of it, how it behaves"),
    Twins(
        ("cli.report", "policy.recommendation.report"),
        "the report of a task: the command that writes it, the text that its recommendation has",
    ),
    Twins(
        ("main", "benchmark.clients.genai_bench.main", "benchmark.clients.open_loop.main"),
        "where a process begins: the operator, a load client",
    ),
    Twins(
        ("serving.kserve.resource_kinds", "serving.ome.resource_kinds"),
        "a product's kinds, and what it calls its objects",
    ),
    Twins(("metrics", "simulator.metrics"), "a page of Prometheus metrics: the operator's, the engine's"),
    Twins(("policy.experiment.decide", "policy.task.decide"), "what a reconcile does next"),
    Twins(
        ("policy.preflight.accelerators", "serving.accelerators"),
        "accelerators: what a task may ask of them, what nodes say of them",
    ),
    Twins(
        ("policy.experiment.model_files", "policy.preflight.model_files"),
        "can the weights be read: in an experiment, before a task",
    ),
    Twins(("policy.evidence.observed", "policy.experiment.observed"), "what a reconcile sees"),
)


@dataclass(frozen=True)
class Words:
    """Words that belong to some rooms.

    Attributes:
        pattern: regular expression of the words.
        rooms: and modules that may say them, with those below.
        instead: what others do.
    """

    pattern: str
    rooms: tuple[str, ...]
    instead: str


# The module that knows every backend by its name.
BACKENDS = "backend_choice"
WORDS = (
    Words(
        r"\b[Oo][Mm][Ee]\b|ClusterBaseModel",
        ("api", "presets", "serving.ome", BACKENDS),
        "ask the backend",
    ),
    # Two products have kinds of these names.
    Words(
        r"ClusterServingRuntime|\bInferenceServices?\b",
        ("api", "presets", "serving.kserve", "serving.ome", BACKENDS),
        "ask the backend",
    ),
    Words(
        r"(?i)kserve",
        ("api", "presets", "serving.kserve", "serving.llm_inference_service", "serving.target.pod_copy", BACKENDS),
        "ask the backend",
    ),
    Words(
        r"(?i)leader-?worker-?sets?|\blws\b",
        ("api", "presets", "serving.lws", "serving.target.pod_copy", BACKENDS),
        "ask the backend",
    ),
    Words(
        r"(?i)LLMInferenceService|llmisvc",
        ("api", "serving.llm_inference_service", BACKENDS),
        "ask the backend",
    ),
    Words(
        r"(?i)genai",
        ("api", "benchmark.clients", "benchmark.contract.load_clients", "simulator"),
        "say load client, or ask the contract",
    ),
)
