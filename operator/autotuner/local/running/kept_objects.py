"""An API's objects kept in a folder: each a YAML file for people to read, which a killed process leaves whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import yaml

from autotuner import yaml_text
from autotuner.kube import CONFIG_MAP, FIELD_MANAGER
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api.field_ownership import Owner, Ownership
from autotuner.memory_api.history import Change
from autotuner.memory_api.store import Store


class DamagedFolderError(Exception):
    """A file of the folder is not what was written there; the text says which, and what to do."""


class KeptObjects:
    """Writes each change of a store into a folder before whoever made it goes on.

    Args:
        folder: a folder below it for each kind.
        kinds: that may lie there.
    """

    def __init__(self, folder: Path, kinds: Iterable[Resource]) -> None:
        self._folder = folder
        self._kinds = {_name_of(kind): kind for kind in kinds}

    def load(self, store: Store) -> None:
        """Put all that is kept into an empty store, then keep what changes in it.

        Raises:
            DamagedFolderError: a file cannot be read.
        """
        for path in sorted(self._folder.glob("*/*.yaml")):
            kind = self._kinds.get(path.parent.name)
            if kind is not None:
                body = _read(path)
                store.restore(kind, body, _ownership(kind, body))
        store.compact()
        store.listen(self._changed)

    def _changed(self, resource: Resource, change: Change) -> None:
        path = self.path(resource, *change.key)
        if change.new is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, yaml_text.dump(change.new, yaml_text.BlockDumper))

    def path(self, resource: Resource, namespace: str, name: str) -> Path:
        """The file of an object."""
        return self._folder / _name_of(resource) / f"{f'{namespace}.' if namespace else ''}{name}.yaml"


def _name_of(resource: Resource) -> str:
    """The name of a kind's folder."""
    return resource.plural


def _read(path: Path) -> Object:
    try:
        body = yaml_text.read(path.read_text())
        body["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]))
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError) as problem:
        advice = "mend it, or delete the folder to begin anew"
        raise DamagedFolderError(f"{path} is not what autotuner wrote there ({problem}); {advice}") from problem
    return dict(body)


def _ownership(kind: Resource, body: Object) -> Ownership:
    """Who manages the fields: what is applied again loses what it no longer names, which only data does."""
    if kind != CONFIG_MAP:
        return Ownership()
    return Ownership().applied(Owner(FIELD_MANAGER, "Apply"), body, None)


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all, also after a power failure."""
    rough = path.with_suffix(".new")
    with rough.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    rough.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
