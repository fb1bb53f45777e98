"""Writes what chart and manifests share: `python packaging/generate.py [--check] [--helm PROGRAM]`.

The chart's templates are the source of every object. What it takes from elsewhere in the repository (CRDs, the
operator's rights, alert rules, dashboard) is copied into its folder `files`, because Helm reads nothing
outside of a chart; the Kustomize manifests are what Helm renders from it. Without Helm only the former is done.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import commands
import reference
import yaml

from autotuner import backend_choice, engines, presets, yaml_text

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "autotuner"
MANIFESTS = ROOT / "manifests"
NAME = "autotuner"  # of the release and of its namespace in the manifests

_COPIES = {
    "crds/*.yaml": "crds",
    "packaging/rbac.yaml": ".",
    "monitoring/prometheusrule.yaml": "monitoring",
    "monitoring/dashboard.json": "monitoring",
}
_HEADER = "# Generated from helm/autotuner by `make generate`. Do not edit.\n"
_HELMS_OWN = ("helm.sh/chart", "app.kubernetes.io/managed-by")
# Templates whose objects are the same in every overlay, and those that differ.
_BASE = ("serviceaccount", "aggregate-roles", "deployment", "service", "networkpolicy", "admission-policy")
_OVERLAYS = {"cluster-wide": "watchNamespaces=[]", "namespaced": f'watchNamespaces=["{NAME}"]'}
_MONITORING = ("serviceMonitor", "prometheusRule", "dashboard")

Files = dict[Path, str]


def chart_files() -> Files:
    """The chart's copies of what is written elsewhere."""
    return {
        CHART / "files" / folder / source.name: source.read_text()
        for pattern, folder in _COPIES.items()
        for source in sorted(ROOT.glob(pattern))
    }


def preset_page() -> Files:
    """docs/presets.md: what each preset is, read from the presets themselves."""
    known = presets.load(ROOT / "presets")
    models = [
        f"| `{name}` | {spec['modelArchitecture']} | {spec['modelParameterSize']} | {spec['maxTokens']}"
        f" | {spec.get('quantization', '')} | `{spec['storage']['path']}` | {spec['storage']['storageUri']} |"
        for name, spec in known.models.items()
    ]
    runtimes = []
    for name, preset in known.runtimes.items():
        template = backend_choice.DEFAULT.engine_template(preset.spec)
        gpus = engines.get(preset.engine).accelerators(template.args)
        needs = f"{gpus} x {preset.accelerator.name}" if preset.accelerator else "none"
        args, serves = " ".join(template.args), ", ".join(preset.models)
        runtimes.append(f"| `{name}` | {preset.engine} | {needs} | `{args}` | {serves} | `{template.image}` |")
    text = (ROOT / "packaging" / "presets.md").read_text()
    return {ROOT / "docs" / "presets.md": text.format(models="\n".join(models), runtimes="\n".join(runtimes))}


def reference_pages() -> Files:
    """Pages and schemas of docs that follow from the code."""
    docs = ROOT / "docs"
    return {
        docs / "api.md": reference.page(),
        docs / "commands.md": commands.page(),
        docs / "output.schema.json": commands.output_schema(),
    }


def manifests(helm: str) -> Files:
    """The generated part of the Kustomize tree; reads the chart as it is on disk."""
    rendered = {name: _render(helm, f"--set-json={scope}") for name, scope in _OVERLAYS.items()}
    some = rendered["cluster-wide"]
    monitoring = _render(helm, *(f"--set=metrics.{part}.enabled=true" for part in _MONITORING))
    return {
        **{MANIFESTS / "base" / "crds" / path.name: path.read_text() for path in sorted(ROOT.glob("crds/*.yaml"))},
        **{MANIFESTS / "base" / f"{name}.yaml": some[name] for name in _BASE},
        **{MANIFESTS / "overlays" / name / "rbac.yaml": objects["rbac"] for name, objects in rendered.items()},
        MANIFESTS / "components" / "monitoring" / "monitoring.yaml": monitoring["monitoring"],
    }


def _render(helm: str, *options: str) -> dict[str, str]:
    """Template name -> the objects that Helm makes of it, without what only Helm needs."""
    command = [helm, "template", NAME, str(CHART), f"--namespace={NAME}", *options]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - told by the caller
    documents: dict[str, list[str]] = {}
    for part in text.split("\n---\n"):
        source, _, body = part.removeprefix("---\n").partition("\n")
        item = yaml.safe_load(body)
        if item and "helm.sh/hook" not in item["metadata"].get("annotations", {}):
            documents.setdefault(Path(source).stem, []).append(_dump(item))
    return {name: _HEADER + "---\n".join(parts) for name, parts in documents.items()}


def _dump(item: dict[str, Any]) -> str:
    for key in _HELMS_OWN:
        item["metadata"].get("labels", {}).pop(key, None)
    return yaml_text.dump(item, yaml_text.BlockDumper)


def _stale(wanted: Files) -> Iterator[Path]:
    """Generated files that nothing generates any more."""
    for path in sorted([*(CHART / "files").rglob("*.*"), *MANIFESTS.rglob("*.yaml")]):
        generated = path.is_relative_to(CHART) or path.read_text().startswith("# Generated ")
        if path.is_file() and generated and path not in wanted:
            yield path


def _bring(wanted: Files, *, check: bool) -> list[Path]:
    """Write the files that differ, or only return which do."""
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in [] if check else differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
    return differing


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description="Write the chart's copies, the manifests and the pages that follow from data."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is out of date")
    parser.add_argument("--helm", help="the helm program; without it the manifests are left alone")
    options = parser.parse_args()
    wanted = chart_files() | preset_page() | reference_pages()
    differing = _bring(wanted, check=options.check)
    if options.helm:
        rendered = manifests(options.helm)
        wanted |= rendered
        differing += _bring(rendered, check=options.check)
        for path in _stale(wanted):
            differing.append(path)
            if not options.check:
                path.unlink()
    if options.check and differing:
        sys.exit("out of date, run `make generate`: " + ", ".join(str(path.relative_to(ROOT)) for path in differing))


if __name__ == "__main__":
    main()
