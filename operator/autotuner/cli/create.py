"""The command `create`: a task for what serves today."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from typer import Argument, BadParameter, Exit, Option, echo, prompt

if TYPE_CHECKING:
    from autotuner.api_server import ApiServer
    from autotuner.cli.documents import Document
    from autotuner.cli.what_runs import Named, WhatRuns
    from autotuner.kubernetes_object import Object
    from autotuner.policy.proposal.recognised import Recognised
    from autotuner.policy.proposal.task_file import Place
    from autotuner.policy.proposal.wishes import Wishes
    from autotuner.presets import Presets

EXAMPLES = (
    "create deployment/chat --namespace llm --output chat.yaml",
    "create deployment/chat -n llm --scenario rag --concurrency 4,8,16 --slo TTFT:P99=500ms -o rag.yaml",
    "create deployment/chat --namespace llm --apply",
    "create deployment/chat --from live.yaml > task.yaml",
)

FAILED = 1
_INSTALL = (
    "helm install autotuner helm/autotuner --namespace autotuner-system --create-namespace (docs/installation.md)"
)

_MANAGER = "kubectl-autotuner"  # of the fields that a user wrote by this program

Meant = TypeVar("Meant")

_Files = Annotated[
    list[Path] | None,
    Option(
        "--from",
        metavar="FILE",
        help="Read the object, nodes and claims from YAML instead of a cluster; may be repeated.",
    ),
]
_Scenarios = Annotated[
    list[str] | None,
    Option(metavar="TRAFFIC", help="chat, rag, code, reasoning, or a load as N(1024,256)/(256,64); may be repeated."),
]
_Slos = Annotated[
    list[str] | None,
    Option(metavar="METRIC:STATISTIC=LIMIT", help="For example TTFT:P99=500ms; may be repeated; none for no limits."),
]
_GpuResource = Annotated[
    str | None,
    Option(metavar="RESOURCE", help="The accelerators' extended resource; none: what the container asks for."),
]


def run(
    what: Annotated[str, Argument(metavar="KIND/NAME", help="What serves today, for example deployment/chat.")],
    namespace: Annotated[str, Option("--namespace", "-n", help="Its namespace; none: the kubeconfig's.")] = "",
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="Where the task goes.")] = "",
    apply: Annotated[bool, Option("--apply", help="Create the task in the cluster, and ask nothing.")] = False,
    scenario: _Scenarios = None,
    concurrency: Annotated[str, Option(metavar="USERS", help="The ladder of users, for example 8,16,32.")] = "",
    requests: Annotated[int | None, Option(min=10, help="After which a level ends; none: 400.")] = None,
    slo: _Slos = None,
    objective: Annotated[str, Option(metavar="METRIC[:STATISTIC]", help="What to optimise.")] = "",
    tokenizer: Annotated[str, Option(metavar="ID", help="The tokenizer's id on the hub; none: the model's.")] = "",
    name: Annotated[str, Option(metavar="NAME", help="The task's; none: tune-NAME.")] = "",
    container: Annotated[str, Option(metavar="NAME", help="The container that runs the engine.")] = "",
    engine: Annotated[str, Option(metavar="ENGINE", help="SGLang or VLLM, where nothing tells it.")] = "",
    engine_version: Annotated[str, Option(metavar="VERSION", help="Where the image's tag does not tell it.")] = "",
    api_key_secret: Annotated[str, Option(metavar="NAME/KEY", help="Where an engine's key is.")] = "",
    gpu_resource: _GpuResource = None,
    allow_shared: Annotated[bool, Option("--allow-shared", help="Measure on accelerators that others use.")] = False,
    max_gpus: Annotated[int | None, Option(min=1, help="That experiments may hold together.")] = None,
    max_experiments: Annotated[int | None, Option(min=1, help="Configurations to measure; none: 20.")] = None,
    max_gpu_hours: Annotated[float | None, Option(min=0.01, help="The budget; none: what the search takes.")] = None,
    max_hours: Annotated[float | None, Option(min=0.01, help="The longest that it may take; none: 24.")] = None,
    files: _Files = None,
) -> None:
    """Write a task that tunes what serves today.

    It reads the object with your kubeconfig, recognises its engine, release, model and arguments, and proposes a search
    space, traffic, SLOs and a budget, each with a comment that says why. On a terminal it asks for traffic and SLOs.
    The task is checked as `validate` does; the object itself is only ever read.

    Exit code: 0 written or applied, 1 it cannot be, 2 wrong usage.
    """
    if apply and files:
        raise BadParameter("--apply creates the task in the cluster from which the object is read: leave out --from")
    if output not in ("", "-") and Path(output).exists():
        raise BadParameter(f"{output} exists already, and may hold changes of yours: name another file, or remove it")
    said = _said(scenario or (), concurrency, slo, objective, api_key_secret)
    resource = "" if gpu_resource == "none" else gpu_resource
    wish = replace(said, name=name, tokenizer=tokenizer, resource=resource, allow_shared=allow_shared)
    wish = replace(wish, max_gpus=max_gpus, max_experiments=max_experiments, requests=requests)
    wish = replace(wish, max_gpu_hours=max_gpu_hours, max_hours=max_hours)
    _create(_Order(_named(what, container, engine, engine_version), namespace, wish, output, apply), files or ())


@dataclass(frozen=True)
class _Order:
    """What is to be created, and where it goes."""

    named: Named
    namespace: str
    wishes: Wishes
    output: str
    apply: bool


def _named(what: str, container: str, engine: str, version: str) -> Named:
    from autotuner import engines
    from autotuner.cli.what_runs import Named

    kind, slash, name = what.partition("/")
    if not (kind and slash and name) or "/" in name:
        raise BadParameter(f"{what!r}: write KIND/NAME, for example deployment/chat")
    known = {str(one.name).lower(): str(one.name) for one in engines.with_parsers()}
    if engine and engine.lower() not in known:
        raise BadParameter(f"--engine {engine}: flags are proposed for {' and '.join(known.values())} alone")
    if version and not re.fullmatch(r"[0-9]+(\.[0-9]+)+[.0-9a-z]*", version):
        raise BadParameter(f"--engine-version {version}: write the version of the engine's package, for example 0.33.0")
    return Named(kind, name, container, known.get(engine.lower(), ""), version)


def _said(
    scenarios: Sequence[str], users: str, slos: Sequence[str] | None, objective: str, api_key_secret: str
) -> Wishes:
    """What options say of traffic and goals."""
    from autotuner.policy.proposal import wishes

    return wishes.Wishes(
        scenarios=[_meant("--scenario", wishes.scenario, one) for one in scenarios],
        users=_meant("--concurrency", wishes.users, users) if users else (),
        slos=None if slos is None else _limits("--slo", slos),
        objective=_meant("--objective", wishes.objective, objective) if objective else None,
        api_key_secret=_meant("--api-key-secret", wishes.secret, api_key_secret) if api_key_secret else None,
    )


def _meant(option: str, read: Callable[[str], Meant], text: str) -> Meant:
    """What a text means, or the end of the program with the way out."""
    try:
        return read(text)
    except ValueError as problem:
        raise BadParameter(f"{option}: {problem}" if option else str(problem)) from problem


def _limits(option: str, texts: Sequence[str]) -> list[Object]:
    from autotuner.policy.proposal import wishes

    return [] if list(texts) == ["none"] else [_meant(option, wishes.slo, one) for one in texts]


def _create(order: _Order, files: Sequence[Path]) -> None:
    """Read, propose, check, and write or apply."""
    from autotuner import presets
    from autotuner.cli.what_runs import UnreadableError, of_files
    from autotuner.policy.proposal.recognised import NotRecognisedError

    known = presets.load(presets.default_folder())
    try:
        in_files = of_files(files, order.named, order.namespace, known) if files else None
        runs = in_files or asyncio.run(_of_cluster(order, known))
        task = _task(runs, order, known)
        if order.apply:
            asyncio.run(_apply(task, runs.namespace))
    except (UnreadableError, NotRecognisedError) as problem:
        echo(f"autotuner: {problem}", err=True)
        raise Exit(FAILED) from None
    _tell_next(task, runs, order)


async def _of_cluster(order: _Order, known: Presets) -> WhatRuns:
    from autotuner.cli.what_runs import of_cluster

    async with _connected() as (kube, usual):
        return await of_cluster(kube, order.named, order.namespace or usual, known)


@contextlib.asynccontextmanager
async def _connected() -> AsyncIterator[tuple[ApiServer, str]]:
    """The cluster of the kubeconfig, and the namespace that it names."""
    from autotuner.cli.what_runs import UnreadableError

    try:
        from autotuner.api_server import ApiServer, usual_namespace
    except ImportError as problem:
        way = "install it (pip install 'autotuner[operator]'), or give the objects with --from FILE"
        raise UnreadableError(f"the client of Kubernetes is not installed: {way}") from problem
    try:
        kube, usual = await ApiServer.connect(manager=_MANAGER), usual_namespace()
    except (RuntimeError, ValueError) as problem:
        raise UnreadableError(f"{problem}; or give the objects with --from FILE") from problem
    try:
        yield kube, usual
    finally:
        await kube.close()


def _task(runs: WhatRuns, order: _Order, known: Presets) -> Document:
    """The task, checked and written to where it goes."""
    from autotuner.cli import documents
    from autotuner.cli.diagnostics import AtHand, judge
    from autotuner.cli.documents import Document
    from autotuner.cli.validate import Answer, Checked
    from autotuner.policy.proposal import task_file

    found, wish = runs.recognised, order.wishes
    if sys.stdin.isatty() and sys.stderr.isatty() and not order.apply:
        wish = _asked(wish, found)
    place = runs.place(wish)
    echo(f"{_about(found, place)}", err=True)
    text = task_file.propose(found, wish, place, runs.backend, runs.data, known)
    (task,) = documents.read(text)
    objects = [Document(body, {}) for body in runs.objects]
    verdict = judge(task, AtHand([task, *objects], known, {}))
    file = order.output if order.output not in ("", "-") else "task"
    checked = Checked(file, task, True, verdict.diagnostics, verdict.summary)
    if checked.errors:
        # Lines of a file that is not written would lead nowhere.
        said = [f"autotuner: {one.field}: {one.message}" for one in verdict.diagnostics if one.severity == "error"]
        said.append("autotuner: nothing was written: give other options, or correct what serves")
        echo("\n".join(said), err=True)
        raise Exit(FAILED)
    echo(Answer([checked], []).text, nl=False, err=True)
    if order.output not in ("", "-"):
        Path(order.output).write_text(text)
    elif not order.apply or order.output:
        echo(text, nl=False)
    return task


def _about(found: Recognised, place: Place) -> str:
    """What was recognised, in two lines."""
    on = f", {found.accelerators} x {place.fleet.resource}" if place.fleet.resource else ""
    product = f" ({place.fleet.product})" if place.fleet.product else ""
    args = " ".join(found.template.args) or "no flags but the model"
    what = f"{found.title} in namespace {place.namespace}: {found.product}, {found.model_name}{on}{product}"
    return f"{what}\n  today: {args}"


def _asked(wish: Wishes, found: Recognised) -> Wishes:
    """What people answer to what no option says."""
    from autotuner.policy.proposal import wishes

    if not wish.scenarios:
        words = f"Traffic ({', '.join(wishes.TRAFFIC)}, or a load such as N(1024,256)/(256,64))"
        wish = replace(wish, scenarios=[_ask(words, "chat", lambda text: _meant("", wishes.scenario, text))])
    if not wish.users:
        ladder = ",".join(map(str, wishes.LADDER))
        wish = replace(wish, users=_ask("Users at the same time", ladder, lambda text: _meant("", wishes.users, text)))
    if wish.slos is None:
        words = "SLOs (METRIC:STATISTIC=LIMIT with blanks between them, or none)"
        wish = replace(wish, slos=_ask(words, " ".join(wishes.SLOS), lambda text: _limits("", text.split())))
    if not (wish.tokenizer or found.tokenizer_id or found.has_files or found.template.simulated):
        wish = replace(wish, tokenizer=_ask("The tokenizer's id on the hub (ORGANISATION/MODEL)", None, str))
    return wish


def _ask(words: str, default: str | None, read: Callable[[str], Meant]) -> Meant:
    answer: Meant = prompt(words, default=default, value_proc=read, err=True)
    return answer


async def _apply(task: Document, namespace: str) -> None:
    """Create the task in the cluster.

    Raises:
        UnreadableError: the API server refuses it, or does not answer; the message says what to do.
    """
    from autotuner.cli.what_runs import UnreadableError
    from autotuner.kube import TASK, AlreadyExistsError, KubeError

    name = task.body["metadata"]["name"]
    async with _connected() as (kube, _):
        try:
            await kube.create(TASK, namespace, task.body)
        except AlreadyExistsError as problem:
            way = f"delete it (kubectl delete tuningtask {name} --namespace {namespace}), or choose another --name"
            raise UnreadableError(f"TuningTask {name} exists already in namespace {namespace}: {way}") from problem
        except KubeError as problem:
            if problem.status == 404:
                raise UnreadableError(f"autotuner is not installed in this cluster: {_INSTALL}") from problem
            raise UnreadableError(f"the API server did not take TuningTask {name}: {problem.message}") from problem


def _tell_next(task: Document, runs: WhatRuns, order: _Order) -> None:
    """What people do next."""
    name, there = task.body["metadata"]["name"], f"--namespace {runs.namespace}"
    lines = []
    if order.apply:
        lines += [f"created TuningTask {name} in namespace {runs.namespace}"]
    elif runs.installed is False:
        lines += [f"autotuner is not installed in this cluster; first: {_INSTALL}"]
    if not order.apply:
        lines += [f"start it: kubectl create {there} -f {order.output or 'FILE'}"]
    lines += [
        f"watch it: kubectl get tuningtasks,tuningexperiments {there} --watch",
        f"await it: kubectl wait {there} --for=condition=Finished --timeout=24h tuningtask/{name}",
        f"then read the ConfigMap {name}-best: the report, and the patch for {runs.recognised.title}",
    ]
    echo("\n".join(lines), err=True)
