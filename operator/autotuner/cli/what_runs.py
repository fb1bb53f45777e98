"""What `create` reads of an object that serves today: from a cluster, or from files that hold the same objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from autotuner import engines, live_target
from autotuner.api.model_and_runtime import Target
from autotuner.backend_choice import BACKENDS
from autotuner.cli import found_target, object_files
from autotuner.cli.object_files import UnreadableError
from autotuner.engines import EngineVersion
from autotuner.kube import NODE, PERSISTENT_VOLUME_CLAIM, POD, TASK, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.proposal.recognised import Recognised
from autotuner.policy.proposal.task_file import Place
from autotuner.policy.proposal.wishes import Wishes
from autotuner.presets import Presets
from autotuner.serving import accelerators
from autotuner.serving.backend import Backend, FoundTarget, UnusableTargetError
from autotuner.serving.target import reading, shared_claims


@dataclass(frozen=True)
class Named:
    """An object by kind and name, as people write it.

    Attributes:
        kind: as it was written: `deployment`, `deployments.apps`.
        name: of the object.
        container: that runs the engine; empty for the only one that can be meant.
        engine: that it runs; empty for the one that its command or image tells.
        version: of the engine; empty for the one that the image's tag tells.
    """

    kind: str
    name: str
    container: str = ""
    engine: str = ""
    version: str = ""

    @property
    def backends(self) -> list[Backend]:
        """That can copy objects of this kind; several where products have kinds of one name.

        Raises:
            UnreadableError: there is none.
        """
        copying = [backend for backend in BACKENDS if backend.capabilities.snapshots]
        known = [backend for backend in copying if _may_be_target(backend.capabilities.root)]
        found = [backend for backend in known if self.kind.lower() in _names(backend.capabilities.root)]
        if not found:
            kinds = ", ".join(f"{one.plural}.{one.group}" for one in (backend.capabilities.root for backend in known))
            raise UnreadableError(f"{self.kind!r} is no kind that can be tuned; there are {kinds}")
        return found

    def target(self, root: Resource) -> Target:
        """As a task names it."""
        said = {"container": self.container, "engine": self.engine, "version": self.version}
        own = {key: value for key, value in said.items() if value}
        return Target.model_validate({"apiVersion": root.api_version, "kind": root.kind, "name": self.name, **own})


@dataclass(frozen=True)
class WhatRuns:
    """What was read of an object that serves today.

    Attributes:
        namespace: that it is in.
        backend: that can copy it.
        target: as a task names it.
        data: of its snapshot.
        objects: all that were read, to judge a task by.
        nodes: of the cluster, as far as they could be read.
        no_nodes: why they could not be read, as a sentence; empty if they could.
        home: the node on which its pods mount claims that no other node can; empty without such claims.
        installed: the cluster has the operator's kinds; None where that is not known.
    """

    namespace: str
    backend: Backend
    target: Target
    data: Object
    objects: Sequence[Object]
    nodes: Sequence[Object] = ()
    no_nodes: str = ""
    home: str = ""
    installed: bool | None = None

    @property
    def recognised(self) -> Recognised:
        """What is recognised of its engine."""
        template, engine = self.backend.engine_template(self.data), self.data["engine"]
        version = (
            EngineVersion(engine)
            if template.simulated
            else engines.version_of(engine, image=template.image, said=self.target.version)
        )
        named = {key: value for key, value in self.target.dump().items() if value}
        files = self.backend.weights(self.data["model"])
        return Recognised(named, version, template, self.data["model"], bool(files.path or files.claim))

    def place(self, wishes: Wishes) -> Place:
        """Where it runs."""
        found = self.recognised
        pod = found.template.pod
        selector, why = dict(pod.get("nodeSelector") or {}), "Its own pods go to such nodes."
        if self.home:
            selector[shared_claims.HOST] = self.home
            why = "It mounts a claim that no other node can mount beside it: the copies run there, if it has room."
        resource = found.resource if wishes.resource is None else wishes.resource
        fleet = accelerators.fleet(self.nodes, resource, selector, tolerations=pod.get("tolerations") or ())
        nowhere = f"No node that is there now has {resource}." if resource and self.nodes and not fleet.offering else ""
        return Place(self.namespace, selector, why if selector else "", fleet, self.no_nodes or nowhere)


def _may_be_target(root: Resource) -> bool:
    fields = Target.model_fields
    return root.api_version in get_args(fields["api_version"].annotation) and root.kind in get_args(
        fields["kind"].annotation
    )


def _names(root: Resource) -> set[str]:
    """By which people may call a kind, as kubectl takes them."""
    plain = (root.kind.lower(), root.plural)
    return {
        *plain,
        *(f"{name}.{root.group}" for name in plain),
        *(f"{name}.{root.version}.{root.group}" for name in plain),
    }


async def of_cluster(kube: Kube, named: Named, namespace: str, presets: Presets) -> WhatRuns:
    """Read it from a cluster.

    Raises:
        UnreadableError: it is not there, may not be read, or cannot be tuned.
    """
    try:
        for backend in named.backends:
            found = await live_target.find(kube, backend, namespace, named.name)
            if found.object is not None:
                break
        else:
            raise UnreadableError(await _missing(kube, named, namespace))
        data = _data(backend, named.target(backend.capabilities.root), found, presets)
        claims = await live_target.claims(kube, namespace, data)
    except KubeError as problem:
        raise UnreadableError(_refused(problem, f"{named.kind} {named.name} in namespace {namespace}")) from problem
    nodes, no_nodes = await _nodes(kube)
    home = await _home(kube, namespace, shared_claims.of_one_node(claims), nodes)
    parts = [found.object, *found.parts, *found.pods, *claims, *nodes]
    target, installed = named.target(backend.capabilities.root), await _installed(kube, namespace)
    return WhatRuns(namespace, backend, target, data, parts, nodes, no_nodes, home, installed)


def of_files(files: Sequence[Path], named: Named, namespace: str, presets: Presets) -> WhatRuns:
    """Read it from files with YAML of the objects: of itself, and better also of nodes, claims and pods.

    Raises:
        UnreadableError: it is not there, cannot be read, or cannot be tuned.
    """
    objects = [body for path in files for body in object_files.read(path) if _lies_in(body, namespace)]
    for backend in named.backends:
        root = backend.capabilities.root
        live = next((one for one in _of_kind(objects, root) if one["metadata"]["name"] == named.name), None)
        if live is not None:
            break
    else:
        there = ", ".join(f"{one.get('kind')} {one['metadata']['name']}" for one in objects)
        raise UnreadableError(
            f"{named.kind} {named.name} is not in {', '.join(map(str, files))}, where there are {there or 'no objects'}"
        )
    data = _data(backend, named.target(root), found_target.among(objects, backend, live), presets)
    claims = [
        one for one in _of_kind(objects, PERSISTENT_VOLUME_CLAIM) if one["metadata"]["name"] in reading.claims(data)
    ]
    nodes = _of_kind(objects, NODE)
    no_nodes = "" if nodes else "Nothing is known of the nodes: none was given."
    home = _home_of(_of_kind(objects, POD), shared_claims.of_one_node(claims), nodes)
    where = namespace or str(live["metadata"].get("namespace") or "default")
    return WhatRuns(where, backend, named.target(root), data, objects, nodes, no_nodes, home)


def _data(backend: Backend, target: Target, found: FoundTarget, presets: Presets) -> Object:
    try:
        return backend.read_target(target, found, presets)
    except UnusableTargetError as problem:
        hint = "; here: --container NAME, --engine SGLang or VLLM" if "target.container" in str(problem) else ""
        raise UnreadableError(f"{problem}{hint}") from problem


def _lies_in(body: Object, namespace: str) -> bool:
    """Whether an object of a file is in a namespace, or says none; without a namespace, any counts."""
    return not namespace or body["metadata"].get("namespace", namespace) == namespace


def _of_kind(objects: Sequence[Object], resource: Resource) -> list[Object]:
    known = (resource.api_version, resource.kind)
    return [one for one in objects if (one.get("apiVersion"), one.get("kind")) == known]


async def _nodes(kube: Kube) -> tuple[list[Object], str]:
    try:
        return await kube.list(NODE, None), ""
    except KubeError as problem:
        return [], f"Nothing is known of the nodes: {problem.message}."


async def _home(kube: Kube, namespace: str, claims: Sequence[str], nodes: Sequence[Object]) -> str:
    """The node on which pods mount one of these claims; empty if none does, or nobody may say."""
    try:
        return _home_of(await kube.list(POD, namespace), claims, nodes) if claims else ""
    except KubeError:
        return ""


def _home_of(pods: Sequence[Object], claims: Sequence[str], nodes: Sequence[Object]) -> str:
    hosts = {node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get(shared_claims.HOST) for node in nodes}
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if node and _mounts(pod["spec"], claims):
            return hosts.get(node) or str(node)
    return ""


def _mounts(pod: Object, claims: Sequence[str]) -> bool:
    volumes: Sequence[Any] = pod.get("volumes") or ()
    return any(one.get("persistentVolumeClaim", {}).get("claimName") in claims for one in volumes)


async def _installed(kube: Kube, namespace: str) -> bool | None:
    """Whether the cluster serves tasks; None where nobody may ask."""
    try:
        await kube.list_metadata(TASK, namespace)
    except KubeError as problem:
        return False if problem.status == 404 else None
    return True


async def _missing(kube: Kube, named: Named, namespace: str) -> str:
    """That it is not there, and what is."""
    there: list[str] = []
    for backend in named.backends:
        try:
            there += [str(one["name"]) for one in await kube.list_metadata(backend.capabilities.root, namespace)]
        except KubeError:
            continue
    known = f"there are {', '.join(sorted(there))}" if there else "there is none of this kind"
    return f"{named.kind} {named.name} does not exist in namespace {namespace}; {known}; --namespace names another"


def _refused(problem: KubeError, what: str) -> str:
    if problem.status == 403:
        way = "ask for the role view in that namespace, or give the object with --from FILE"
        return f"you may not read {what}: {problem.message}; {way}"
    if problem.status == 401:
        return f"the API server does not know you: {problem.message}; log in again, `kubectl auth whoami` tells as whom"
    if isinstance(problem, RejectedError):
        return f"{what} cannot be read: {problem}"
    return f"the API server does not answer: {problem.message}; does `kubectl get nodes` work? Or use --from FILE"
