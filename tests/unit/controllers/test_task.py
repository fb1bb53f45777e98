"""The task controller's passes: what it looks for, what it creates, and what it leaves alone."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable

import pytest

from autotuner import backend_choice, clock
from autotuner.api.task_defaults import TaskDefaults
from autotuner.controllers.preset_catalogue import Catalogue
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.repeated_failures import teller
from autotuner.controllers.task import TaskController
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import TASK, ConflictError, KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.policy.turns import OverallLimits
from autotuner.serving.backend import Backends
from autotuner.settings import Settings
from tests.unit.builders import after, controller, make_experiment, make_pod, merged, terminated
from tests.unit.engines.probed import logged, printed
from tests.unit.fake_kube import FakeKube
from tests.unit.serving.bare_pod import BarePod
from tests.unit.task_builders import MODEL, ended, live_model, live_runtime, make_task, running, shipped, started

KEY = ObjectKey("team", "chat")
RUNTIME = live_runtime()["metadata"]["name"]


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: after(10))


def world(task: Object, *more: Object) -> FakeKube:
    return FakeKube(task, *more)


async def passed(
    kube: FakeKube, settings: Settings | None = None, backends: Backends = backend_choice.BACKENDS
) -> float | None:
    settings = settings or Settings()
    catalogue = Catalogue(kube.as_kube(), settings, shipped())
    turns, recent = TurnKeeper(OverallLimits()), RecentReads(kube.as_kube())
    return await TaskController(kube.as_kube(), backends, catalogue, settings, recent, turns).reconcile(KEY)


def status_of(kube: FakeKube) -> Object:
    found: Object = kube.objects["TuningTask", "chat"]["status"]
    return found


def condition_of(status: Object, kind: str) -> Object:
    return next(one for one in status["conditions"] if one["type"] == kind)


def child(task: Object, name: str = "chat-0", **meta: object) -> Object:
    experiment = make_experiment(name, purpose="Baseline")
    return merged(experiment, {"metadata": {"ownerReferences": [controller(task)], **meta}})


async def test_the_start_is_written_before_the_first_object() -> None:
    kube = world(make_task())

    assert await passed(kube) == 0.0

    assert kube.writes == ["status TuningTask"]
    assert status_of(kube)["startTime"]


async def test_a_start_that_meets_an_edit_creates_nothing() -> None:
    kube = world(make_task())
    kube.refuse["status", "TuningTask"] = ConflictError(409, "Conflict", "edited")

    with pytest.raises(ConflictError):
        await passed(kube)
    assert [kind for kind, _ in kube.objects] == ["TuningTask"]


async def test_creates_model_runtime_and_baseline_one_after_the_other() -> None:
    kube = world(started())
    await passed(kube)
    kube.objects["ClusterBaseModel", MODEL]["status"] = {"state": "Ready"}
    await passed(kube)
    await passed(kube)

    assert [write for write in kube.writes if write.startswith("create")] == [
        "create ClusterBaseModel",
        "create ClusterServingRuntime",
        "create TuningExperiment",
    ]
    assert status_of(kube)["created"] == {"clusterBaseModel": MODEL, "clusterServingRuntime": RUNTIME}
    assert ("TuningExperiment", "chat-0") in kube.objects


async def test_what_it_took_of_the_operators_defaults_stays_when_those_change() -> None:
    kube = world(make_task(), live_model(), live_runtime())
    first, second = (
        Settings(task_defaults=TaskDefaults.model_validate({"placement": {"labels": {"cost-centre": one}}}))
        for one in ("4711", "0815")
    )
    await passed(kube, first)
    for _ in range(3):
        await passed(kube, second)

    assert kube.objects["TuningExperiment", "chat-0"]["spec"]["service"]["labels"] == {"cost-centre": "4711"}
    assert "from the operator's taskDefaults: placement.labels" in condition_of(status_of(kube), "Valid")["message"]


async def test_looks_first_and_says_that_it_created_nothing() -> None:
    kube = world(started(), live_model(), live_runtime())

    await passed(kube)

    assert "created" not in status_of(kube)
    assert kube.writes == ["create TuningExperiment", "status TuningTask"]


async def test_creates_nothing_cluster_wide_where_it_may_not() -> None:
    kube = world(started(), live_model())

    await passed(kube, Settings(cluster_objects=False))

    assert "create ClusterServingRuntime" not in kube.writes
    assert status_of(kube)["message"] == f"ClusterServingRuntime {RUNTIME} does not exist; create it"


async def test_what_somebody_else_creates_meanwhile_is_used() -> None:
    kube = world(started())
    first = FakeKube.create

    async def late(self: FakeKube, *arguments: object) -> Object:
        self.objects["ClusterBaseModel", MODEL] = live_model()
        return await first(self, *arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeKube, "create", late)
        await passed(kube)

    assert "created" not in status_of(kube)


async def test_does_not_pick_up_the_children_of_a_task_of_the_same_name() -> None:
    task = started()
    old = child({**task, "metadata": {**task["metadata"], "uid": "uid-old"}}, deletionTimestamp="then")
    kube = world(task, live_model(), live_runtime(), old)

    again = await passed(kube)

    assert status_of(kube)["message"] == (
        "waiting to create chat-0: a TuningExperiment of this name belongs to TuningTask chat (uid uid-old);"
        " it is being deleted"
    )
    assert status_of(kube)["experiments"]["nextIndex"] == 0
    assert again == 0.5


async def test_picks_up_its_own_children_after_a_lost_status() -> None:
    task = started()
    kube = world(task, live_model(), live_runtime(), running(child(task)))

    await passed(kube)

    assert "create TuningExperiment" not in kube.writes
    assert status_of(kube)["experiments"]["nextIndex"] == 1


async def test_a_refused_experiment_ends_the_task_with_the_api_servers_words() -> None:
    kube = world(started(), live_model(), live_runtime())
    kube.refuse["create", "TuningExperiment"] = RejectedError(403, "Forbidden", "exceeded quota")

    assert await passed(kube) is None

    assert status_of(kube)["phase"] == "Failed"
    assert status_of(kube)["message"] == "the API server refused the TuningExperiment: exceeded quota"


@pytest.mark.parametrize(
    ("refused", "around", "condition"),
    [
        ("ClusterBaseModel", [], "ModelReady"),
        ("ClusterServingRuntime", [live_model()], "RuntimeReady"),
        ("TuningExperiment", [live_model(), live_runtime()], "Succeeded"),
    ],
)
async def test_a_webhook_that_does_not_answer_is_told_and_tried_again(
    refused: str, around: list[Object], condition: str
) -> None:
    kube = world(started(), *around)
    kube.refuse["create", refused] = KubeError(500, "InternalError", "failed calling webhook: port 4711")

    assert await passed(kube) == 2.0

    words = f"the API server cannot create the {refused}: failed calling webhook: port 4711"
    assert status_of(kube)["phase"] == "Running"
    assert status_of(kube)["message"].endswith(words)
    assert condition_of(status_of(kube), condition)["message"].endswith(words)
    assert condition_of(status_of(kube), "Succeeded")["message"] == words
    assert status_of(kube)["experiments"]["nextIndex"] == 0
    assert kube.events == ["NotCreated"]

    kube.refuse["create", refused] = KubeError(500, "InternalError", "failed calling webhook: port 4712")
    kube.calls.clear()
    await passed(kube)
    assert kube.writes == [f"create {refused}"], "nothing new is told, and nobody is woken"

    kube.refuse.clear()
    await passed(kube)
    await passed(kube)
    assert condition_of(status_of(kube), "Succeeded")["message"] == ""


async def test_what_was_said_of_failed_passes_is_taken_back() -> None:
    kube = world(started(), live_model(), live_runtime())
    await teller(kube.as_kube(), TASK)(KEY, "ValueError: no such thing")

    words = "the operator cannot go on and keeps trying: ValueError: no such thing"
    assert status_of(kube)["message"].endswith(f"; {words}")
    assert condition_of(status_of(kube), "Reconciled")["message"] == words
    await passed(kube)
    assert "Reconciled" not in [one["type"] for one in status_of(kube)["conditions"]]
    await passed(kube)
    assert words not in status_of(kube)["message"]


async def test_suspending_cancels_what_runs_and_marks_it_as_withdrawn() -> None:
    task = started()
    task["spec"]["suspend"] = True
    kube = world(task, live_model(), live_runtime(), running(child(task)))

    await passed(kube)

    experiment = kube.objects["TuningExperiment", "chat-0"]
    assert experiment["spec"]["cancel"] is True
    assert experiment["metadata"]["annotations"] == {"autotuner.io/withdrawn": "true"}
    assert kube.writes == ["status TuningTask", "merge TuningExperiment"]


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [("BaseModel", MODEL, "model.preset"), ("ServingRuntime", RUNTIME, "runtime.preset")],
)
async def test_a_namespaced_object_that_ome_would_prefer_is_refused(kind: str, name: str, field: str) -> None:
    shadow = {"kind": kind, "metadata": {"name": name}}
    kube = world(make_task(), live_model(), live_runtime(), shadow)

    await passed(kube)

    assert (
        status_of(kube)["message"]
        == f"{field}: {kind} {name} in namespace team hides the Cluster{kind} from OME; remove it"
    )
    assert "startTime" not in status_of(kube)


async def test_a_backend_without_namespaced_kinds_hides_nothing() -> None:
    named = {
        "model": {"preset": None, "name": "llama"},
        "runtime": {"preset": None, "name": "engine", "engine": "SGLang"},
        "benchmark": {"tokenizer": {"source": "Hub", "id": "x"}},
    }
    model = {"kind": "ClusterBaseModel", "metadata": {"name": "llama"}, "spec": {}}
    runtime = {"kind": "ClusterServingRuntime", "metadata": {"name": "engine"}, "spec": {"image": "engine:1"}}
    kube = world(make_task(**named), model, runtime)

    await passed(kube, backends=Backends(BarePod()))

    assert condition_of(status_of(kube), "Valid")["status"] == "True", status_of(kube)
    assert status_of(kube)["startTime"]


class TestUnreadable:
    TASK = make_task(search={"strategy": "Genetic"})
    WORDS = (
        "search.strategy: Input should be 'Bayesian', 'Random' or 'Grid'; the installed CRDs are not those of this"
        " operator"
    )

    async def test_a_spec_is_refused_once(self) -> None:
        kube = world(self.TASK)
        await passed(kube)
        await passed(kube)

        assert status_of(kube)["message"] == self.WORDS
        assert kube.writes == ["status TuningTask"]


@pytest.mark.parametrize("state", ["gone", "deleting"])
async def test_a_task_that_goes_is_left_to_the_garbage_collector(state: str) -> None:
    kube = world(started())
    if state == "gone":
        kube.objects.clear()
    else:
        kube.objects["TuningTask", "chat"]["metadata"]["deletionTimestamp"] = "now"

    assert await passed(kube) is None
    assert kube.writes == []


async def test_never_touches_an_inference_service() -> None:
    task = started()
    kube = world(task, live_model(), live_runtime(), running(child(task)))
    await passed(kube)

    assert "InferenceService" not in {kind for _, kind in kube.calls}


class Finishing:
    """A task that is passed over until it is over."""

    def world(self, *more: Object) -> FakeKube:
        return world(started(search={"confirm": {"maxRepeats": 0}}), live_model(), live_runtime(), *more)

    async def finish(
        self, kube: FakeKube, settings: Settings | None = None, ending: Callable[[Object], Object] = ended
    ) -> None:
        """Pass until the task is over; whatever is created ends at once."""
        for _ in range(20):
            if status_of(kube).get("completionTime"):
                return
            await passed(kube, settings)
            for key, body in list(kube.objects.items()):
                if body["kind"] == "TuningExperiment" and not body.get("status"):
                    kube.objects[key] = ending(body)
        raise AssertionError(status_of(kube)["message"])


class TestRecommendation(Finishing):
    async def test_is_there_before_the_status_says_that_the_task_is_over(self) -> None:
        kube = self.world()
        await self.finish(kube)

        assert kube.writes[-2:] == ["apply ConfigMap", "status TuningTask"]
        assert status_of(kube)["recommendation"] == {"configMap": "chat-best"}
        written = kube.objects["ConfigMap", "chat-best"]
        assert written["data"].keys() == {"inferenceservice.yaml", "report.md", "experiments.csv"}
        assert written["metadata"]["ownerReferences"][0]["uid"] == "uid-chat"

    async def test_is_written_again_where_the_status_could_not_be(self) -> None:
        task = started()
        own = {
            "kind": "ConfigMap",
            "metadata": {"name": "chat-best", "ownerReferences": [controller(task)]},
            "data": {},
        }
        kube = self.world(own)
        await self.finish(kube)

        assert "report.md" in kube.objects["ConfigMap", "chat-best"]["data"]

    async def test_never_overwrites_what_is_somebody_elses(self) -> None:
        kube = self.world({"kind": "ConfigMap", "metadata": {"name": "chat-best"}, "data": {"mine": "1"}})
        await self.finish(kube)

        assert kube.objects["ConfigMap", "chat-best"]["data"] == {"mine": "1"}
        assert "recommendation" not in status_of(kube)
        assert status_of(kube)["phase"] == "Succeeded"
        assert "ConfigMap chat-best belongs to somebody else" in status_of(kube)["message"]
        assert "RecommendationNotWritten" in kube.events

    async def test_that_the_api_server_refuses_does_not_hold_up_the_end(self) -> None:
        kube = self.world()
        kube.refuse["apply", "ConfigMap"] = RejectedError(403, "Forbidden", "exceeded quota: configmaps=5")
        await self.finish(kube)

        assert "recommendation" not in status_of(kube)
        assert "exceeded quota: configmaps=5" in status_of(kube)["message"]


@pytest.mark.parametrize(("reuse", "settled", "looked"), [(None, True, 0), ({}, False, 0), ({}, True, 1)])
async def test_looks_at_what_others_measured_only_where_it_may_answer(
    reuse: Object | None, settled: bool, looked: int
) -> None:
    task = started(search={"reuse": reuse})
    status = {"reason": "SLOViolated"} if settled else {}
    kube = world(task, live_model(), live_runtime(), {**child(task), "status": status})

    await passed(kube)

    assert kube.calls.count(("list", "TuningExperiment")) == 1 + looked


class TestTheProbe:
    """A task that wants its image probed, whose Job ends and is read."""

    def world(self, *more: Object) -> FakeKube:
        task = make_task(
            runtime={"preset": "vllm-llama-small", "probe": True},
            parameters=[{"name": "new-flag", "choices": ["a", "b"]}],
            baseline=None,
            benchmark={"tokenizer": {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}},
        )
        return world(task, live_model(), *more)

    async def finish(self, kube: FakeKube, log: str) -> None:
        """The Job's pod ends with this log."""
        job = kube.objects["Job", "chat-flags"]
        pod = make_pod("probe", ended=terminated(0))
        pod["metadata"] |= {
            "labels": {"batch.kubernetes.io/job-name": "chat-flags"},
            "ownerReferences": [controller({**job, "kind": "Job"})],
        }
        kube.objects["Pod", "probe-pod"] = {**pod, "kind": "Pod"}
        kube.log = log
        await passed(kube)

    async def test_runs_after_the_start_and_before_the_first_object(self) -> None:
        kube = self.world()
        await passed(kube)
        await passed(kube)

        assert kube.writes == ["status TuningTask", "create Job", "status TuningTask"]

    async def test_is_kept_in_a_config_map_that_decides(self) -> None:
        kube = self.world()
        await passed(kube)
        await passed(kube)
        await self.finish(kube, logged())
        kube.calls.clear()
        await passed(kube)

        assert kube.objects["ConfigMap", "chat-flags"]["data"] == {"flags.json": printed()}
        assert condition_of(status_of(kube), "Valid")["message"].endswith("own parser told (probe; vLLM 0.33.1)")
        assert ("get", "Job") not in kube.calls, "what is kept is not asked for again"
        assert kube.writes == ["create ClusterServingRuntime", "status TuningTask"]

    async def test_that_was_kept_but_not_told_is_told(self) -> None:
        kube = self.world()
        await passed(kube)
        await passed(kube)
        kube.refuse["status", "TuningTask"] = ConflictError(409, "Conflict", "edited")
        with pytest.raises(ConflictError):
            await self.finish(kube, logged())
        del kube.refuse["status", "TuningTask"]
        await passed(kube)

        assert status_of(kube)["probe"]["configMap"] == "chat-flags"
        assert kube.objects["ConfigMap", "chat-flags"]["data"] == {"flags.json": printed()}

    @pytest.mark.parametrize(("verb", "kind"), [("create", "Job"), ("apply", "ConfigMap")])
    async def test_that_the_api_server_refuses_does_not_hold_up_the_task(self, verb: str, kind: str) -> None:
        kube = self.world()
        kube.refuse[verb, kind] = RejectedError(403, "Forbidden", "exceeded quota")
        await passed(kube)
        await passed(kube)
        if kind == "ConfigMap":
            await self.finish(kube, logged())

        assert status_of(kube)["probe"]["failure"] == f"the API server refused its {kind}: exceeded quota"
        assert "ProbeFailed" in kube.events


