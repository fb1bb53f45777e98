"""What tasks can name: models and runtimes that are shipped, added, or live in the cluster, and what fits where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner import engines, presets
from autotuner.backend_choice import BACKENDS, DEFAULT
from autotuner.cli.shared.cluster_access import Cluster
from autotuner.cli.shared.records import ModelRow, PresetRow, RuntimeRow
from autotuner.kube import CONFIG_MAP, NODE, KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets, RuntimePreset
from autotuner.serving import accelerators

SHIPPED = "shipped"
_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu")  # whose models of accelerator the presets name


@dataclass
class Catalogue:
    """Everything that was read.

    Attributes:
        known: all presets.
        sources: (kind, name) of a preset -> the ConfigMap that adds it, as NAMESPACE/NAME.
        live: kind and object of each live model and runtime.
        nodes: of the cluster; None where nobody may list them.
        unread: what could not be read, in words.
    """

    known: Presets
    sources: dict[tuple[str, str], str] = field(default_factory=dict)
    live: list[tuple[Resource, Object]] = field(default_factory=list)
    nodes: list[Object] | None = None
    unread: list[str] = field(default_factory=list)


async def read(cluster: Cluster | None) -> Catalogue:
    """What is shipped and, where there is a cluster, what it adds."""
    found = Catalogue(presets.load(presets.default_folder()))
    if cluster is not None:
        await _read_added(cluster, found)
        await _read_live(cluster, found)
        try:
            found.nodes = await cluster.kube.list(NODE, None)
        except KubeError as problem:
            found.unread.append(f"nodes: {problem.message}")
    return found


async def _read_added(cluster: Cluster, found: Catalogue) -> None:
    """The presets of labelled ConfigMaps, of which the operator takes those of its own namespace."""
    try:
        maps = await cluster.kube.list(CONFIG_MAP, None, labels=f"{presets.LABEL}=true")
    except KubeError as problem:
        found.unread.append(f"ConfigMaps with presets: {problem.message}")
        return
    for body in maps:
        where = f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"
        try:
            own = presets.from_config_map(body, found.known)
        except ValueError as problem:
            found.unread.append(str(problem))
            continue
        found.known = found.known.under(own)
        found.sources |= {("model", name): where for name in own.models}
        found.sources |= {("runtime", name): where for name in own.runtimes}


async def _read_live(cluster: Cluster, found: Catalogue) -> None:
    kinds = {kind: None for one in BACKENDS if not one.capabilities.snapshots for kind in _kinds(one.capabilities)}
    for kind in kinds:
        try:
            objects = await cluster.all_or_none(kind)
        except KubeError as problem:
            found.unread.append(f"{kind.plural}: {problem.message}")
            continue
        found.live += [(kind, body) for body in objects]


def _kinds(capabilities: Any) -> Iterator[Resource]:
    yield from capabilities.models.values()
    yield from capabilities.runtimes.values()


def preset_rows(found: Catalogue) -> list[PresetRow]:
    """All presets, models first."""
    models = [
        PresetRow(
            kind="model",
            name=name,
            source=found.sources.get(("model", name), SHIPPED),
            size=spec.get("modelParameterSize"),
        )
        for name, spec in sorted(found.known.models.items())
    ]
    runtimes = [
        PresetRow(
            kind="runtime",
            name=name,
            source=found.sources.get(("runtime", name), SHIPPED),
            engine=preset.engine,
            accelerator=_needs(preset),
            models=list(preset.models) or None,
        )
        for name, preset in sorted(found.known.runtimes.items())
    ]
    return [*models, *runtimes]


def _needs(preset: RuntimePreset) -> str | None:
    """What a preset is meant for: `2 x NVIDIA-H100-80GB-HBM3`; None where it does not say."""
    if preset.accelerator is None:
        return None
    count = engines.get(preset.engine).accelerators(DEFAULT.engine_template(preset.spec).args)
    return f"{count} x {preset.accelerator.name}"


def model_rows(found: Catalogue) -> list[ModelRow]:
    """Presets of models, then live ones."""
    rows = [_model_row(name, "preset", spec) for name, spec in sorted(found.known.models.items())]
    for kind, body in _of(found, "models"):
        meta, state = body["metadata"], (body.get("status") or {}).get("state")
        row = _model_row(meta["name"], kind.kind, body.get("spec") or {})
        rows.append(row.model_copy(update={"namespace": meta.get("namespace"), "state": state or "Unknown"}))
    return rows


def _model_row(name: str, kind: str, spec: Mapping[str, Any]) -> ModelRow:
    return ModelRow(
        name=name, kind=kind, architecture=spec.get("modelArchitecture"), size=spec.get("modelParameterSize")
    )


def runtime_rows(found: Catalogue) -> list[RuntimeRow]:
    """Presets of runtimes, then live ones."""
    rows = []
    for name, preset in sorted(found.known.runtimes.items()):
        fits = _fits(preset, found.nodes)
        image = DEFAULT.engine_template(preset.spec).image
        rows.append(
            RuntimeRow(
                name=name, kind="preset", engine=preset.engine, image=image, accelerator=_needs(preset), fits=fits
            )
        )
    for kind, body in _of(found, "runtimes"):
        meta, image = body["metadata"], DEFAULT.engine_template(body.get("spec") or {}).image
        engine = engines.named_by(image) if image else None
        rows.append(
            RuntimeRow(
                name=meta["name"],
                kind=kind.kind,
                namespace=meta.get("namespace"),
                engine=str(engine) if engine else None,
                image=image or None,
            )
        )
    return rows


def _fits(preset: RuntimePreset, nodes: Sequence[Object] | None) -> str | None:
    """On how many nodes of the cluster a preset's accelerators are."""
    if preset.accelerator is None:
        return "any node"
    if nodes is None:
        return None
    count = engines.get(preset.engine).accelerators(DEFAULT.engine_template(preset.spec).args)
    having = sum(_has(node, preset.accelerator.name, count) for node in nodes)
    return f"{having} node{'s' if having != 1 else ''}"


def _has(node: Object, product: str, count: int) -> bool:
    told = (accelerators.read(node, resource) for resource in _RESOURCES)
    return any(one.product == product and one.count >= count for one in told)


def _of(found: Catalogue, what: str) -> Iterable[tuple[Resource, Object]]:
    kinds = {kind for one in BACKENDS for kind in getattr(one.capabilities, what).values()}
    return [(kind, body) for kind, body in found.live if kind in kinds]
