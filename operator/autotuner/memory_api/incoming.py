"""What is taken of the objects that requests bring."""

from __future__ import annotations

import json
from typing import NamedTuple

from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import answers, object_metadata
from autotuner.memory_api.answers import UNKNOWN_FIELD, Cause, InvalidError
from autotuner.memory_api.json_values import copied
from autotuner.memory_api.kinds import Traits

_IDENTITY = ("apiVersion", "kind", "metadata")
_NOT_OF_THE_SCHEMA = ("FieldValueTypeInvalid", "FieldValueDuplicate")
# With these the rules in CEL are not looked at, and that is told.
_BLOCKING = frozenset(f"FieldValue{one}" for one in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid"))
_ROOT = "<nil>"  # what the API server calls the object itself
_UNCHECKED = Cause(
    "FieldValueInvalid",
    _ROOT,
    "null: some validation rules were not checked because the object was invalid; correct the existing errors to"
    " complete validation",
)


class Judgement(NamedTuple):
    """What would come of creating an object.

    Attributes:
        body: the object with its defaults; None where something is wrong with it.
        causes: all that is wrong. The API server would tell unknown fields first and the rest once these are gone.
    """

    body: Object | None
    causes: tuple[Cause, ...]


def judged(kind: Traits, body: Object) -> Judgement:
    """Judge an object of a kind with a schema before anybody creates it; any value of JSON will do.

    Args:
        kind: the traits of its kind.
        body: the object; its apiVersion and kind count as right.
    """
    assert kind.schema is not None, "kinds of ours have one"
    given = body.get("metadata")
    causes = [
        Cause("FieldValueTypeInvalid", f".metadata{at}", words) for at, words in object_metadata.unreadable(given)
    ]
    unknown: list[str] = []
    metadata = {} if causes else object_metadata.taken(given or {}, unknown)
    unknown = [f".metadata{path}" for path in unknown]
    rest = kind.schema.taken({key: value for key, value in body.items() if key not in _IDENTITY}, unknown)
    rest.pop("status", None)
    if "name" not in metadata and "generateName" in metadata:
        metadata["name"] = object_metadata.generated_name(metadata["generateName"], "x" * 5)
    new = kind.schema.filled({**{key: body.get(key) for key in _IDENTITY}, "metadata": metadata, **rest})
    causes += [Cause(UNKNOWN_FIELD, path, "unknown field") for path in unknown]
    causes += [] if causes and not metadata else object_metadata.faults(metadata, None)
    kind.schema.faults(new, None, causes)
    if not unknown and not any(one.reason in _BLOCKING for one in causes):
        kind.schema.broken_rules(new, None, causes)
    told = tuple(one._replace(field=one.field.removeprefix(".")) for one in causes)
    return Judgement(None if told else new, told)


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
    unknown: list[str] = []
    result = _taken(resource, kind, namespace, body, unknown)
    if strict and unknown:
        told = ", ".join(f'unknown field "{path.removeprefix(".")}"' for path in unknown)
        words = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
        raise answers.bad_request(f"{words}: strict decoding error: {told}")
    return result


def _taken(resource: Resource, kind: Traits, namespace: str | None, body: Object, unknown: list[str]) -> Object:
    _check_identity(resource, kind, namespace, body)
    metadata = object_metadata.taken(body.get("metadata") or {}, unknown)
    unknown[:] = [f".metadata{path}" for path in unknown]
    rest = {key: value for key, value in body.items() if key not in _IDENTITY}
    rest = kind.schema.taken(rest, unknown) if kind.schema is not None else copied(rest)
    if resource.namespaced:
        metadata["namespace"] = namespace
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}


