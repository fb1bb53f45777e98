"""The objects of one kind, and how they are found."""

from __future__ import annotations

import marshal
from bisect import bisect_left, insort
from collections.abc import Iterable

from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api.field_ownership import Ownership
from autotuner.memory_api.history import Change, History, Key
from autotuner.memory_api.kinds import Traits
from autotuner.memory_api.selectors import LabelSelector, label_selector

_NO_LABELS: dict[str, str] = {}
_EVERY = label_selector("")


class Record:
    """One object as it is kept: never changed, only replaced.

    Attributes:
        key: namespace and name.
        body: the object.
        ownership: who manages which of its fields.
    """

    __slots__ = ("_packed", "body", "key", "ownership")

    def __init__(self, key: Key, body: Object, ownership: Ownership) -> None:
        self.key, self.body, self.ownership = key, body, ownership
        self._packed: bytes | None = None

    def copy(self) -> Object:
        """A copy of the object, made by the interpreter's own C code."""
        if self._packed is None:
            self._packed = marshal.dumps(self.body)
        result: Object = marshal.loads(self._packed)  # noqa: S302 - of what this process has just written
        return result

    @property
    def changed_by_readers(self) -> bool:
        """Whether the object is not what was written: somebody changed what he was to read only."""
        return self._packed is not None and bool(marshal.loads(self._packed) != self.body)  # noqa: S302

    def seal(self) -> None:
        """Remember what was written, to tell later whether a reader changed it."""
        self._packed = self._packed or marshal.dumps(self.body)


class Table:
    """The objects of one kind: by key, by namespace and label; and their history."""

    def __init__(self, resource: Resource, traits: Traits, remembered: int) -> None:
        self.resource, self.traits, self.history = resource, traits, History(remembered)
        self._records: dict[Key, Record] = {}
        self._order: list[Key] | None = []
        self._labelled: dict[tuple[str, str], dict[Key, Record]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: Key) -> Record | None:
        """The object of this key, if there is one."""
        return self._records.get(key)

    def records(self) -> Iterable[Record]:
        """All objects, in the order of their keys."""
        return self._candidates("", _EVERY)

    def put(self, record: Record, version: int) -> None:
        """Add an object or replace the one of its key."""
        old = self._records.get(record.key)
        if old is None:
            if self._order is not None:
                insort(self._order, record.key)
        elif _labels(old.body) != _labels(record.body):
            self._unlabel(old)
        self._records[record.key] = record
        for label in _labels(record.body).items():
            self._labelled.setdefault(label, {})[record.key] = record
        self.history.add(Change(version, record.key, old.body if old else None, record.body))

    def remove(self, record: Record, last: Object, version: int) -> None:
        """Take an object away; `last` is what it was in the end."""
        del self._records[record.key]
        self._order = None
        self._unlabel(record)
        self.history.add(Change(version, record.key, last, None))

    def _unlabel(self, record: Record) -> None:
        for label in _labels(record.body).items():
            found = self._labelled[label]
            found.pop(record.key, None)
            if not found:
                del self._labelled[label]

    def selected(self, namespace: str, labels: LabelSelector) -> Iterable[Record]:
        """The objects that match, in the order of their keys.

        Args:
            namespace: empty for all.
            labels: what they must have.
        """
        found = self._candidates(namespace, labels)
        if namespace and labels.equal is not None:
            found = [record for record in found if record.key[0] == namespace]
        if labels.only_equal:
            return found
        return [record for record in found if labels.matches(_labels(record.body))]

    def _candidates(self, namespace: str, labels: LabelSelector) -> Iterable[Record]:
        if labels.equal is not None:
            found = self._labelled.get(labels.equal, {})
            return [found[key] for key in sorted(found)]
        if self._order is None:
            self._order = sorted(self._records)
        order = self._order
        if namespace:
            order = order[bisect_left(order, (namespace, "")) : bisect_left(order, (f"{namespace}\0", ""))]
        return [self._records[key] for key in order]


def _labels(body: Object) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("labels", _NO_LABELS)
    return found
