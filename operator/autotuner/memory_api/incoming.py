"""What is taken of the objects that requests bring."""

from __future__ import annotations

import json

from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import answers, object_metadata
from autotuner.memory_api.answers import Cause, InvalidError
from autotuner.memory_api.json_values import copied
from autotuner.memory_api.kinds import Traits

_IDENTITY = ("apiVersion", "kind", "metadata")


def taken(resource: Resource, kind: Traits, namespace: str | None, body: Object, *, strict: bool) -> Object:
    """An object of a request as it is kept, but for defaults and what the server writes.

    Args:
        resource: the kind.
        kind: what is special about it.
        namespace: of the request.
        body: of the request.
        strict: refuse unknown fields instead of dropping them.

    Raises:
        RejectedError: 400, it is no such object.
    """
    _check_identity(resource, kind, namespace, body)
    unknown: list[str] = []
    metadata = object_metadata.taken(body.get("metadata") or {}, unknown)
    unknown = [f".metadata{path}" for path in unknown]
    rest = {key: value for key, value in body.items() if key not in _IDENTITY}
    rest = kind.schema.taken(rest, unknown) if kind.schema is not None else copied(rest)
    if strict and unknown:
        told = ", ".join(f'unknown field "{path.removeprefix(".")}"' for path in unknown)
        words = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise answers.bad_request(f"{words}: strict decoding error: {told}")
    if resource.namespaced:
        metadata["namespace"] = namespace
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}


def _check_identity(resource: Resource, kind: Traits, namespace: str | None, body: Object) -> None:
    """Refuse an object of another kind or namespace than the request's."""
    own_kind, own_version = body.get("kind", ""), body.get("apiVersion", "")
    if kind.schema is not None and not own_kind:
        raise answers.bad_request(f"Object 'Kind' is missing in '{json.dumps(body)[:200]}'")
    if own_kind not in ("", resource.kind) or own_version not in ("", resource.api_version):
        words = f"the API version in the data ({own_version}) and the kind ({own_kind}) do not match the expected ones"
        raise answers.bad_request(f"{words} ({resource.api_version}, {resource.kind})")
    if resource.namespaced and not namespace:
        raise answers.bad_request(f"a namespace is wanted for {resource.plural}")
    there = (body.get("metadata") or {}).get("namespace") or namespace
    if there != namespace:
        words = "the namespace of the provided object does not match the namespace sent on the request"
        raise answers.bad_request(words)


def expect(resource: Resource, live: Object, meta: Object) -> None:
    """Refuse a request that was made for another object, or for what this one no longer is.

    Raises:
        ConflictError: uid or version are not those of the live object.
    """
    known = live["metadata"]
    if meta.get("uid") and meta["uid"] != known["uid"]:
        words = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {known['uid']}"
        raise answers.conflict(resource, known["name"], words)
    if meta.get("resourceVersion") and meta["resourceVersion"] != known["resourceVersion"]:
        raise answers.modified(resource, known["name"])


def check(resource: Resource, kind: Traits, new: Object, old: Object | None) -> None:
    """Refuse what breaks the rules of the kind; what was so before is let through.

    Raises:
        InvalidError: with all that is wrong.
    """
    causes: list[Cause] = []
    if old is None or new["metadata"] is not old["metadata"]:
        causes += object_metadata.faults(new["metadata"], old["metadata"] if old else None)
    if kind.schema is not None:
        before = len(causes)
        kind.schema.faults(new, old, causes)
        if len(causes) == before:
            kind.schema.broken_rules(new, old, causes)
    if causes:
        told = [one._replace(field=one.field.removeprefix(".")) for one in causes]
        raise InvalidError(resource, new["metadata"]["name"], told)
