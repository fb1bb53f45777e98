"""The refusals of an API server, in its words as far as somebody reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from autotuner.kube import AlreadyExistsError, ConflictError, KubeError, RejectedError
from autotuner.kubernetes_object import Resource

# Stands for the field's path in the message of a cause, until it is known.
FIELD = "\0"
# The reason of a field that the kind does not have, among causes; on the wire such a request is a bad one.
UNKNOWN_FIELD = "FieldUnknown"


class Cause(NamedTuple):
    """One thing that is wrong with an object: the API server's reason for it, the field's path, a sentence."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        title = _TITLES.get(self.reason, "Invalid value")
        return f"{self.field}: {title}{': ' if self.message else ''}{self.message.replace(FIELD, self.field)}"


# How the API server calls a reason in the sentence about an object.
_TITLES = {
    "FieldValueRequired": "Required value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
}


class InvalidError(RejectedError):
    """422: the object breaks rules of its kind; `causes` has each."""

    def __init__(self, resource: Resource, name: str, causes: Iterable[Cause]) -> None:
        self.causes = tuple(causes)
        told = [str(one) for one in self.causes]
        text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
        super().__init__(422, "Invalid", f'{_kind(resource)} "{name}" is invalid: {text}')


def not_found(resource: Resource, name: str) -> KubeError:
    """404: there is no such object."""
    return RejectedError(404, "NotFound", f'{_plural(resource)} "{name}" not found')


def already_exists(resource: Resource, name: str, *, leaving: bool) -> KubeError:
    """409: the name is taken, be it by an object that is being deleted."""
    message = f'{_plural(resource)} "{name}" already exists'
    return AlreadyExistsError(409, "AlreadyExists", f"object is being deleted: {message}" if leaving else message)


def modified(resource: Resource, name: str) -> KubeError:
    """409: the object has another version than the one that was read."""
    words = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, words)


def conflict(resource: Resource, name: str, words: str) -> KubeError:
    """409: the object is not what the request takes it for."""
    return ConflictError(409, "Conflict", f'Operation cannot be fulfilled on {_plural(resource)} "{name}": {words}')


def field_conflict(lost: Collection[tuple[str, str]]) -> KubeError:
    """409: others (by name) manage fields (by path) that an apply would change, and it is not forced."""
    told = ", ".join(f'conflict with "{manager}": {path}' for manager, path in lost)
    return ConflictError(409, "Conflict", f"Apply failed with {len(lost)} conflict{'s' * (len(lost) > 1)}: {told}")


def bad_request(message: str) -> KubeError:
    """400: the request makes no sense."""
    return RejectedError(400, "BadRequest", message)


def expired(version: int, oldest: int) -> KubeError:
    """410: what happened since that version is forgotten."""
    return KubeError(410, "Expired", f"too old resource version: {version} ({oldest})")


def _plural(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _kind(resource: Resource) -> str:
    return f"{resource.kind}.{resource.group}" if resource.group else resource.kind
