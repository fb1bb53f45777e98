"""The operator's settings, its clock, and how it addresses the API server."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from autotuner import api_server, clock, kube
from autotuner.api.task_defaults import TaskDefaults
from autotuner.kube import AlreadyExistsError, ConflictError, KubeError, RejectedError
from autotuner.kubernetes_object import Resource
from autotuner.settings import Settings, from_environment
from tests.unit.builders import after, at


class TestSettings:
    def test_nothing_set_is_the_default(self) -> None:
        nothing = from_environment({})

        assert nothing == Settings(identity=nothing.identity)
        assert nothing.identity.endswith(f"-{os.getpid()}")

    def test_each_variable_is_read(self) -> None:
        settings = from_environment(
            {
                "AUTOTUNER_NAMESPACES": "team-a, team-b,",
                "AUTOTUNER_BENCHMARK_IMAGE": "my/image:1",
                "AUTOTUNER_PRESETS": "/presets",
                "AUTOTUNER_BACKENDS": "ome, lws",
                "AUTOTUNER_CLUSTER_OBJECTS": "false",
                "AUTOTUNER_KEEP_REPORTS": "false",
                "AUTOTUNER_HUB_ENDPOINT": "http://hub",
                "AUTOTUNER_TASK_DEFAULTS": '{"placement": {"labels": {"team": "ml"}}}',
                "AUTOTUNER_SERVING_SECONDS": "5",
                "AUTOTUNER_RESYNC_SECONDS": "0.5",
                "AUTOTUNER_COMPARISON_SECONDS": "0.25",
                "AUTOTUNER_WORKERS": "3",
                "AUTOTUNER_MAX_GPUS": "16",
                "AUTOTUNER_MAX_EXPERIMENTS": "5",
                "AUTOTUNER_LOG_FORMAT": "text",
                "AUTOTUNER_METRICS_PORT": "8080",
                "AUTOTUNER_HEALTH_PORT": "8081",
                "AUTOTUNER_ADDRESS": "10.0.0.7",
                "AUTOTUNER_LEADER_ELECTION": "true",
                "POD_NAME": "operator-0",
                "POD_NAMESPACE": "home",
            }
        )

        assert settings == Settings(
            namespaces=("team-a", "team-b"),
            benchmark_image="my/image:1",
            presets=Path("/presets"),
            backends=("ome", "lws"),
            cluster_objects=False,
            keep_reports=False,
            hub_endpoint="http://hub",
            task_defaults=TaskDefaults.model_validate({"placement": {"labels": {"team": "ml"}}}),
            serving_seconds=5,
            resync_seconds=0.5,
            comparison_seconds=0.25,
            workers=3,
            max_gpus=16,
            max_experiments=5,
            log_format="text",
            metrics_port=8080,
            health_port=8081,
            address="10.0.0.7",
            leader_election=True,
            identity="operator-0",
            home="home",
        )

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("TASK_DEFAULTS", "{", "taskDefaults: Invalid JSON: EOF while parsing an object at line 1 column 1"),
            (
                "TASK_DEFAULTS",
                '{"benchmark": {"pod": {"securityContext": "Open"}}}',
                "taskDefaults.benchmark.pod.securityContext: Input should be 'Restricted' or 'Platform'",
            ),
            ("TASK_DEFAULTS", '{"search": {}}', "taskDefaults.search: Extra inputs are not permitted"),
            ("RESYNC_SECONDS", "soon", "'soon' is not a number above 0"),
            ("RESYNC_SECONDS", "0", "'0' is not a number above 0"),
            ("RESYNC_SECONDS", "nan", "'nan' is not a number above 0"),
            ("RESYNC_SECONDS", "inf", "'inf' is not a number above 0"),
            ("SERVING_SECONDS", "-1", "'-1' is not a whole number above 0"),
            ("SERVING_SECONDS", "1.5", "'1.5' is not a whole number above 0"),
            ("WORKERS", "0.5", "'0.5' is not a whole number above 0"),
            ("WORKERS", "inf", "'inf' is not a whole number above 0"),
            ("CLUSTER_OBJECTS", "yes", "'yes' is none of true, false"),
            ("METRICS_PORT", "http", "'http' is no port .0: off."),
            ("HEALTH_PORT", "65536", "'65536' is no port .0: off."),
            ("LEADER_ELECTION", "1", "'1' is none of true, false"),
            ("LEADER_ELECTION", "true", "POD_NAMESPACE must say where the Lease is"),
            ("LOG_FORMAT", "xml", "'xml' is none of json, text"),
        ],
    )
    def test_a_bad_value_is_named(self, name: str, value: str, words: str) -> None:
        with pytest.raises(ValueError, match=f"^AUTOTUNER_{name}: {words}$"):
            from_environment({f"AUTOTUNER_{name}": value})

    @pytest.mark.parametrize(("moment", "want"), [(None, 600.0), (-5, 0.0), (0, 0.0), (7, 7.0), (5000, 600.0)], ids=str)
    def test_looks_again_in_time_but_never_later_than_the_resync(
        self, moment: float | None, want: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock, "now", lambda: after(0))

        assert Settings().look_again_in(None if moment is None else after(moment)) == want


class TestClock:
    def test_stamps_are_utc_with_milliseconds(self) -> None:
        moment = datetime(2026, 3, 1, 14, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))

        assert clock.stamp(moment) == "2026-03-01T12:00:00.123Z"

    @pytest.mark.parametrize(
        "text", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000000Z", "2026-03-01T14:00:00+02:00"]
    )
    def test_stamps_of_any_precision_are_read(self, text: str) -> None:
        assert clock.parse(text) == after(0)

    @pytest.mark.parametrize(
        ("start", "end", "want"),
        [(at(1), at(3.5), 2.5), (at(3), at(1), 0.0), (None, at(1), None), (at(1), None, None)],
    )
    def test_seconds_between(self, start: str | None, end: str | None, want: float | None) -> None:
        assert clock.seconds_between(start, end) == want

    def test_now_knows_its_zone(self) -> None:
        assert clock.now().tzinfo is UTC


class TestPaths:
    @pytest.mark.parametrize(
        ("resource", "arguments", "want"),
        [
            (kube.POD, ("team", "p"), "/api/v1/namespaces/team/pods/p"),
            (kube.POD, ("team", "p", "log"), "/api/v1/namespaces/team/pods/p/log"),
            (kube.POD, (None,), "/api/v1/pods"),
            (kube.NODE, (None, "n"), "/api/v1/nodes/n"),
            (kube.JOB, ("team",), "/apis/batch/v1/namespaces/team/jobs"),
            (
                kube.TASK,
                ("team", "t", "status"),
                "/apis/autotuner.io/v1alpha1/namespaces/team/tuningtasks/t/status",
            ),
            (kube.STORAGE_CLASS, (None, "s"), "/apis/storage.k8s.io/v1/storageclasses/s"),
        ],
    )
    def test_path(self, resource: Resource, arguments: tuple[str | None, ...], want: str) -> None:
        assert resource.path(*arguments) == want  # type: ignore[arg-type]

    def test_api_version(self) -> None:
        assert (kube.POD.api_version, kube.JOB.api_version) == ("v1", "batch/v1")


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "kind", "reason", "message"),
        [
            (409, '{"reason": "AlreadyExists", "message": "exists"}', AlreadyExistsError, "AlreadyExists", "exists"),
            (409, '{"reason": "Conflict", "message": "changed"}', ConflictError, "Conflict", "changed"),
            (422, '{"reason": "Invalid", "message": "no"}', RejectedError, "Invalid", "no"),
            (403, '{"reason": "Forbidden", "message": "no"}', RejectedError, "Forbidden", "no"),
            (404, "404 page not found", RejectedError, "", "404 page not found"),
            (500, '{"reason": "InternalError", "message": "failed calling webhook"}', KubeError, "InternalError", None),
            (429, '{"message": "slow down"}', KubeError, "", "slow down"),
            (503, "", KubeError, "", ""),
            (502, "[]", KubeError, "", "[]"),
            (500, "x" * 9999, KubeError, "", "x" * 500),
        ],
    )
    def test_error(self, status: int, body: str, kind: type[KubeError], reason: str, message: str | None) -> None:
        problem = api_server.error(status, body)

        assert type(problem) is kind
        assert (problem.status, problem.reason) == (status, reason)
        assert message is None or problem.message == message
