"""The command `flags`: ask the engine in an image for its own flags, without an accelerator."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option, echo

EXAMPLES = (
    "flags docker.io/vllm/vllm-openai:v0.33.0 > job.yaml",
    "flags registry.example/engine:1 --engine SGLang --namespace team --pull-secret registry > job.yaml",
    "flags --read job.log > flags.json",
)

UNREADABLE = 2


def run(
    image: Annotated[str | None, Argument(metavar="IMAGE", help="The engine's image.")] = None,
    engine: Annotated[
        str,
        Option(metavar="ENGINE", help="The engine in it; none: the one that IMAGE is named after."),
    ] = "",
    namespace: Annotated[str, Option("--namespace", "-n", help="The Job's; none: kubectl's own.")] = "",
    pull_secret: Annotated[
        list[str] | None, Option(metavar="NAME", help="A Secret to pull the image with; may be repeated.")
    ] = None,
    python: Annotated[str, Option(metavar="PROGRAM", help="The image's Python that has the engine.")] = "python3",
    read: Annotated[
        str | None, Option(metavar="FILE", help="Print the flags in the log of such a Job; - is standard input.")
    ] = None,
) -> None:
    """Print a Job that asks an image's engine for its flags.

    `kubectl apply` it, and give `kubectl logs` of it to --read. The Job asks the engine's own argument parser; it needs
    no accelerator and no rights. A task does the same by itself where it says runtime.probe: true.

    Exit code: 0 printed, 2 wrong usage, or the log has no flags.
    """
    if (image is None) == (read is None):
        raise BadParameter("give either an IMAGE or --read FILE")
    if read is not None:
        echo(_read(read), nl=False)
    else:
        assert image is not None, "one of the two is given"
        echo(_job(image, engine, namespace, pull_secret or [], python), nl=False)


def _job(image: str, engine: str, namespace: str, pull_secrets: list[str], python: str) -> str:
    """The Job as YAML."""
    from autotuner import engines, hashing, yaml_text
    from autotuner.policy.probe_job import Place, probe_job

    known = {str(one.name): one.package for one in engines.with_parsers()}
    package = known.get(engine or str(engines.named_by(image)))
    if package is None:
        raise BadParameter(f"{engine or image} names no engine that is known; say --engine {' or '.join(known)}")
    secrets = [{"name": one} for one in pull_secrets]
    place = Place(f"{package}-flags-{hashing.digest(image)}", namespace, pull_secrets=secrets)

    return yaml_text.dump(probe_job(place, image, package, python=python), yaml_text.BlockDumper)


def _read(file: str) -> str:
    """The flags in a log, a line for each."""
    from autotuner.engines import probed_flags

    try:
        found = probed_flags.in_log(sys.stdin.read() if file == "-" else Path(file).read_text(errors="replace"))
    except (OSError, ValueError) as problem:
        echo(f"autotuner: {'<stdin>' if file == '-' else file}: {problem}", err=True)
        raise Exit(UNREADABLE) from None
    told = json.loads(found.text)
    lines = ",\n".join(f"    {json.dumps(flag, sort_keys=True)}" for flag in told["flags"])
    engine, version = json.dumps(told["engine"]), json.dumps(told["version"])
    return f'{{\n  "engine": {engine},\n  "version": {version},\n  "flags": [\n{lines}\n  ]\n}}\n'
