"""What is recognised of an engine that runs already, as far as a task for it depends on that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner import engines
from autotuner.engines import Engine, EngineVersion
from autotuner.kubernetes_object import Object
from autotuner.search.space.command_line import by_flag, flag_value
from autotuner.serving.backend import EngineTemplate

_HUB = "hf://"
_ID = re.compile(r"[\w.-]+/[\w.-]+")
# The names under which engines, and the hub's own library, look for a token of the hub.
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# What leads to the hub from where the engine is: the benchmark loads the tokenizer from there, too.
_WAYS = ("HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")
_ACCELERATORS = re.compile(
    r"(nvidia\.com|amd\.com|gpu\.intel\.com|habana\.ai)/.+|aws\.amazon\.com/neuron.*|google\.com/tpu|.*/.*gpu.*"
)


class NotRecognisedError(Exception):
    """Something of the engine cannot be told, and people have to say it; the message says what, and how."""


@dataclass(frozen=True)
class Recognised:
    """An engine that runs already.

    Attributes:
        target: apiVersion, kind, name and what else people said of it: the task's `target`.
        version: the engine and its release.
        template: its container and pod, with the command line before what can be tuned as the container's command.
        model: what is known of its model, as a model's spec.
        has_files: where its model's files lie is known, so that others can read them there.
    """

    target: Object
    version: EngineVersion
    template: EngineTemplate
    model: Mapping[str, Any]
    has_files: bool = False

    @property
    def title(self) -> str:
        """Kind and name of the object."""
        return f"{self.target['kind']} {self.target['name']}"

    @property
    def engine(self) -> Engine:
        """Its tables, of the known release nearest to its own."""
        return engines.get(self.version)

    @property
    def product(self) -> str:
        """Engine and release, for people."""
        return f"{self.engine.label} {self.version.version}".strip()

    @property
    def model_id(self) -> str:
        """The id of its model on the hub; empty if it loads it from elsewhere."""
        address = str((self.model.get("storage") or {}).get("storageUri") or "")
        return address.removeprefix(_HUB) if address.startswith(_HUB) else ""

    @property
    def model_name(self) -> str:
        """What its model is called, for people."""
        return self.model_id or str(self.model.get("displayName") or "a model that nothing names")

    def today(self, flag: str) -> str:
        """The value of a flag as it runs; empty if it is not set. The last one counts, as for its parser."""
        found = by_flag([*self.template.command, *self.template.args], self.engine).get(self.engine.canonical(flag))
        return flag_value(found[-1:] if "=" in found[-1] else found, self.engine) if found else ""

    def degree(self, flag: str) -> int:
        """A parallel degree as it runs; 1 if it is not set, or is no number."""
        text = self.today(flag)
        return max(1, int(text)) if text.isdecimal() else 1

    @property
    def accelerators(self) -> int:
        """That its arguments take."""
        return self.engine.accelerators(self.template.args, self.template.command)

    @property
    def requested(self) -> Mapping[str, int]:
        """The accelerators that its container asks for: extended resource -> how many."""
        given = self.template.container.get("resources") or {}
        asked = {**(given.get("requests") or {}), **(given.get("limits") or {})}
        return {name: int(count) for name, count in asked.items() if _ACCELERATORS.fullmatch(name) and _is_whole(count)}

    @property
    def resource(self) -> str:
        """The extended resource of its accelerators; empty if its container asks for none.

        Raises:
            NotRecognisedError: it asks for several.
        """
        found = list(self.requested)
        if len(found) > 1:
            raise NotRecognisedError(
                f"container {self.template.container['name']} asks for {' and '.join(found)}: say which of them are the"
                " engine's accelerators, with --gpu-resource"
            )
        return found[0] if found else ""

    @property
    def tokenizer_id(self) -> str:
        """The id of its tokenizer on the hub, by its own flag, its model, or the name that it serves; else empty.

        Of a model whose files can be read the name counts for nothing.
        """
        told = [self.today(flag) for flag in ("tokenizer", "tokenizer-path")]
        served = () if self.has_files else self.served_names[:1]
        return next((name for name in (*told, self.model_id, *served) if _ID.fullmatch(name)), "")

    @property
    def served_names(self) -> list[str]:
        """The names of the model in requests, as far as flags give them."""
        return self.today("served-model-name").split()

    @property
    def listed_names(self) -> list[str]:
        """The model's names in requests where the engine lists several: the model's own first, then adapters'."""
        own = self.served_names or [self.model_name]
        adapters = self.today("lora-modules") or self.today("lora-paths")
        names = [*own, *(["an adapter"] if adapters else [])]
        return names if len(names) > 1 else []

    @property
    def hub_token(self) -> Mapping[str, str] | None:
        """The key of the Secret with the token by which it loads from the hub, if a variable names one."""
        return next((found for name in _TOKENS if (found := self._secret_of(name, optional=False))), None)

    @property
    def ways_to_hub(self) -> list[Mapping[str, str]]:
        """Variables of its environment that lead to the hub, with their values."""
        return [{"name": one["name"], "value": str(one["value"])} for one in self._env if _leads(one)]

    @property
    def api_key(self) -> Mapping[str, str] | None:
        """The key of the Secret with the key that it asks of clients; None if it asks for none.

        Raises:
            NotRecognisedError: it asks for one that stands in no Secret.
        """
        variable = self.engine.start.key_variable
        if found := self._secret_of(variable):
            return found
        given = self.today("api-key")
        reference = re.fullmatch(r"\$\(([^()]+)\)", given)
        if reference and (found := self._secret_of(reference[1])):
            return found
        if given or any(one["name"] == variable for one in self._env):
            raise NotRecognisedError(
                f"{self.title} asks clients for a key that stands in no Secret: put it into one, and name it with"
                " --api-key-secret NAME/KEY"
            )
        return None

    @property
    def startup_seconds(self) -> int:
        """How long its own startup probe lets it start, in seconds; 0 if it has none."""
        probe = self.template.container.get("startupProbe")
        if not probe:
            return 0
        tries = int(probe.get("failureThreshold", 3)) * int(probe.get("periodSeconds", 10))
        return int(probe.get("initialDelaySeconds", 0)) + tries

    @property
    def _env(self) -> Sequence[Mapping[str, Any]]:
        return self.template.container.get("env") or ()

    def _secret_of(self, variable: str, *, optional: bool = True) -> Mapping[str, str] | None:
        """The key of the Secret that a variable comes from; None if it does not, or need not be there."""
        for one in self._env:
            found = (one.get("valueFrom") or {}).get("secretKeyRef")
            if one["name"] == variable and found and (optional or not found.get("optional")):
                return {"name": found["name"], "key": found["key"]}
        return None


def _leads(variable: Mapping[str, Any]) -> bool:
    return variable["name"] in _WAYS and bool(variable.get("value"))


def _is_whole(count: Any) -> bool:
    return str(count).isdecimal() and int(count) > 0
