"""The fingerprint that tells whether the figures of two experiments may be compared."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner import engines
from autotuner.api.experiment import ExperimentSpec, Hashes, TraceSummary
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, content
from autotuner.search.space.command_line import by_flag

# Of the benchmark's pod, what may change the figures.
_MEASURES_BY = ("image", "resources", "env")


def hashes(model: Object | None, runtime: Object | None) -> Hashes | None:
    """The hashes of live model and runtime; None unless both are there."""
    if model is None or runtime is None:
        return None
    return Hashes(model=digest(content(model), 32), runtime=digest(content(runtime), 32))


def image_digest(image_id: str) -> str:
    """What identifies the image, without the registry that it was pulled from."""
    return image_id.rpartition("@")[2]


def fingerprint(
    spec: ExperimentSpec,
    hashes: Hashes,
    image_id: str,
    product: str | None,
    sharing: str | None = None,
    traces: Sequence[TraceSummary] = (),
) -> str:
    """A hash that is equal exactly when figures may be compared: of all that matters but seed and block.

    Args:
        spec: of the experiment.
        hashes: of the model and the runtime that it was deployed from.
        image_id: of the engine's container.
        product: of the accelerator, if its node says.
        sharing: how others may use the accelerator too; None if it is the engine's own.
        traces: what the benchmark read of traces, whose content the spec only names.
    """
    service, benchmark = spec.service.dump(), spec.benchmark.dump()
    pod = benchmark.pop("pod", {})
    served = {"servedModelName": service["servedModelName"]} if "servedModelName" in service else {}
    asked = spec.service.accelerator
    accelerator = {"resource": asked.resource, "count": asked.count, "product": product}
    return digest(
        {
            "deployment": hashes.dump(),
            "image": image_digest(image_id),
            "accelerator": {**accelerator, **({"sharing": sharing} if sharing else {})},
            # The order of flags means nothing to an engine, but that of a flag's values does.
            "args": sorted(by_flag(spec.service.args, engines.get(spec.service.engine)).items()),
            "env": sorted((variable.name, variable.value) for variable in spec.service.env or []),
            "volume": service.get("volume"),
            "benchmark": {
                **{key: value for key, value in benchmark.items() if key != "seed"},
                **{key: pod[key] for key in _MEASURES_BY if pod.get(key)},
            },
            **served,
            # A ConfigMap's or a claim's content may change under its name.
            **({"traces": [[one.scenario, one.digest] for one in traces]} if traces else {}),
        },
        32,
    )
