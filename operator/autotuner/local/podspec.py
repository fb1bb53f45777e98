"""Pure rules that turn a pod's specification into what a local process needs: variables, arguments, paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autotuner.kubernetes_object import Object

Source = tuple[str, str]  # ("ConfigMap" | "Secret", name)

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
TERMINATION_LOG = "/dev/termination-log"


class ConfigError(Exception):
    """A container cannot be made from its specification (waiting reason CreateContainerConfigError)."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces $(NAME) where NAME is known and $$ by $, as Kubernetes does; leaves everything else alone."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def localize(text: str, paths: Mapping[str, str]) -> str:
    """Replaces paths inside the container by paths of this machine, wherever they stand in a text as whole paths."""
    if not paths:
        return text
    longest_first = sorted(paths, key=len, reverse=True)
    anywhere = "|".join(re.escape(path) for path in longest_first)
    return re.sub(rf"(?<![\w./-])({anywhere})(?![\w.-])", lambda match: paths[match[1]], text)


def field(pod: Object, path: str, pod_address: str) -> str:
    """Resolves a fieldRef; an address is that on which the process can listen.

    Raises:
        ConfigError: a field that pods do not have.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if subscript := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs: dict[str, str] = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_address,
        "status.podIPs": pod_address,
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }
    if path not in values:
        raise ConfigError(f"fieldRef {path}: unsupported field")
    return str(values[path])


def sources(container: Object) -> set[Source]:
    """Lists the ConfigMaps and Secrets that a container's environment is made of."""
    found: set[Source] = set()
    for entry in container.get("envFrom") or []:
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in entry:
                found.add((kind, entry[key]["name"]))
    for entry in container.get("env") or []:
        origin = entry.get("valueFrom") or {}
        for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            if key in origin:
                found.add((kind, origin[key]["name"]))
    return found


def _lookup(kind: str, reference: Object, data: Mapping[Source, Mapping[str, str] | None]) -> Mapping[str, str]:
    values = data.get((kind, reference["name"]))
    if values is None and not reference.get("optional"):
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    return values or {}


def _value_from(
    pod: Object, origin: Object, pod_address: str, data: Mapping[Source, Mapping[str, str] | None]
) -> str | None:
    if "fieldRef" in origin:
        return field(pod, origin["fieldRef"]["fieldPath"], pod_address)
    for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if key in origin:
            reference = origin[key]
            values = _lookup(kind, reference, data)
            if reference["key"] not in values and not reference.get("optional"):
                where = f"{pod['metadata']['namespace']}/{reference['name']}"
                raise ConfigError(f"couldn't find key {reference['key']} in {kind} {where}")
            return values.get(reference["key"])
    raise ConfigError(f"unsupported env source {', '.join(origin)}")


def environment(
    pod: Object,
    container: Object,
    base: Mapping[str, str],
    pod_address: str,
    data: Mapping[Source, Mapping[str, str] | None],
) -> dict[str, str]:
    """Builds a container's variables over `base`: envFrom first, then env in order, each seeing those before it.

    Args:
        pod: the pod object.
        container: its container.
        base: what the image and the node provide.
        pod_address: the value of status.podIP for the process.
        data: the decoded ConfigMaps and Secrets of `sources`, None where one does not exist.

    Raises:
        ConfigError: a source or a key that must exist does not.
    """
    result = dict(base)
    for entry in container.get("envFrom") or []:
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in entry:
                prefix = entry.get("prefix", "")
                result |= {prefix + name: value for name, value in _lookup(kind, entry[key], data).items()}
    for entry in container.get("env") or []:
        if entry.get("valueFrom"):
            value = _value_from(pod, entry["valueFrom"], pod_address, data)
        else:
            value = expand(entry.get("value") or "", result)
        if value is not None:
            result[entry["name"]] = value
    return result


def command_line(container: Object, variables: Mapping[str, str], paths: Mapping[str, str]) -> list[str]:
    """Returns the argument vector of a container: command and args, expanded, with local paths.

    Raises:
        ConfigError: neither is given (the environments that stand for images have no entry point).
    """
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if not words:
        raise ConfigError("no command specified")
    return [localize(expand(word, variables), paths) for word in words]


def mount_paths(container: Object, volumes: Mapping[str, str], termination_log: str) -> dict[str, str]:
    """Maps the container's mount paths, and the path of its termination message, to paths of this machine."""
    paths = {}
    for mount in container.get("volumeMounts") or []:
        inside = mount["mountPath"].rstrip("/")
        if inside and mount["name"] in volumes:
            below = mount.get("subPath", "").strip("/")
            paths[inside] = volumes[mount["name"]] + (f"/{below}" if below else "")
    paths[container.get("terminationMessagePath") or TERMINATION_LOG] = termination_log
    return paths


def wants_restart(policy: str, exit_code: int) -> bool:
    """Says whether a pod's restartPolicy restarts a container that ended with this code."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


@dataclass(frozen=True)
class Probe:
    """A probe with Kubernetes' defaults filled in; times in seconds."""

    action: Object
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int
    grace: float | None

    @classmethod
    def of(cls, container: Object, name: str) -> Probe | None:
        """Reads `startupProbe`, `readinessProbe` or `livenessProbe` of a container, named ports resolved."""
        spec = container.get(name)
        if not spec:
            return None
        action = {key: dict(spec[key]) for key in ("httpGet", "tcpSocket", "exec", "grpc") if key in spec}
        for details in action.values():
            if "port" in details:
                details["port"] = port_number(container, details["port"])
        grace = spec.get("terminationGracePeriodSeconds")
        return cls(
            action,
            spec.get("initialDelaySeconds") or 0,
            spec.get("periodSeconds") or 10,
            spec.get("timeoutSeconds") or 1,
            spec.get("successThreshold") or 1,
            spec.get("failureThreshold") or 3,
            None if grace is None else float(grace),
        )


def port_number(container: Object, port: int | str) -> int:
    """Resolves a port's number or name within a container; 0 (which no probe can reach) for an unknown name."""
    if isinstance(port, int):
        return port
    named = (entry["containerPort"] for entry in container.get("ports") or [] if entry.get("name") == port)
    return int(port) if port.isdecimal() else int(next(named, 0))


def termination_message(policy: str | None, exit_code: int, written: bytes, log_tail: bytes) -> str:
    """Chooses a container's termination message with the kubelet's limits.

    The last 4096 bytes of the file; where it is empty, the container failed and the policy is FallbackToLogsOnError,
    the last 80 lines of the log, at most 2048 bytes. (kubelet: kuberuntime_container.go, getTerminationMessage.)
    """
    chosen = written[-4096:]
    if not chosen and exit_code != 0 and policy == "FallbackToLogsOnError":
        chosen = b"".join(log_tail[-2048:].splitlines(keepends=True)[-80:])
    return chosen.decode(errors="replace")


def select_keys(data: Mapping[str, bytes], items: Iterable[Object] | None) -> dict[str, bytes]:
    """Applies a volume's `items`: path -> value; all keys where there are none.

    Raises:
        ConfigError: an item names a key that is not there.
    """
    if not items:
        return dict(data)
    chosen = {}
    for item in items:
        if item["key"] not in data:
            raise ConfigError(f"references non-existent config key: {item['key']}")
        chosen[item["path"]] = data[item["key"]]
    return chosen
