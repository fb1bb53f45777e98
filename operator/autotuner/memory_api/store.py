"""The objects of an API server within this process: what each request does to them. Nothing here waits for anything."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from autotuner.kube import FIELD_MANAGER
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import answers, garbage, object_metadata, selectors
from autotuner.memory_api.answers import InvalidError
from autotuner.memory_api.field_ownership import Owner, Ownership
from autotuner.memory_api.history import Change, Key
from autotuner.memory_api.json_values import copied, merge_patched
from autotuner.memory_api.kinds import Traits, traits
from autotuner.memory_api.table import Record, Table
from autotuner.memory_api.watch import Watch

Objects = list[Object]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # what the API server takes for generated names
_GRACE_SECONDS = 30
_ENDED = ("Succeeded", "Failed")


class Page(NamedTuple):
    """A part of a list: its objects, the version of the whole, and what to ask for next; empty at the end."""

    items: list[Object]
    version: str
    more: str
    remaining: int | None


class Store:
    """What an API server keeps.

    Objects that are handed out belong to the caller, unless they are `shared`: then they are the very ones that are
    kept, which costs nothing, and nobody may change them; `changed_by_readers` tells who did.

    Args:
        clock: the time for timestamps.
        seed: of the uids and generated names: the same requests get the same ones.
        shared: whether to hand out the objects themselves.
        remembered: how many changes of each kind watches can go back.
    """

    def __init__(
        self, clock: Callable[[], datetime], *, seed: int = 0, shared: bool = False, remembered: int = 10_000
    ) -> None:
        self._clock, self._shared, self._remembered = clock, shared, remembered
        self._random = random.Random(seed)
        self._version = 1
        self._tables: dict[Resource, Table] = {}
        self._listeners: list[Callable[[Resource, Change], None]] = []
        self.owners = garbage.Owners()

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
        found = self._selected(resource, namespace, labels, "")
        return [record.body["metadata"] if self._shared else copied(record.body["metadata"]) for record in found]

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
        version, after = _read_token(more) if more else (self._version, None)
        wanted = self._selection(resource, labels, fields)
        bodies = self._bodies_at(resource, version)
        keys = [
            key
            for key in sorted(bodies)
            if (not namespace or key[0] == namespace) and (after is None or key > after) and wanted(bodies[key])
        ]
        shown = keys[:limit] if limit else keys
        rest = len(keys) - len(shown)
        items = [bodies[key] if self._shared else copied(bodies[key]) for key in shown]
        known = rest if rest and not labels and not fields else None
        return Page(items, str(version), _token(version, shown[-1]) if rest else "", known)

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
            KubeError: 410, what happened since is forgotten; 504, the version is in the future.
        """
        return Watch(self, resource, namespace or "", version, self._selection(resource, labels, fields), initial)

    def changed_by_readers(self) -> Sequence[str]:
        """The kinds and names of objects that were handed out shared and then changed."""
        return [
            f"{table.resource.kind} {record.key[0]}/{record.key[1]}"
            for table in self._tables.values()
            for record in table.selected("", selectors.label_selector(""))
            if record.changed_by_readers
        ]

    def compact(self, version: int | None = None) -> None:
        """Forget what happened up to a version, by default up to now: watches and lists from before get 410."""
        for table in self._tables.values():
            table.history.forget(self._version if version is None else version)

    def _handed_out(self, record: Record) -> Object:
        if self._shared:
            record.seal()
            return record.body
        return record.copy()

    def _record(self, resource: Resource, namespace: str | None, name: str) -> Record:
        found = self.table(resource).get((namespace or "", name))
        if found is None:
            raise answers.not_found(resource, name)
        return found

    def _selected(self, resource: Resource, namespace: str | None, labels: str, fields: str) -> Iterator[Record]:
        table = self.table(resource)
        found = table.selected(namespace or "", selectors.label_selector(labels))
        if not fields:
            return found
        selector = selectors.field_selector(fields, table.traits.fields)
        return (record for record in found if selector.matches(record.body))

    def _selection(self, resource: Resource, labels: str, fields: str) -> Callable[[Object], bool]:
        by_label = selectors.label_selector(labels)
        by_field = selectors.field_selector(fields, self.table(resource).traits.fields)
        return lambda body: by_label.matches(body["metadata"].get("labels", {})) and by_field.matches(body)

    def _bodies_at(self, resource: Resource, version: int) -> dict[Key, Object]:
        """The objects of a kind as they were at a version, by key."""
        table = self.table(resource)
        bodies = {record.key: record.body for record in table.selected("", selectors.label_selector(""))}
        for change in reversed(table.history.since(version)):
            if change.old is None:
                del bodies[change.key]
            else:
                bodies[change.key] = change.old
        return bodies

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
        record = self._admitted(resource, namespace, body, strict=strict)
        new = record.body
        table = self.table(resource)
        live = table.get(record.key)
        if live is not None:
            leaving = "deletionTimestamp" in live.body["metadata"]
            raise answers.already_exists(resource, record.key[1], leaving=leaving)
        if dry_run:
            return record.copy()
        record.ownership = Ownership().updated(Owner(manager, "Update"), {}, new, table.traits.schema)
        return self._handed_out(self._put(table, record))

    def _admitted(self, resource: Resource, namespace: str | None, body: Object, *, strict: bool) -> Record:
        """The record of a new object, without a version and without owners of its fields."""
        table = self.table(resource)
        if body.get("metadata", {}).get("resourceVersion"):
            raise answers.bad_request("resourceVersion should not be set on objects to be created")
        new = self._taken(table, namespace, body, strict=strict)
        meta = new["metadata"]
        if "name" not in meta and "generateName" in meta:
            meta["name"] = meta["generateName"][:58] + "".join(self._random.choices(_SUFFIX, k=5))
        if "name" not in meta:
            cause = answers.Cause("FieldValueRequired", "metadata.name", "name or generateName is required")
            raise InvalidError(resource, "", [cause])
        if table.traits.status:
            new.pop("status", None)
        if table.traits.generation:
            meta["generation"] = 1
        meta["creationTimestamp"] = self._stamp(0)
        meta["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self._check(table, new, None)
        return Record((namespace or "", meta["name"]), new, Ownership())

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
        self._expect(table, record, meta)
        new = self._taken(table, meta.get("namespace"), body, strict=strict)
        return self._updated(table, record, new, subresource, Owner(manager, "Update", subresource))

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
        self._expect(table, record, patch.get("metadata") or {})
        new = self._taken(table, namespace, merge_patched(record.body, patch), strict=False)
        return self._updated(table, record, new, subresource, Owner(manager, "Update", subresource))

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
        record = table.get((namespace or "", meta["name"]))
        if record is None:
            return self._applied_anew(table, namespace, body, owner)
        self._expect(table, record, meta)
        config = self._taken(table, namespace, body, strict=True, defaults=False)
        config = _section(config, subresource)
        new, ownership = self._merged(table, record, config, owner, force=force)
        return self._updated(table, record, new, subresource, owner, ownership)

    def _applied_anew(self, table: Table, namespace: str | None, body: Object, owner: Owner) -> Object:
        if owner.subresource:
            raise answers.not_found(table.resource, body["metadata"]["name"])
        record = self._admitted(table.resource, namespace, body, strict=True)
        config = self._taken(table, namespace, body, strict=True, defaults=False)
        record.ownership = Ownership().applied(owner, config, table.traits.schema)
        return self._handed_out(self._put(table, record))

    def _merged(
        self, table: Table, record: Record, config: Object, owner: Owner, *, force: bool
    ) -> tuple[Object, Ownership]:
        schema = table.traits.schema
        whole = [key for key in config if key not in ("apiVersion", "kind", "metadata")]
        if owner.subresource and record.ownership.alone(owner, whole) and not _has_defaults(schema, whole):
            rest = {key: value for key, value in record.body.items() if key != owner.subresource}
            return {**rest, **{key: config[key] for key in whole}}, record.ownership.applied(owner, config, schema)
        new, ownership, lost = record.ownership.merged(record.body, config, owner, schema)
        if lost and not force:
            told = ", ".join(f'conflict with "{other}": {_written(path)}' for other, path in lost)
            raise answers.field_conflict(len(lost), told)
        return new, ownership

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
        for field, wanted in (("uid", uid), ("resourceVersion", version)):
            if wanted and meta[field] != wanted:
                title = "UID" if field == "uid" else "ResourceVersion"
                words = f"{title} in precondition: {wanted}, {title} in object meta: {meta[field]}"
                raise answers.conflict(resource, name, f"Precondition failed: {words}")
        finalizers = garbage.finalizers_of_deletion(
            meta.get("finalizers", []), propagation, table.traits.default_propagation
        )
        grace = _grace(table.traits, record.body, grace_seconds)
        if not finalizers and not grace:
            return self._removed(table, record, record.body)
        new_meta = _with_finalizers(meta, finalizers)
        pending = meta.get("deletionGracePeriodSeconds")
        if pending is None or grace < pending:
            new_meta |= {"deletionTimestamp": self._stamp(grace), "deletionGracePeriodSeconds": grace}
            if pending is None and "generation" in meta:
                new_meta["generation"] = meta["generation"] + 1
        if new_meta == meta:
            return self._handed_out(record)
        leaving = Record(record.key, {**record.body, "metadata": new_meta}, record.ownership)
        return self._handed_out(self._put(table, leaving))

    def collect_garbage(self) -> int:
        """Do what the garbage collector would do now; returns how many objects it wrote or deleted."""
        return garbage.collect(self, self.owners)

    # How all writes end.

    def _taken(
        self, table: Table, namespace: str | None, body: Object, *, strict: bool, defaults: bool = True
    ) -> Object:
        """An object of a request as it is kept, but for what the server writes."""
        resource, schema, unknown = table.resource, table.traits.schema, list[str]()
        self._check_identity(table, namespace, body)
        metadata = object_metadata.taken(body.get("metadata") or {}, unknown)
        unknown = [f".metadata{path}" for path in unknown]
        rest = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
        taken = schema.taken(rest, unknown, defaults=defaults) if schema is not None else copied(rest)
        if strict and unknown:
            told = ", ".join(f'unknown field "{path.removeprefix(".")}"' for path in unknown)
            raise answers.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
                f" strict decoding error: {told}"
            )
        if resource.namespaced:
            metadata["namespace"] = namespace
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **taken}

    @staticmethod
    def _check_identity(table: Table, namespace: str | None, body: Object) -> None:
        resource = table.resource
        kind, version = body.get("kind", ""), body.get("apiVersion", "")
        if table.traits.schema is not None and not kind:
            raise answers.bad_request(f"Object 'Kind' is missing in '{json.dumps(body)[:200]}'")
        if kind not in ("", resource.kind) or version not in ("", resource.api_version):
            words = f"the API version in the data ({version}) and the kind ({kind}) do not match the expected ones"
            raise answers.bad_request(f"{words} ({resource.api_version}, {resource.kind})")
        if resource.namespaced and not namespace:
            raise answers.bad_request(f"a namespace is wanted for {resource.plural}")
        there = (body.get("metadata") or {}).get("namespace") or namespace
        if there != namespace:
            words = "the namespace of the provided object does not match the namespace sent on the request"
            raise answers.bad_request(words)

    @staticmethod
    def _expect(table: Table, record: Record, meta: Object) -> None:
        """Refuse a request that was made for another object, or for what this one no longer is."""
        live = record.body["metadata"]
        if meta.get("uid") and meta["uid"] != live["uid"]:
            words = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {live['uid']}"
            raise answers.conflict(table.resource, live["name"], words)
        if meta.get("resourceVersion") and meta["resourceVersion"] != live["resourceVersion"]:
            raise answers.modified(table.resource, live["name"])

    def _updated(
        self,
        table: Table,
        record: Record,
        new: Object,
        subresource: str,
        owner: Owner,
        ownership: Ownership | None = None,
    ) -> Object:
        """Keep what a write makes of an object, if it changes anything."""
        old, kind = record.body, table.traits
        if subresource:
            new = {**{key: value for key, value in old.items() if key != subresource}, **_only(new, subresource)}
        else:
            new = {**(_with_status_of(new, old) if kind.status else new), "metadata": _system_fields(new, old)}
        _share_what_is_equal(new, old)
        if kind.generation and not subresource and _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"]["generation"] + 1
        if new == old:
            if ownership is not None:
                record.ownership = ownership
            return self._handed_out(record)
        self._check(table, new, old)
        schema = kind.schema
        settled = ownership if ownership is not None else record.ownership.updated(owner, old, new, schema)
        meta = new["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not meta["deletionGracePeriodSeconds"]:
            return self._removed(table, record, new)
        return self._handed_out(self._put(table, Record(record.key, new, settled)))

    def _check(self, table: Table, new: Object, old: Object | None) -> None:
        """Refuse what breaks the rules of the kind."""
        name, schema = new["metadata"]["name"], table.traits.schema
        causes = list(object_metadata.faults(new["metadata"], old["metadata"] if old else None))
        if schema is not None:
            faults = list(schema.faults(new, old, ""))
            causes += faults or schema.broken_rules(new, old, "")
        if causes:
            raise InvalidError(table.resource, name, causes)

    def _put(self, table: Table, record: Record) -> Record:
        self._version += 1
        body = record.body
        if body["metadata"].get("resourceVersion") != str(self._version):
            record = Record(
                record.key,
                {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}},
                record.ownership,
            )
        old = table.get(record.key)
        table.put(record, self._version)
        self.owners.noted(table.resource, record.key, old.body if old else None, record.body)
        self._tell(table, Change(self._version, record.key, old.body if old else None, record.body))
        return record

    def _removed(self, table: Table, record: Record, last: Object) -> Object:
        self._version += 1
        table.remove(record, last, self._version)
        self.owners.noted(table.resource, record.key, record.body, None)
        self._tell(table, Change(self._version, record.key, last, None))
        return last if self._shared else Record(record.key, last, record.ownership).copy()

    def _tell(self, table: Table, change: Change) -> None:
        for listener in self._listeners:
            listener(table.resource, change)

    def _stamp(self, seconds: int) -> str:
        return (self._clock() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _grace(kind: Traits, body: Object, seconds: int | None) -> int:
    """How long a deletion waits for whoever runs the object: only for a pod that has a node and has not ended."""
    spec = body.get("spec") or {}
    if not kind.graceful or not spec.get("nodeName") or (body.get("status") or {}).get("phase") in _ENDED:
        return 0
    if seconds is not None:
        return seconds
    own = spec.get("terminationGracePeriodSeconds")
    return _GRACE_SECONDS if own is None else int(own)


def _with_finalizers(meta: Object, finalizers: list[str]) -> Object:
    rest = {key: value for key, value in meta.items() if key != "finalizers"}
    return {**rest, "finalizers": finalizers} if finalizers else rest


def _system_fields(new: Object, old: Object) -> Object:
    """The new metadata with what the server alone writes taken from the old."""
    before = old["metadata"]
    return {**new["metadata"], **{key: before[key] for key in object_metadata.OWN_FIELDS if key in before}}


def _with_status_of(new: Object, old: Object) -> Object:
    rest = {key: value for key, value in new.items() if key != "status"}
    return {**rest, "status": old["status"]} if "status" in old else rest


def _only(body: Object, key: str) -> Object:
    return {key: body[key]} if key in body else {}


def _section(config: Object, subresource: str) -> Object:
    """What of an applied object counts for a subresource."""
    if not subresource:
        return config
    return {key: config[key] for key in ("apiVersion", "kind", "metadata", subresource) if key in config}


def _content(body: Object) -> Object:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def _share_what_is_equal(new: Object, old: Object) -> None:
    """Let the new object have the very sections of the old one that did not change: they are never looked at again."""
    for key, value in old.items():
        if key in new and new[key] is not value and new[key] == value:
            new[key] = value


def _has_defaults(schema: Any, sections: Iterable[str]) -> bool:
    return schema is not None and any(part.has_defaults for part in map(schema.property, sections) if part is not None)


def _written(path: tuple[Any, ...]) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)


def _token(version: int, key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *key]).encode()).decode()


def _read_token(text: str) -> tuple[int, Key]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(text))
    except ValueError:
        raise answers.bad_request("continue key is not valid") from None
    return version, (namespace, name)