async def test_a_model_that_is_made_again_is_made_once() -> None:
    task = merged(started(), {"status": {"created": {"clusterBaseModel": MODEL}}})
    kube = world(task, running(child(task)), live_runtime())
    settings = Settings()
    catalogue = Catalogue(kube.as_kube(), settings, shipped())
    controller = TaskController(
        kube.as_kube(),
        backend_choice.BACKENDS,
        catalogue,
        settings,
        RecentReads(kube.as_kube()),
        TurnKeeper(OverallLimits()),
    )

    for _ in range(3):
        await controller.reconcile(KEY)

    assert kube.writes.count("create ClusterBaseModel") == 1
    assert kube.events.count("Recreated") == 1


class TestKeptReport(Finishing):
    async def test_is_there_before_the_status_says_that_the_task_is_over(self) -> None:
        kube = self.world()
        await self.finish(kube)

        assert kube.writes[-3:] == ["apply ConfigMap", "apply ConfigMap", "status TuningTask"]
        assert status_of(kube)["report"] == {"configMap": "chat-report"}
        written = kube.objects["ConfigMap", "chat-report"]
        page = gzip.decompress(base64.b64decode(written["binaryData"]["report.html.gz"])).decode()
        assert "<h1>" in page
        assert status_of(kube)["best"]["experiment"] in page
        assert written["metadata"]["ownerReferences"][0]["uid"] == "uid-chat"

    async def test_can_be_switched_off(self) -> None:
        kube = self.world()
        await self.finish(kube, Settings(keep_reports=False))

        assert "report" not in status_of(kube)
        assert ("ConfigMap", "chat-report") not in kube.objects

    async def test_never_overwrites_what_is_somebody_elses(self) -> None:
        kube = self.world({"kind": "ConfigMap", "metadata": {"name": "chat-report"}, "data": {"mine": "1"}})
        await self.finish(kube)

        assert kube.objects["ConfigMap", "chat-report"]["data"] == {"mine": "1"}
        assert "report" not in status_of(kube)
        assert status_of(kube)["recommendation"] == {"configMap": "chat-best"}
        assert "ReportNotKept" in kube.events

    async def test_is_kept_of_a_task_that_failed_too(self) -> None:
        kube = self.world()
        await self.finish(kube, ending=lambda body: ended(body, "ModelUnsupported", message="no such architecture"))

        assert status_of(kube)["phase"] == "Failed"
        assert status_of(kube)["report"] == {"configMap": "chat-report"}

    async def test_goes_with_its_namespace_without_a_word(self) -> None:
        kube = self.world()
        await self.finish(kube, ending=lambda body: ended(body, "NamespaceDeleted", message="namespace team goes"))

        assert status_of(kube)["phase"] == "Failed"
        assert ("ConfigMap", "chat-report") not in kube.objects
        assert "ReportNotKept" not in kube.events
