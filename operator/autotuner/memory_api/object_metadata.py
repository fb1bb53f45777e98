"""The metadata of objects: what is taken of a request's, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.memory_api import answers
from autotuner.memory_api.answers import FIELD, Cause
from autotuner.memory_api.json_values import copied

# What the server alone writes.
OWN_FIELDS = (
    *("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    *("managedFields", "selfLink"),
)
_GIVEN = ("name", "generateName", "namespace", "labels", "annotations", "ownerReferences", "finalizers")
_TEXT_MAPS = ("labels", "annotations")
_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_TYPES = {str: "string", dict: "object", list: "array", bool: "boolean", int: "integer"}
_FORMS: Mapping[str, type] = {
    **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"), str),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), str),
    **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), int),
    **dict.fromkeys(_TEXT_MAPS, dict),
    **dict.fromkeys(("ownerReferences", "finalizers", "managedFields"), list),
}
_TIMES = ("creationTimestamp", "deletionTimestamp")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)\Z", re.ASCII)
_PREFIX_MAX = 58  # of names that are generated

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_KEY = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
_ANNOTATION_BYTES = 256 * 1024


def unreadable(metadata: Any) -> Iterator[tuple[str, str]]:
    """What of a request's metadata has another type than it should: the path below, as `.name`, and words."""
    if metadata is None:
        return
    if not isinstance(metadata, Mapping):
        yield "", _type_words("object", metadata)
        return
    for key, value in metadata.items():
        wanted = _FORMS.get(key)
        if wanted is None or value is None:
            continue
        if _odd(value, wanted):
            yield f".{key}", _type_words(_TYPES[wanted], value)
        elif key in _TIMES and not _TIME.match(str(value)):
            yield f".{key}", f'"{value}": a time is wanted, such as 2026-01-31T00:00:00Z'
        else:
            yield from _odd_parts(key, value)


def _odd_parts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        parts: Iterable[tuple[str, Any, type]] = ((f".{name}", part, str) for name, part in value.items())
    elif isinstance(value, list):
        parts = ((f"[{at}]", part, str if key == "finalizers" else dict) for at, part in enumerate(value))
    else:
        return
    for at, part, wanted in parts:
        if part is not None and _odd(part, wanted):
            yield f".{key}{at}", _type_words(_TYPES[wanted], part)


def _odd(value: Any, form: type) -> bool:
    return not isinstance(value, form) or (isinstance(value, bool) and form is int)


def _type_words(wanted: str, value: Any) -> str:
    kind = _TYPES.get(type(value), "number")
    return f'"{kind}": {FIELD} in body must be of type {wanted}: "{kind}"'


def generated_name(prefix: str, suffix: str) -> str:
    """The name that the server makes of `metadata.generateName` and five characters."""
    return prefix[:_PREFIX_MAX] + suffix


def taken(metadata: Any, unknown: list[str]) -> Object:
    """What is kept of a request's metadata: a copy without nulls, empty parts and what the server alone writes.

    Args:
        metadata: of the request.
        unknown: gets the paths of unknown fields, as `.name`.

    Raises:
        RejectedError: it is no metadata.
    """
    for path, words in unreadable(metadata):
        raise answers.bad_request(f"metadata{path}: {words.replace(FIELD, f'metadata{path}')}")
    result: Object = {}
    for key, value in metadata.items():
        if key in _GIVEN:
            if value not in (None, "", {}, []):
                result[key] = copied(value)
        elif key not in OWN_FIELDS:
            unknown.append(f".{key}")
    for key in _TEXT_MAPS:
        if key in result:
            result[key] = {name: "" if value is None else value for name, value in result[key].items()}
    for place, owner in enumerate(result.get("ownerReferences", ())):
        unknown += [f".ownerReferences[{place}].{key}" for key in owner or () if key not in _OWNER_FIELDS]
    return result


def faults(metadata: Object, old: Object | None) -> Iterator[Cause]:
    """What is wrong with the metadata of an object that is to be kept, given what it was."""
    if old is None:
        yield from _wrong_name(metadata)
    if old is None or metadata.get("labels") != old.get("labels"):
        for key, value in metadata.get("labels", {}).items():
            yield from _wrong_key(key, "metadata.labels")
            if len(value) > 63 or (value and not _KEY.match(value)):
                yield Cause("FieldValueInvalid", "metadata.labels", f'"{value}": a valid label value is wanted')
    if old is None or metadata.get("annotations") != old.get("annotations"):
        yield from _wrong_annotations(metadata.get("annotations", {}))
    if old is None or metadata.get("ownerReferences") != old.get("ownerReferences"):
        yield from _wrong_owners(metadata.get("ownerReferences", []))
    yield from _wrong_finalizers(metadata, old)


def with_version(body: Object, version: int) -> Object:
    """The object with another version; the rest is shared."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


def _wrong_name(metadata: Object) -> Iterator[Cause]:
    name = metadata.get("name", "")
    if not name:
        yield Cause("FieldValueRequired", "metadata.name", "name or generateName is required")
    elif len(name) > 253 or not _NAME.match(name):
        yield Cause("FieldValueInvalid", "metadata.name", f'"{name}": a lowercase RFC 1123 subdomain is wanted')


def _wrong_key(key: str, field: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if (slash and not _PREFIX.match(prefix)) or len(prefix) > 253 or len(name) > 63 or not _KEY.match(name):
        yield Cause("FieldValueInvalid", field, f'"{key}": a qualified name is wanted')


def _wrong_annotations(annotations: Mapping[str, str]) -> Iterator[Cause]:
    for key in annotations:
        yield from _wrong_key(key.lower(), "metadata.annotations")
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATION_BYTES:
        yield Cause("FieldValueTooLong", "metadata.annotations", f"may not be more than {_ANNOTATION_BYTES} bytes")


def _wrong_owners(owners: list[Object]) -> Iterator[Cause]:
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield Cause("FieldValueInvalid", f"metadata.ownerReferences.{field}", "must not be empty")
    if sum(1 for owner in owners if owner.get("controller")) > 1:
        words = "Only one reference can have Controller set to true"
        yield Cause("FieldValueInvalid", "metadata.ownerReferences", words)


def _wrong_finalizers(metadata: Object, old: Object | None) -> Iterator[Cause]:
    finalizers = metadata.get("finalizers", [])
    before = old.get("finalizers", []) if old is not None else []
    if finalizers == before:
        return
    for key in finalizers:
        yield from _wrong_key(key, "metadata.finalizers")
    if old is not None and "deletionTimestamp" in old and (added := set(finalizers) - set(before)):
        words = f"no new finalizers can be added if the object is being deleted, found new finalizers {sorted(added)}"
        yield from [Cause("FieldValueForbidden", "metadata.finalizers", words)] * 2  # two checks of it, each tells
