"""The architecture in rules: who may import whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import autotuner
from autotuner.benchmark.contract.load_clients import LOAD_CLIENTS

PACKAGE = Path(autotuner.__file__).parent
PURE = ("policy", "search", "scoring", "engines", "presets")
ISOLATED = ("benchmark", "simulator")
SHADOWING = {"queue", "random", "types", "logging", "signal", "select", "operator"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it; `from a import b` gives a and a.b."""
    package = module_name(path).split(".") if path.name == "__init__.py" else module_name(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


IMPORTS = {module_name(path): set(imports(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def ours(*parts: str) -> tuple[str, ...]:
    return tuple(f"autotuner.{part}" for part in parts)


def importers(*targets: str) -> set[str]:
    return {module for module, names in IMPORTS.items() if any(within(name, *targets) for name in names)}


def reachable(start: str) -> set[str]:
    """Every name that importing a module imports in the end."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in IMPORTS.get(waiting.pop(), set()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def test_the_walk_sees_the_package() -> None:
    assert {"autotuner", *ours("scoring", "search", "search.space", "api.common")} <= IMPORTS.keys()
    assert {"autotuner.api", "autotuner.api.quantity"} <= IMPORTS["autotuner.scoring.slos"]
    assert "re" in reachable("autotuner.scoring")


def test_only_main_imports_kopf() -> None:
    assert importers("kopf") <= set(ours("main"))


def test_only_kube_imports_kubernetes() -> None:
    assert importers("kubernetes") <= set(ours("kube"))


def test_nothing_is_built_on_the_command_line() -> None:
    assert {name for name in importers(*ours("cli")) if not within(name, *ours("cli"))} == set(ours("__main__"))


@pytest.mark.parametrize("module", [name for name in IMPORTS if within(name, *ours("cli"))])
def test_the_command_line_judges_by_the_policy_alone(module: str) -> None:
    allowed = ours("cli", "api", "policy", "presets", "serving", "objects", "findings", "__version__")
    internal = [name for name in IMPORTS[module] if within(name, "autotuner") and name != "autotuner"]
    assert not [name for name in internal if not within(name, *allowed)]


@pytest.mark.parametrize("module", [name for name in IMPORTS if within(name, *ours(*PURE))])
def test_decisions_reach_no_cluster_and_no_clock(module: str) -> None:
    forbidden = ("kopf", "kubernetes", "asyncio", "aiohttp", "socket", "time", *ours("kube", "controllers", "main"))
    assert not [name for name in reachable(module) if within(name, *forbidden)]


@pytest.mark.parametrize("module", [name for name in IMPORTS if within(name, *ours(*ISOLATED))])
def test_the_benchmark_image_needs_nothing_of_the_operator(module: str) -> None:
    forbidden = ("kopf", "kubernetes", "prometheus_client", *ours("controllers", "policy", "kube", "main"))
    assert not [name for name in reachable(module) if within(name, *forbidden)]


@pytest.mark.parametrize("module", [name for name in IMPORTS if not within(name, *ours(*ISOLATED))])
def test_the_operator_needs_nothing_of_the_benchmark_image(module: str) -> None:
    assert not [name for name in IMPORTS[module] if within(name, "genai_bench", "locust", "gevent", "transformers")]


@pytest.mark.parametrize("module", [name for name in IMPORTS if within(name, *ours("benchmark"))])
def test_runner_and_load_clients_meet_in_the_contract_alone(module: str) -> None:
    others = [room for room in ours("benchmark.runner", "benchmark.clients") if not within(module, room)]
    assert not [name for name in IMPORTS[module] if within(name, *others)]


@pytest.mark.parametrize("module", [name for name in IMPORTS if within(name, *ours("benchmark.runner"))])
def test_the_runner_needs_nothing_of_a_load_client(module: str) -> None:
    needed = ("aiohttp", "genai_bench", "gevent", "huggingface_hub", "locust", "requests", "tokenizers", "transformers")
    assert not [name for name in reachable(module) if within(name, *needed)]


def test_one_table_names_the_load_clients() -> None:
    rooms = [PACKAGE / "benchmark" / room for room in ("contract", "runner")]
    naming = [path.name for room in rooms for path in room.rglob("*.py") if "genai" in path.read_text().lower()]
    assert naming == ["load_clients.py"]
    assert set(LOAD_CLIENTS.values()) <= IMPORTS.keys()


def test_nothing_shadows_the_standard_library() -> None:
    assert not (PACKAGE.parent / "__init__.py").exists(), "it would hide the standard library's operator module"
    assert not [path for path in PACKAGE.rglob("*.py") if path.stem in SHADOWING]


# All that a product of serving has of its own lives here; the module of backends names each product once.
PRODUCTS = ("serving/ome/", "api/", "presets.py", "serving/backends.py")
NAMES_OF_PRODUCTS = re.compile(
    r"\b(?i:ome)\b|(?i:ome\.io)|ClusterServingRuntime|ClusterBaseModel|\bInferenceServices?\b"
)


def foreign_names(text: str) -> list[str]:
    return NAMES_OF_PRODUCTS.findall(text)


@pytest.mark.parametrize(
    "text",
    [
        "waiting for OME",
        "from autotuner.serving.ome import x",
        "ome.io/v1beta1",
        "an InferenceService",
        "ClusterBaseModels",
    ],
)
def test_names_of_products_are_known(text: str) -> None:
    assert foreign_names(text)


@pytest.mark.parametrize("text", ["some", "outcome", "LLMInferenceService", "inferenceservice.yaml"])
def test_other_words_are_not_names_of_products(text: str) -> None:
    assert not foreign_names(text)


def test_only_the_backend_names_what_it_serves_with() -> None:
    named = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(PRODUCTS)
        for found in [foreign_names(path.read_text())]
        if found
    }

    assert named == {}