def _check_identity(resource: Resource, kind: Traits, namespace: str | None, body: Object) -> None:
    """Refuse an object of another kind or namespace than the request's."""
    own_kind, own_version = body.get("kind", ""), body.get("apiVersion", "")
    if kind.schema is not None and not own_kind:
        raise answers.bad_request(f"Object 'Kind' is missing in '{json.dumps(body)[:200]}'")
    if kind.schema is not None and own_kind != resource.kind and own_version == resource.api_version:
        cause = Cause("FieldValueInvalid", "kind", f'"{own_kind}": must be {resource.kind}')
        raise InvalidError(resource, (body.get("metadata") or {}).get("name", ""), [cause])
    if own_kind not in ("", resource.kind) or own_version not in ("", resource.api_version):
        words = f"the API version in the data ({own_version}) and the kind ({own_kind}) do not match the expected ones"
        raise answers.bad_request(f"{words} ({resource.api_version}, {resource.kind})")
    if resource.namespaced and not namespace:
        raise answers.bad_request(f"a namespace is wanted for {resource.plural}")
    there = (body.get("metadata") or {}).get("namespace") or namespace
    if there != namespace:
        words = "the namespace of the provided object does not match the namespace sent on the request"
        raise answers.bad_request(words)


def applied(resource: Resource, kind: Traits, namespace: str | None, body: Object) -> Object:
    """What is taken of an object that is applied: it may say nothing that its kind does not know.

    Raises:
        RejectedError: 400, it is no such object.
        KubeError: 500, which is how an API server calls a field that is unknown.
    """
    unknown: list[str] = []
    result = _taken(resource, kind, namespace, body, unknown)
    if unknown:
        raise _untyped(resource, result, f"{unknown[0]}: field not declared in schema")
    return result


def refuse_untyped(resource: Resource, kind: Traits, config: Object) -> None:
    """Refuse an applied object that is no value of the schema's types, which comes before all its other faults.

    Raises:
        KubeError: 500, it is none.
    """
    causes: list[Cause] = []
    if kind.schema is not None:
        kind.schema.faults(config, None, causes)
    for one in causes:
        if one.reason in _NOT_OF_THE_SCHEMA:
            raise _untyped(resource, config, f"{one.field}: {one.message}")


def _untyped(resource: Resource, config: Object, words: str) -> KubeError:
    name = f"{config['metadata'].get('namespace', '')}/{config['metadata'].get('name', '')}"
    what = f"failed to create typed patch object ({name}; {resource.api_version}, Kind={resource.kind})"
    return KubeError(500, "", f"{what}: {words}")


def expect(resource: Resource, live: Object, meta: Object) -> None:
    """Refuse a request that was made for what an object no longer is.

    Raises:
        ConflictError: the version is not that of the live object.
    """
    known = live["metadata"]
    if meta.get("resourceVersion") and meta["resourceVersion"] != known["resourceVersion"]:
        raise answers.modified(resource, known["name"])


def expect_same(resource: Resource, live: Object, meta: Object) -> None:
    """Refuse a patch that would make another object of one.

    Raises:
        RejectedError: 400, the patch has another name or namespace; 422, another uid.
    """
    known = live["metadata"]
    for field in ("name", "namespace"):
        if meta.get(field) and meta[field] != known.get(field):
            words = f"the {field} of the object ({meta[field]}) does not match the {field} on the URL"
            raise answers.bad_request(f"{words} ({known.get(field, '')})")
    if meta.get("uid") and meta["uid"] != known["uid"]:
        cause = Cause("FieldValueInvalid", "metadata.uid", f'"{meta["uid"]}": field is immutable')
        raise InvalidError(resource, known["name"], [cause, cause])


def check(resource: Resource, kind: Traits, new: Object, old: Object | None) -> None:
    """Refuse what breaks the rules of the kind; what was so before is let through.

    Raises:
        InvalidError: with all that is wrong.
    """
    causes: list[Cause] = []
    if old is None or new["metadata"] is not old["metadata"]:
        causes += object_metadata.faults(new["metadata"], old["metadata"] if old else None)
    if kind.schema is not None:
        kind.schema.faults(new, old, causes)
        if any(one.reason in _BLOCKING for one in causes):
            causes.append(_UNCHECKED)
        else:
            kind.schema.broken_rules(new, old, causes)
    if causes:
        told = [one._replace(field=one.field.removeprefix(".") or _ROOT) for one in causes]
        raise InvalidError(resource, new["metadata"].get("name", ""), told)
