"""The objects of an API server within this process: what each request does to them. Nothing here waits for anything."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal

from autotuner import clock as clocks
from autotuner.kube import FIELD_MANAGER, KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import answers, deletion, incoming, object_metadata, pages, selectors, updates
from autotuner.memory_api.answers import InvalidError
from autotuner.memory_api.field_ownership import Owner, Ownership
from autotuner.memory_api.history import Change
from autotuner.memory_api.json_values import merge_patched
from autotuner.memory_api.kinds import traits
from autotuner.memory_api.owners import Owners, Place
from autotuner.memory_api.pages import Page
from autotuner.memory_api.table import Record, Table
from autotuner.memory_api.watch import Watch

Objects = list[Object]
Reads = Literal["copies", "shared", "sealed"]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # what the API server takes for generated names


class Store:
    """What an API server keeps.

    Args:
        clock: the time for timestamps.
        seed: of the uids and generated names: the same requests get the same ones.
        reads: whether what is handed out belongs to the caller (copies), or is the very object that is kept, which
            costs nothing and nobody may change (shared); sealed: shared, and `changed_by_readers` tells what was.
        remembered: how many changes of each kind watches can go back.
    """

    def __init__(
        self, clock: Callable[[], datetime], *, seed: int = 0, reads: Reads = "copies", remembered: int = 10_000
    ) -> None:
        self._clock, self._reads, self._remembered = clock, reads, remembered
        self._random = random.Random(seed)
        self._version = 1
        self._tables: dict[Resource, Table] = {}
        self._listeners: list[Callable[[Resource, Change], None]] = []
        self.owners = Owners()

    @property
    def version(self) -> int:
        """The version of the last write."""
        return self._version

    def table(self, resource: Resource) -> Table:
        """The objects of a kind."""
        found = self._tables.get(resource)
        if found is None:
            found = self._tables[resource] = Table(resource, traits(resource), self._remembered)
        return found

    def tables(self) -> Iterable[Table]:
        """The kinds that were ever spoken of."""
        return self._tables.values()

    def listen(self, listener: Callable[[Resource, Change], None]) -> None:
        """Call this with every change, at once."""
        self._listeners.append(listener)

    def restore(self, resource: Resource, body: Object, ownership: Ownership) -> None:
        """Take an object as an earlier process kept it, with its uid and version; nobody is told."""
        meta, table = body["metadata"], self.table(resource)
        version, key = int(meta["resourceVersion"]), (meta.get("namespace", ""), meta["name"])
        table.put(Record(key, body, ownership), version)
        self.owners.noted(Place(resource, key), None, body)
        self._version = max(self._version, version)

    # Reading.

    def find(self, resource: Resource, namespace: str | None, name: str) -> Object | None:
        """An object, None if there is none."""
        record = self.table(resource).get((namespace or "", name))
        return self._handed_out(record) if record is not None else None

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """An object.

        Raises:
            RejectedError: 404, there is none.
        """
        return self._handed_out(self._record(resource, namespace, name))

    def list(self, resource: Resource, namespace: str | None, *, labels: str = "", fields: str = "") -> Objects:
        """All objects that match the selectors, in the order of their keys."""
        return [self._handed_out(record) for record in self._selected(resource, namespace, labels, fields)]

    def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> Objects:
        """The metadata alone of all objects that match."""
        return [
            record.body["metadata"] if self._reads == "shared" else self._handed_out(record)["metadata"]
            for record in self._selected(resource, namespace, labels, "")
        ]

    def list_page(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        more: str = "",
    ) -> Page:
        """A part of a list; all parts show the objects as they were when the first was asked for.

        Args:
            resource: the kind.
            namespace: None for all.
            labels: selector.
            fields: selector.
            limit: how many objects at most; 0 for all.
            more: the page before's.

        Raises:
            KubeError: 410, what the objects were is forgotten.
        """
        place = pages.read(more) if more else pages.Place(self._version, ("", ""))
        wanted = self._selection(resource, namespace, labels, fields)
        bodies = pages.bodies_at(self.table(resource), place.version)
        keys = [key for key in sorted(bodies) if key > place.after and wanted(bodies[key])]
        shown = keys[:limit] if limit else keys
        items = [self._handed_out(Record(key, bodies[key], Ownership())) for key in shown]
        rest = len(keys) - len(shown)
        if not rest:
            return Page(items, str(place.version))
        told = None if labels or fields else rest
        return Page(items, str(place.version), pages.token(place._replace(after=shown[-1])), told)

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        version: str = "",
        *,
        labels: str = "",
        fields: str = "",
        initial: bool = False,
    ) -> Watch:
        """A watch of the objects that match.

        Args:
            resource: the kind.
            namespace: None for all.
            version: after which changes are told; empty or 0: what there is comes first, as added.
            labels: selector.
            fields: selector.
            initial: with what there is first, and then a bookmark that says that this was all.

        Raises:
            KubeError: 410, what happened since is forgotten; 500, the version is no number.
        """
        wanted = self._selection(resource, namespace, labels, fields)
        return Watch(self.table(resource), lambda: self._version, wanted, version, initial=initial)

    def changed_by_readers(self) -> Sequence[str]:
        """The kinds and keys of objects that were handed out sealed and then changed."""
        return [
            f"{table.resource.kind} {'/'.join(record.key)}"
            for table in self._tables.values()
            for record in table.records()
            if record.changed_by_readers
        ]

    def compact(self, version: int | None = None) -> None:
        """Forget what happened up to a version, by default up to now: watches and lists from before get 410."""
        for table in self._tables.values():
            table.history.forget(self._version if version is None else version)

    def _handed_out(self, record: Record) -> Object:
        if self._reads == "copies":
            return record.copy()
        if self._reads == "sealed":
            record.seal()
        return record.body

    def _record(self, resource: Resource, namespace: str | None, name: str) -> Record:
        found = self.table(resource).get((namespace or "", name))
        if found is None:
            raise answers.not_found(resource, name)
        return found

    def _selected(self, resource: Resource, namespace: str | None, labels: str, fields: str) -> Iterable[Record]:
        table = self.table(resource)
        found = table.selected(namespace or "", selectors.label_selector(labels))
        if not fields:
            return found
        selector = selectors.field_selector(fields, table.traits.fields)
        return (record for record in found if selector.matches(record.body))

    def _selection(
        self, resource: Resource, namespace: str | None, labels: str, fields: str
    ) -> Callable[[Object], bool]:
        by_label = selectors.label_selector(labels)
        by_field = selectors.field_selector(fields, self.table(resource).traits.fields)

        def wanted(body: Object) -> bool:
            meta = body["metadata"]
            here = not namespace or meta["namespace"] == namespace
            return here and by_label.matches(meta.get("labels", {})) and by_field.matches(body)

        return wanted

    # Writing.

    def create(
        self,
        resource: Resource,
        namespace: str | None,
        body: Object,
        *,
        manager: str = FIELD_MANAGER,
        strict: bool = True,
        dry_run: bool = False,
    ) -> Object:
        """Create an object.

        Args:
            resource: its kind.
            namespace: None for kinds without them.
            body: the object; `metadata.generateName` will do for a name.
            manager: who does it.
            strict: refuse unknown fields instead of dropping them.
            dry_run: say what would come of it, and keep nothing.

        Raises:
            AlreadyExistsError: the name is taken.
            RejectedError: 400, it cannot be read; 422, it breaks rules of its kind.
        """
        if (body.get("metadata") or {}).get("resourceVersion"):
            raise KubeError(500, "", "resourceVersion should not be set on objects to be created")
        table = self.table(resource)
        record = self._admitted(table, incoming.taken(resource, table.traits, namespace, body, strict=strict))
        new = record.body
        live = table.get(record.key)
        if live is not None:
            leaving = "deletionTimestamp" in live.body["metadata"]
            raise answers.already_exists(resource, record.key[1], leaving=leaving)
        if dry_run:
            return record.copy()
        record.ownership = Ownership().updated(Owner(manager, "Update"), {}, new, table.traits.schema)
        return self._handed_out(self._put(table, record))

    def _admitted(self, table: Table, new: Object) -> Record:
        """The record of a new object, without a version and without owners of its fields."""
        meta, kind = new["metadata"], table.traits
        if "name" not in meta and "generateName" in meta:
            suffix = "".join(self._random.choices(_SUFFIX, k=5))
            meta["name"] = object_metadata.generated_name(meta["generateName"], suffix)
        if kind.status:
            new.pop("status", None)
        new = updates.filled(kind, new)
        if kind.generation:
            meta["generation"] = 1
        meta["creationTimestamp"] = clocks.second_stamp(self._clock())
        meta["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        incoming.check(table.resource, kind, new, None)
        return Record((meta.get("namespace", ""), meta["name"]), new, Ownership())

    def replace(
        self,
        resource: Resource,
        body: Object,
        *,
        subresource: str = "",
        manager: str = FIELD_MANAGER,
        strict: bool = False,
    ) -> Object:
        """Replace an object, or its status alone.

        Raises:
            ConflictError: the object has another version or uid than `body`.
            RejectedError: 400, 404, 422.
        """
        meta = body["metadata"]
        record = self._record(resource, meta.get("namespace"), meta["name"])
        table = self.table(resource)
        if not meta.get("resourceVersion") and not table.traits.version_optional:
            words = "0: must be specified for an update"
            cause = answers.Cause("FieldValueInvalid", "metadata.resourceVersion", words)
            raise InvalidError(resource, meta["name"], [cause])
        incoming.expect(resource, record.body, meta)
        if meta.get("uid") and meta["uid"] != record.body["metadata"]["uid"]:
            raise answers.conflict(resource, meta["name"], _precondition("UID", meta["uid"], record.body, "uid"))
        wanted = incoming.taken(resource, table.traits, meta.get("namespace"), body, strict=strict)
        return self._updated(table, record, wanted, Owner(manager, "Update", subresource))

    def merge(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Lay a JSON merge patch over an object, or over its status alone.

        Raises:
            ConflictError: the patch names another version or uid.
            RejectedError: 400, 404, 422.
        """
        record = self._record(resource, namespace, name)
        table = self.table(resource)
        meta = patch.get("metadata") or {}
        incoming.expect(resource, record.body, meta)
        if not subresource:
            incoming.expect_same(resource, record.body, meta)
        patched = merge_patched(record.body, patch)
        wanted = incoming.taken(resource, table.traits, namespace, patched, strict=False)
        return self._updated(table, record, wanted, Owner(manager, "Update", subresource))

    def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        subresource: str = "",
        manager: str = FIELD_MANAGER,
        force: bool = True,
    ) -> Object:
        """Make what `body` says of an object so, and take away what the manager no longer says.

        Raises:
            ConflictError: the object has another version or uid than `body`; or others manage fields that would change,
                unless it is forced.
            RejectedError: 400, 404, 422.
        """
        meta, table = body["metadata"], self.table(resource)
        namespace, owner = meta.get("namespace"), Owner(manager, "Apply", subresource)
        config = incoming.applied(resource, table.traits, namespace, body)
        try:
            return self._applied(table, config, meta, owner, force=force)
        except InvalidError:
            incoming.refuse_untyped(resource, table.traits, config)
            raise

    def _applied(self, table: Table, config: Object, meta: Object, owner: Owner, *, force: bool) -> Object:
        resource, section = table.resource, owner.subresource
        record = table.get((meta.get("namespace") or "", meta["name"]))
        if record is None:
            return self._applied_anew(table, config, owner, meta.get("uid", ""))
        incoming.expect(resource, record.body, meta)
        if section:
            config = {key: config[key] for key in ("apiVersion", "kind", section) if key in config}
        else:
            incoming.expect_same(resource, record.body, meta)
        wanted, ownership, lost = record.ownership.merged(record.body, config, owner, table.traits.schema)
        if lost and not force:
            raise answers.field_conflict(lost)
        return self._updated(table, record, wanted, owner, ownership)

    def _applied_anew(self, table: Table, config: Object, owner: Owner, uid: str) -> Object:
        name = config["metadata"]["name"]
        if owner.subresource:
            raise answers.not_found(table.resource, name)
        if uid:
            words = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise answers.conflict(table.resource, name, words)
        record = self._admitted(table, {**config, "metadata": dict(config["metadata"])})
        record.ownership = Ownership().applied(owner, config, table.traits.schema)
        return self._handed_out(self._put(table, record))

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: str = "",
        uid: str = "",
        version: str = "",
        grace_seconds: int | None = None,
    ) -> Object:
        """Delete an object; returns what it is then, or was in the end.

        Args:
            resource: its kind.
            namespace: None for kinds without them.
            name: its name.
            propagation: Foreground, Background or Orphan; empty for what the kind does by itself.
            uid: it must have.
            version: it must have.
            grace_seconds: how long who runs it may take; None for what it says itself.

        Raises:
            ConflictError: it has another uid or version.
            RejectedError: 404.
        """
        record = self._record(resource, namespace, name)
        table, meta = self.table(resource), record.body["metadata"]
        for field, title, wanted in (("uid", "UID", uid), ("resourceVersion", "ResourceVersion", version)):
            if wanted and meta[field] != wanted:
                raise answers.conflict(resource, name, _precondition(title, wanted, record.body, field))
        left = deletion.marked(table.traits, record.body, propagation, grace_seconds, self._clock())
        if left is None:
            return self._removed(table, record, record.body)
        if left is not record.body:
            record = self._put(table, Record(record.key, left, record.ownership))
        return self._removed(table, record, left) if updates.is_released(left) else self._handed_out(record)

    def _updated(
        self,
        table: Table,
        record: Record,
        wanted: Object,
        owner: Owner,
        ownership: Ownership | None = None,
    ) -> Object:
        """Keep what a write makes of an object, if it changes anything."""
        old, kind = record.body, table.traits
        new = updates.updated(kind, old, wanted, owner.subresource)
        if new == old:
            record.ownership = ownership or record.ownership
            return self._handed_out(record)
        incoming.check(table.resource, kind, new, old)
        settled = ownership or record.ownership.updated(owner, old, new, kind.schema)
        if updates.is_released(new):
            return self._removed(table, record, new)
        return self._handed_out(self._put(table, Record(record.key, new, settled)))

    def _put(self, table: Table, record: Record) -> Record:
        """Keep an object under the next version."""
        self._version += 1
        kept = Record(record.key, object_metadata.with_version(record.body, self._version), record.ownership)
        old = table.get(record.key)
        table.put(kept, self._version)
        self._noted(table, Change(self._version, record.key, old.body if old else None, kept.body))
        return kept

    def _removed(self, table: Table, record: Record, last: Object) -> Object:
        """Take an object away; returns what it was in the end."""
        self._version += 1
        table.remove(record, last, self._version)
        self._noted(table, Change(self._version, record.key, last, None))
        return self._handed_out(Record(record.key, last, record.ownership))

    def _noted(self, table: Table, change: Change) -> None:
        self.owners.noted(Place(table.resource, change.key), change.old, change.new)
        for listener in self._listeners:
            listener(table.resource, change)


def _precondition(title: str, wanted: str, live: Object, field: str) -> str:
    return f"Precondition failed: {title} in precondition: {wanted}, {title} in object meta: {live['metadata'][field]}"
