"""Tabulated surfaces as search spaces: files `NAME.csv.gz` (or `.csv`) of a folder.

The columns before `status` are parameters, those behind it were measured. A grid lists every combination of its
parameters and has columns `METRIC_cLEVEL` for each concurrency; what it leaves out is taken to have failed. A pool
lists what somebody measured and has a `score`, of which less is better. A grid is searched as the product would search
it: with the flags, rules and defaults of the engine's release whose times it has, so that a newer release changes no
run. In a pool what is not listed does not exist.
"""

from __future__ import annotations

import csv
import gzip
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autotuner.api.common import EngineName
from autotuner.api.parameters import SearchParameter
from autotuner.engines import EngineVersion
from autotuner.search.space.assembly import Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.space import Space

SHIPPED = Path(__file__).parents[1] / "data" / "surfaces"
Floats = npt.NDArray[np.float64]
# Of pools and random surfaces: their parameters are no known flags.
NO_ENGINE = EngineVersion("Custom")
# The releases that aiconfigurator-core 0.12.0 measured, whose kernel times the grids have.
_SGLANG, _VLLM = EngineVersion("SGLang", "0.5.14"), EngineVersion("VLLM", "0.24.0")
_ENGINES: Mapping[str, EngineVersion] = {"sg": _SGLANG, "sglang": _SGLANG, "vllm": _VLLM}
_FLAGS = {"tp": "tp-size", "dp": "dp-size", "pp": "pp-size", "ep": "enable-ep-moe"}
_GPU_GIB = {"h100": 80, "h200": 141, "h800": 80, "a100": 80, "l40s": 48, "l40": 48, "l4": 24, "b200": 180, "a10": 24}
_LEVEL = re.compile(r"thr_c(\d+)")


class Pool:
    """The listed configurations of a pool, as a space."""

    exact = True

    def __init__(self, dimensions: Sequence[Dimension], listed: Sequence[tuple[int, ...]]) -> None:
        self.dimensions = tuple(dimensions)
        self._listed = list(listed)
        self._known = set(listed)
        self.size = self.numbers = len(self._listed)

    def point(self, index: int) -> tuple[int, ...] | None:
        return self._listed[index]

    def draw(self, generator: random.Random) -> tuple[int, ...] | None:
        return generator.choice(self._listed)

    def settle(self, places: Sequence[int]) -> tuple[int, ...] | None:
        return tuple(places) if tuple(places) in self._known else None

    def at(self, index: int) -> Configuration | None:
        return self._configuration(self._listed[index])

    def build(self, places: Sequence[int]) -> Configuration | None:
        settled = self.settle(places)
        return None if settled is None else self._configuration(settled)

    def places(self, configuration: Mapping[str, Any]) -> tuple[int, ...]:
        return tuple(one.values.index(configuration.get(one.name)) for one in self.dimensions)

    def identity(self, configuration: Mapping[str, Any]) -> str:
        return repr(sorted(configuration.items()))

    def effective_identity(self, configuration: Mapping[str, Any]) -> str:
        return self.identity(configuration)

    def _configuration(self, places: Sequence[int]) -> Configuration:
        pairs = [(one.name, one.values[place]) for one, place in zip(self.dimensions, places, strict=True)]
        return Configuration(tuple((name, value) for name, value in pairs if value is not None))


@dataclass(frozen=True)
class Surface:
    """One file.

    Attributes:
        name: of the file.
        space: what can be chosen.
        engine: whose flags the parameters are, with its release; NO_ENGINE of a pool.
        rows: places -> number of the row.
        failed: for each row, and for all that is not listed, as the last one.
        columns: measured figures by name, NaN where it failed.
    """

    name: str
    space: Space
    engine: EngineVersion
    rows: Mapping[tuple[int, ...], int]
    failed: npt.NDArray[np.bool_]
    columns: Mapping[str, Floats]

    @cached_property
    def levels(self) -> list[int]:
        """Concurrencies, ascending; none of a pool."""
        return sorted(int(found[1]) for name in self.columns if (found := _LEVEL.fullmatch(name)))

    @cached_property
    def points(self) -> npt.NDArray[np.intp]:
        """(n, dimensions) places of all configurations that the space has."""
        places = [self.space.point(index) for index in range(self.space.numbers)]
        return np.array([one for one in places if one is not None and one in self.rows], dtype=np.intp)

    @cached_property
    def reachable(self) -> npt.NDArray[np.intp]:
        """Rows of configurations that the space has and that run."""
        found = [self.rows[tuple(one)] for one in self.points.tolist()]
        return np.array([row for row in found if not self.failed[row]], dtype=np.intp)

    def row(self, configuration: Configuration) -> int:
        return self.rows.get(self.space.places(configuration), len(self.failed) - 1)


def load(folder: Path) -> list[Surface]:
    """All surfaces of a folder, by name."""
    return [_read(path) for path in sorted(folder.glob("*.csv*"))]


def _read(path: Path) -> Surface:
    name = path.name.split(".csv")[0]
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.DictReader(file))
    headers = list(rows[0])
    parameters = headers[: headers.index("status")]
    measured = {
        header: np.array([*(_number(row[header]) for row in rows), np.nan])
        for header in headers[headers.index("status") + 1 :]
    }
    failed = np.array([*(row["status"] != "ok" for row in rows), True])
    engine = _ENGINES.get(name.partition("-")[0], NO_ENGINE)
    offered = [_parameter(header, [row[header] for row in rows], engine.name) for header in parameters]
    pieces = assemble(Offer(tuple(offered)), engine, (), _facts(name, parameters))
    dimensions = pieces.dimensions
    places = [
        tuple(_place(row[header], one) for header, one in zip(parameters, dimensions, strict=True)) for row in rows
    ]
    listed = {one: number for number, one in enumerate(places)}
    space: Any = (
        Space(pieces, Offer(tuple(offered))) if any(map(_LEVEL.fullmatch, measured)) else Pool(dimensions, places)
    )
    return Surface(name, space, engine, listed, failed, measured)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _parameter(header: str, texts: Sequence[str], engine: EngineName) -> SearchParameter:
    name = _FLAGS.get(header, header) if engine == "SGLang" else header
    name = name.replace("_", "-")
    values = sorted(set(texts))
    if {*values} <= {"True", "False"} or name == "enable-ep-moe":
        return SearchParameter(name=name, toggle=True)
    numbers = [float(value) for value in values if not np.isnan(_number(value))]
    if len(numbers) == len(values):
        return SearchParameter(name=name, values=sorted(numbers))
    return SearchParameter(
        name=name, choices=[value for value in values if value != "none"], allow_unset="none" in values
    )


def _place(text: str, dimension: Dimension) -> int:
    for place, value in enumerate(dimension.values):
        if isinstance(value, bool):
            same = text in (("True", "1") if value else ("False", "0"))
        elif isinstance(value, str) or value is None:
            same = text == ("none" if value is None else value)
        else:
            same = _number(text) == value
        if same:
            return place
    raise ValueError(f"{dimension.name} has no value {text}")


def _facts(name: str, parameters: Sequence[str]) -> Facts:
    """What the name tells about model and node; only where precision is searched is the model's own known."""
    size, gpu = re.search(r"(\d+)b-", name), re.search(r"-([a-z]+\d+[a-z]*?)x(\d+)", name)
    node = int(gpu[2]) if gpu else None
    if "quantization" not in parameters or size is None or gpu is None or gpu[1] not in _GPU_GIB:
        return Facts(accelerators=node)
    memory = _GPU_GIB[gpu[1]] * 1024.0
    return Facts({"modelParameterSize": f"{size[1]}B"}, memory, accelerators=node)
