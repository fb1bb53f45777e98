"""The presets that tasks can choose from: those shipped, a folder's, and those of labelled ConfigMaps."""

from __future__ import annotations

import logging
from collections.abc import Callable

from autotuner import presets
from autotuner.controllers import monotonic_clock
from autotuner.kube import CONFIG_MAP, Kube
from autotuner.presets import Presets
from autotuner.settings import Settings

log = logging.getLogger(__name__)

_SECONDS = 10.0  # presets change seldom, and a task that waits for one looks again


def shipped(settings: Settings) -> Presets:
    """The presets of the package, overlaid with those of the folder that the settings name.

    Raises:
        ValueError: a file is not a preset; the message names it.
        FileNotFoundError: there is no such folder.
    """
    known = presets.load(presets.default_folder()).rooted(settings.model_root)
    return known.under(presets.load(settings.presets, known)) if settings.presets else known


class Catalogue:
    """Reads presets from the labelled ConfigMaps of the operator's own namespace, now and then."""

    def __init__(
        self, kube: Kube, settings: Settings, known: Presets, now: Callable[[], float] = monotonic_clock.seconds
    ) -> None:
        self._kube, self._home, self._shipped, self._now = kube, settings.home, known, now
        self._current, self._read, self._told = known, -_SECONDS, frozenset[str]()

    async def presets(self) -> Presets:
        """All presets there are; a ConfigMap that is broken is told in the log, and left out."""
        if self._home and self._now() - self._read >= _SECONDS:
            self._current, self._read = await self._all(), self._now()
        return self._current

    async def _all(self) -> Presets:
        current, broken = self._shipped, set()
        found = await self._kube.list(CONFIG_MAP, self._home, labels=f"{presets.LABEL}=true")
        for body in sorted(found, key=lambda body: str(body["metadata"]["name"])):
            try:
                current = current.under(presets.from_config_map(body, current))
            except ValueError as problem:
                broken.add(str(problem))
        for message in sorted(broken - self._told):
            log.warning("presets are left out: %s", message)
        self._told = frozenset(broken)
        return current
