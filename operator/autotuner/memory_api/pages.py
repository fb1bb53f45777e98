"""Lists in parts: all of them show the objects as they were when the first was asked for."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from autotuner.kubernetes_object import Object
from autotuner.memory_api import answers
from autotuner.memory_api.history import Key
from autotuner.memory_api.table import Table


class Page(NamedTuple):
    """A part of a list.

    Attributes:
        items: its objects.
        version: of the whole list.
        more: what to ask for the next part with; empty at the end.
        remaining: how many objects follow, None where that is not told.
    """

    items: list[Object]
    version: str
    more: str = ""
    remaining: int | None = None


class Place(NamedTuple):
    """Where a list goes on: its version, and the last object that was shown."""

    version: int
    after: Key


def token(place: Place) -> str:
    """The place as a text that callers hand back."""
    return base64.urlsafe_b64encode(json.dumps([place.version, *place.after]).encode()).decode()


def read(text: str) -> Place:
    """The place that a token means.

    Raises:
        RejectedError: it is none of ours.
    """
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        raise answers.bad_request("continue key is not valid") from None
    return Place(version, (namespace, name))


def bodies_at(table: Table, version: int) -> dict[Key, Object]:
    """The objects of a kind as they were at a version, by key.

    Raises:
        KubeError: 410, that is forgotten.
    """
    bodies = {record.key: record.body for record in table.records()}
    for change in reversed(table.history.since(version)):
        if change.old is None:
            del bodies[change.key]
        else:
            bodies[change.key] = change.old
    return bodies
