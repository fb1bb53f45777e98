"""The rules for turning pods into processes."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.local import podspec
from autotuner.local.podspec import ConfigError

POD: dict[str, Any] = {
    "metadata": {"name": "web-0", "namespace": "team", "uid": "u-1", "labels": {"app": "web"}, "annotations": {}},
    "spec": {"nodeName": "node-a", "containers": []},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(NAME)", "value"),
        ("--a=$(NAME)/$(NAME)", "--a=value/value"),
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$value"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$(NAME", "$(NAME"),
        ("$NAME ${NAME} $", "$NAME ${NAME} $"),
        ("cost: 5$$", "cost: 5$"),
    ],
)
def test_references_expand_as_kubernetes_does(text: str, expected: str) -> None:
    assert podspec.expand(text, {"NAME": "value"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/local/data"),
        ("/data/file", "/local/data/file"),
        ("--path=/data/file", "--path=/local/data/file"),
        ("cat '/data/a' \"/data\"; ls /data", "cat '/local/data/a' \"/local/data\"; ls /local/data"),
        ("/data/sub/x:/data/y", "/local/sub/x:/local/data/y"),
        ("/database /data-2 /data.txt", "/database /data-2 /data.txt"),
        ("/mnt/data http://host/data relative/data", "/mnt/data http://host/data relative/data"),
    ],
)
def test_mount_paths_become_local_where_they_are_whole_paths(text: str, expected: str) -> None:
    assert podspec.localize(text, {"/data": "/local/data", "/data/sub": "/local/sub"}) == expected


def test_a_text_is_left_alone_without_mounts() -> None:
    assert podspec.localize("/data", {}) == "/data"


def test_mounts_and_the_termination_log_have_local_paths() -> None:
    mounts = [
        {"name": "a", "mountPath": "/data/"},
        {"name": "a", "mountPath": "/part", "subPath": "x/y"},
        {"name": "gone", "mountPath": "/gone"},
    ]
    paths = podspec.mount_paths({"volumeMounts": mounts}, {"a": "/pod/a"}, "/pod/end")
    assert paths == {"/data": "/pod/a", "/part": "/pod/a/x/y", "/dev/termination-log": "/pod/end"}
    own = podspec.mount_paths({"terminationMessagePath": "/run/why"}, {}, "/pod/end")
    assert own == {"/run/why": "/pod/end"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web-0"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.labels", 'app="web"'),
        ("spec.nodeName", "node-a"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.244.1.9"),
    ],
)
def test_fields_of_the_pod(path: str, expected: str) -> None:
    assert podspec.field(POD, path, "127.244.1.9") == expected


def test_an_unknown_field_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"status\.nonsense"):
        podspec.field(POD, "status.nonsense", "")


def environment(
    env: list[dict[str, Any]], data: dict[podspec.Source, dict[str, str] | None] | None = None
) -> dict[str, str]:
    return podspec.environment(POD, {"env": env}, {"BASE": "b"}, "127.244.1.9", data or {})


def test_a_variable_sees_only_those_before_it() -> None:
    found = environment([{"name": "A", "value": "$(BASE)$(B)"}, {"name": "B", "value": "$(A)!"}])
    assert found == {"BASE": "b", "A": "b$(B)", "B": "b$(B)!"}


def key_ref(kind: str, name: str, key: str, **more: bool) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": key, **more}}}


def test_variables_come_from_keys() -> None:
    data: dict[podspec.Source, dict[str, str] | None] = {("ConfigMap", "n"): {"k": "c"}, ("Secret", "n"): {"k": "s"}}
    assert environment([key_ref("configMapKeyRef", "n", "k")], data)["V"] == "c"
    assert environment([key_ref("secretKeyRef", "n", "k")], data)["V"] == "s"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({("Secret", "n"): None}, 'secret "n" not found'),
        ({("Secret", "n"): {}}, "couldn't find key k in Secret team/n"),
    ],
)
def test_a_missing_source_is_an_error_unless_optional(data: dict[podspec.Source, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        environment([key_ref("secretKeyRef", "n", "k")], data)
    assert "V" not in environment([key_ref("secretKeyRef", "n", "k", optional=True)], data)


def test_whole_sources_come_first_and_may_have_a_prefix() -> None:
    container = {
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "n"}}],
        "env": [{"name": "A", "value": "$(P_k)"}],
    }
    assert podspec.sources(container) == {("ConfigMap", "n")}
    found = podspec.environment(POD, container, {}, "", {("ConfigMap", "n"): {"k": "v"}})
    assert found == {"P_k": "v", "A": "v"}


def test_command_and_args_are_expanded_and_localized() -> None:
    container = {"command": ["run", "--model=/mnt/models"], "args": ["--host", "$(POD_IP)"]}
    words = podspec.command_line(container, {"POD_IP": "127.244.1.9"}, {"/mnt/models": "/models"})
    assert words == ["run", "--model=/models", "--host", "127.244.1.9"]


def test_no_command_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no command specified"):
        podspec.command_line({}, {}, {})


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_restart_policies(policy: str, code: int, expected: bool) -> None:
    assert podspec.wants_restart(policy, code) is expected


def test_probes_have_kubernetes_defaults_and_named_ports() -> None:
    container = {
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "failureThreshold": 5},
    }
    probe = podspec.Probe.of(container, "readinessProbe")
    assert probe is not None
    assert probe.action == {"httpGet": {"path": "/health", "port": 8000}}
    assert (probe.initial_delay, probe.period, probe.timeout, probe.successes, probe.failures) == (0, 10, 1, 1, 5)
    assert podspec.Probe.of(container, "livenessProbe") is None


@pytest.mark.parametrize(
    ("policy", "code", "written", "log", "expected"),
    [
        (None, 1, b"said", b"log", "said"),
        (None, 1, b"", b"log", ""),
        ("FallbackToLogsOnError", 1, b"", b"log", "log"),
        ("FallbackToLogsOnError", 1, b"said", b"log", "said"),
        ("FallbackToLogsOnError", 0, b"", b"log", ""),
        (None, 0, b"a" * 5000 + b"z", b"", "a" * 4095 + "z"),
        ("FallbackToLogsOnError", 1, b"", b"x\n" * 100, "x\n" * 80),
        ("FallbackToLogsOnError", 1, b"", b"y" * 3000, "y" * 2048),
        (None, 1, b"\xff", b"", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_termination_messages(policy: str | None, code: int, written: bytes, log: bytes, expected: str) -> None:
    assert podspec.termination_message(policy, code, written, log) == expected


def test_items_choose_and_rename_keys() -> None:
    data = {"a": b"1", "b": b"2"}
    assert podspec.select_keys(data, None) == data
    assert podspec.select_keys(data, [{"key": "a", "path": "x/y"}]) == {"x/y": b"1"}
    with pytest.raises(ConfigError, match="none"):
        podspec.select_keys(data, [{"key": "none", "path": "x"}])
