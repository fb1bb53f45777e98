"""Service accounts with given rights, and what the audit log says of their use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autotuner.kubernetes_object import Object
from testbed import Testbed, kubeconfig
from testbed.api import Api

Rules = list[Object]
RBAC = "rbac.authorization.k8s.io"


class Right(NamedTuple):
    """What a rule grants, or what a request needs."""

    group: str
    resource: str  # with its subresource
    verb: str


def rights(rules: Iterable[Object]) -> set[Right]:
    """Everything that rules grant."""
    return {
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


async def make_account(api: Api, namespace: str, name: str, cluster: Rules, namespaced: Mapping[str, Rules]) -> str:
    """A ServiceAccount with these rights, in the whole cluster and by namespace; returns its user name."""
    await api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    for place, rules in (("", cluster), *namespaced.items()):
        if rules:
            await _grant(api, place, f"{namespace}-{name}", {"namespace": namespace, "name": name}, rules)
    return f"system:serviceaccount:{namespace}:{name}"


async def _grant(api: Api, place: str, role: str, account: Object, rules: Rules) -> None:
    """A Role in a namespace, or a ClusterRole if `place` is empty, and its binding."""
    root = f"/apis/{RBAC}/v1" + (f"/namespaces/{place}" if place else "")
    kind = "Role" if place else "ClusterRole"
    metadata = {"name": role}
    await api.create(f"{root}/{kind.lower()}s", {"metadata": metadata, "rules": rules})
    binding = {
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", **account}],
    }
    await api.create(f"{root}/{kind.lower()}bindings", binding)


async def account_kubeconfig(api: Api, bed: Testbed, user: str, folder: Path) -> Path:
    """A kubeconfig with a token of this service account."""
    *_, namespace, name = user.split(":")
    request = {"spec": {"expirationSeconds": 3600}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    answer = await api.create(path, request)
    authority = (bed.folder / "keys" / "apiserver.crt").read_bytes()
    result = folder / f"{namespace}-{name}.kubeconfig"
    kubeconfig.write(result, api.cluster.server, authority, answer["status"]["token"])
    return result


def audited(bed: Testbed, user: str) -> Iterator[Object]:
    """The requests of a user so far, oldest first; the testbed was started with `audit`."""
    with (bed.logs / "audit.log").open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                return  # still being written
            entry = json.loads(line)
            if entry["user"].get("username") == user:  # nobody's token is of no user
                yield entry


def needed(entry: Object) -> Right | None:
    """What a request needs; None if it is about no resource (discovery)."""
    if "objectRef" not in entry:
        return None
    about = entry["objectRef"]
    resource = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
    return Right(about.get("apiGroup", ""), resource, entry["verb"])
