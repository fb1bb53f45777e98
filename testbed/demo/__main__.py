"""`make demo`: a cluster of local processes, the operator, one TuningTask from apply to answer; leaves nothing running.

With `--keep` the cluster and the operator stay up; it says how to reach and how to stop them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from autotuner.cli import screen
from testbed import Testbed, TestbedError
from testbed.api import Api, load_documents
from testbed.operator_process import Operator

ROOT = Path(__file__).parents[2]
NAMESPACE = "autotuner"
TASKS = f"/apis/autotuner.io/v1alpha1/namespaces/{NAMESPACE}/tuningtasks"
EXPERIMENTS = f"/apis/autotuner.io/v1alpha1/namespaces/{NAMESPACE}/tuningexperiments"
_POLL_SECONDS = 0.3
_LIMIT_SECONDS = 900

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


async def main(example: Path, keep: bool) -> int:
    """Run the demo; returns the exit code."""
    console.print("[bold]1.[/] Starting a cluster of local processes: a real control plane, two nodes, OME's stand-in")
    begun = time.monotonic()
    bed = await asyncio.to_thread(Testbed.start, keep=keep)
    operator = Operator(
        bed.kubeconfig,
        bed.logs / "operator.log",
        {"AUTOTUNER_LOG_FORMAT": "text", "AUTOTUNER_TESTBED": bed.identity},
        outlive=keep,
    )
    try:
        async with Api(bed.kubeconfig) as api:
            await api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            operator.start()
            (manifest,) = load_documents(example)
            name = manifest["metadata"]["name"]
            console.print(f"[bold]2.[/] kubectl apply -n {NAMESPACE} -f {_shown(example)}")
            await api.create(TASKS, manifest, fieldValidation="Strict")
            task = await _follow(api, name)
            peak = operator.resident_bytes / 1e6
            await _tell(api, task)
            took = f"{time.monotonic() - begun:.0f} s in all; the operator holds {peak:.0f} MB"
            console.print(f"\n[dim]{took}[/]")
            if not keep:
                await _clean_up(api, name)
        succeeded = task["status"]["phase"] == "Succeeded"
        if keep:
            _say_how(bed, name)
        return 0 if succeeded else 1
    finally:
        if not keep:
            with contextlib.suppress(AssertionError):
                operator.terminate()
            left = bed.leftovers()
            bed.stop()
            if left:
                console.print(f"[red]left running: {left}[/]")


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


async def _follow(api: Api, name: str) -> dict[str, Any]:
    """Show progress until the task is over."""
    begun, shown = time.monotonic(), ""
    with Live(console=console, refresh_per_second=4) if console.is_terminal else contextlib.nullcontext() as live:
        while True:
            task = await api.get(f"{TASKS}/{name}")
            items = (await api.list(EXPERIMENTS))["items"]
            items.sort(key=lambda item: item["metadata"]["creationTimestamp"] + item["metadata"]["name"].zfill(60))
            seconds = time.monotonic() - begun
            if live is not None:
                live.update(screen.progress(task, items, seconds))
            elif (text := screen.line(task)) != shown:
                shown = text
                console.print(f"{seconds:5.0f} s  {text}", soft_wrap=True)
            conditions = {c["type"]: c for c in task.get("status", {}).get("conditions", [])}
            if conditions.get("Finished", {}).get("status") == "True":
                if live is None:
                    console.print(screen.progress(task, items, seconds))
                return task
            if conditions.get("Valid", {}).get("status") == "False" or seconds > _LIMIT_SECONDS:
                raise SystemExit(f"the task does not get on: {task.get('status', {}).get('message')}")
            await asyncio.sleep(_POLL_SECONDS)


async def _tell(api: Api, task: dict[str, Any]) -> None:
    console.print(f"\n[bold]3.[/] kubectl get tuningtasks -n {NAMESPACE}")
    console.print(screen.kubectl(await api.table(TASKS)), soft_wrap=True)
    console.print(f"\n[bold]4.[/] {screen.answer(task)}", soft_wrap=True)
    console.print(
        "\n[bold]5.[/] Look further (make demo KEEP=1 leaves the cluster up):\n"
        f"  kubectl get tt -n {NAMESPACE} {task['metadata']['name']} -o yaml   the whole answer\n"
        f"  kubectl get tx -n {NAMESPACE} -o wide   every experiment, its arguments, why it ended",
        soft_wrap=True,
    )


async def _clean_up(api: Api, name: str) -> None:
    """Delete the task as a user would and see that nothing of it stays."""
    await api.delete(f"{TASKS}/{name}", {"propagationPolicy": "Foreground"})
    kinds = (
        EXPERIMENTS,
        f"/apis/ome.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices",
        f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
    )
    async with asyncio.timeout(60):
        while any([(await api.list(path))["items"] for path in kinds]):
            await asyncio.sleep(_POLL_SECONDS)
    console.print("[dim]The task was deleted; no experiment, InferenceService, Job or pod is left.[/]")


def _say_how(bed: Testbed, name: str) -> None:
    kubectl = shutil.which("kubectl") or "kubectl"
    console.print(
        f"\n[bold]Kept running.[/] Look further:\n"
        f"  export KUBECONFIG={bed.kubeconfig}\n"
        f"  {Path(kubectl).name} get tt,tx -n {NAMESPACE} -o wide\n"
        f"  {Path(kubectl).name} get tt -n {NAMESPACE} {name} -o yaml\n"
        f"  tail -f {bed.logs}/operator.log\n"
        f"Stop everything:\n"
        f"  {Path(sys.executable).relative_to(ROOT)} -m testbed down {bed.folder}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m testbed.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the cluster and the operator running")
    parser.add_argument("--example", type=Path, default=ROOT / "examples" / "quickstart.yaml")
    options = parser.parse_args()
    try:
        sys.exit(asyncio.run(main(options.example.resolve(), options.keep)))
    except TestbedError as problem:
        sys.exit(f"demo: {problem}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; everything was stopped")
