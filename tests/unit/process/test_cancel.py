"""Before an uninstall: the search pauses, every experiment is cancelled, no task is touched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from autotuner import clock
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import ConflictError, KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.process import cancel, search_pause
from autotuner.process.cancel import SETTLE_SECONDS, UnfinishedError, cancel_all
from autotuner.process.search_pause import ANNOTATION, Pause
from tests.unit.builders import make_experiment
from tests.unit.fake_kube import FakeKube
from tests.unit.task_builders import make_task

FINISHED = {"autotuner.io/finished": "true"}
WITHDRAWN = "autotuner.io/withdrawn"


def make_lease(**annotations: str) -> Object:
    metadata = {"name": "autotuner", "namespace": "home", "resourceVersion": "1", "annotations": annotations}
    return {"kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": "operator-0"}}


def owned(experiment: Object) -> Object:
    experiment["metadata"]["ownerReferences"] = [{"kind": "TuningTask", "name": "chat", "uid": "u", "controller": True}]
    return experiment


class World:
    """An operator that releases what is cancelled, and a clock that every sleep moves."""

    def __init__(self, kube: FakeKube, releases: bool = True) -> None:
        self.kube, self._releases, self.seconds = kube, releases, 0.0
        self.at_sleep: Callable[[float], None] = lambda _: None

    def now(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.at_sleep(self.seconds)
        for (kind, _), body in self.kube.objects.items():
            if kind == "TuningExperiment" and body["spec"].get("cancel") and self._releases:
                body["metadata"].setdefault("labels", {}).update(FINISHED)

    async def cancel(self, timeout: float = 30.0) -> int:
        return await cancel_all(self.kube.as_kube(), "home", (), timeout, now=self.now)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(*objects: Object, releases: bool = True) -> World:
        made = World(FakeKube(*objects), releases)
        monkeypatch.setattr(cancel, "asyncio", type("Sleeper", (), {"sleep": made.sleep}))
        return made

    return make


async def test_every_unfinished_experiment_is_cancelled_and_no_task(world: Callable[..., World]) -> None:
    over = make_experiment("over-1")
    over["metadata"]["labels"] = dict(FINISHED)
    here = world(make_lease(), make_task(), owned(make_experiment("chat-1")), make_experiment("alone-1"), over)

    assert await here.cancel() == 2

    objects = here.kube.objects
    assert objects["TuningExperiment", "chat-1"]["metadata"]["annotations"] == {WITHDRAWN: "true"}
    assert "annotations" not in objects["TuningExperiment", "alone-1"]["metadata"]
    assert "cancel" not in objects["TuningExperiment", "over-1"]["spec"]
    assert set(here.kube.writes) == {"replace Lease", "merge TuningExperiment"}
    assert objects["TuningTask", "chat"] == make_task()


async def test_each_is_cancelled_once(world: Callable[..., World]) -> None:
    here = world(make_lease(), make_experiment("slow-1"), releases=False)

    with pytest.raises(UnfinishedError, match=r"not over within 30 s: .* team/slow-1"):
        await here.cancel()

    assert here.kube.writes.count("merge TuningExperiment") == 1


async def test_what_a_task_started_before_it_knew_is_cancelled_too(world: Callable[..., World]) -> None:
    here = world(make_lease())
    late = owned(make_experiment("late-1"))

    def start(seconds: float) -> None:
        if seconds == SETTLE_SECONDS - 1:
            here.kube.objects["TuningExperiment", "late-1"] = late

    here.at_sleep = start
    assert await here.cancel() == 1


async def test_nothing_is_cancelled_before_the_operator_knows_or_it_would_begin_the_next(
    world: Callable[..., World],
) -> None:
    here = world(make_lease(), owned(make_experiment("chat-1")))
    cancelled: list[float] = []

    def note(seconds: float) -> None:
        if here.kube.objects["TuningExperiment", "chat-1"]["spec"].get("cancel"):
            cancelled.append(seconds)

    here.at_sleep = note
    assert await here.cancel() == 1
    assert min(cancelled) > SETTLE_SECONDS


async def test_it_does_not_believe_in_an_end_before_the_operator_knows(world: Callable[..., World]) -> None:
    here = world(make_lease())
    assert await here.cancel() == 0
    assert here.seconds >= SETTLE_SECONDS


UNREACHABLE = KubeError(0, "Unreachable", "away")
TOO_YOUNG = KubeError(401, "Unauthorized", "Unauthorized")  # a service account that is seconds old
NO_RIGHT_YET = RejectedError(403, "Forbidden", "no")


@pytest.mark.parametrize("problem", [UNREACHABLE, TOO_YOUNG, NO_RIGHT_YET], ids=lambda one: one.reason)
@pytest.mark.parametrize(
    "request_",
    [("get", "Lease"), ("replace", "Lease"), ("list", "TuningExperiment"), ("merge", "TuningExperiment")],
    ids=" ".join,
)
async def test_whatever_is_refused_for_a_moment_is_asked_again(
    world: Callable[..., World], request_: tuple[str, str], problem: KubeError
) -> None:
    here = world(make_lease(), make_experiment("alone-1"))
    here.kube.refuse[request_] = problem

    def answer(seconds: float) -> None:
        if seconds == 10:
            here.kube.refuse.clear()

    here.at_sleep = answer
    assert await here.cancel() == 1
    assert search_pause.until(here.kube.objects["Lease", "autotuner"]) > clock.now()


async def test_what_is_refused_to_the_end_is_told(world: Callable[..., World]) -> None:
    here = world(make_lease(), make_experiment("alone-1"))
    here.kube.refuse["merge", "TuningExperiment"] = NO_RIGHT_YET

    with pytest.raises(UnfinishedError, match="not over within 30 s: Forbidden: no"):
        await here.cancel()


async def test_a_refusal_keeps_no_other_experiment_running(world: Callable[..., World]) -> None:
    here = world(make_lease(), make_experiment("a-1"), make_experiment("b-1"))
    merge = here.kube.merge

    async def refuse_one(resource: Resource, namespace: str, name: str, body: Object) -> Object:
        if name == "a-1":
            raise NO_RIGHT_YET
        return await merge(resource, namespace, name, body)

    here.kube.merge = refuse_one  # type: ignore[method-assign]
    with pytest.raises(UnfinishedError, match="Forbidden"):
        await here.cancel()

    assert here.kube.objects["TuningExperiment", "b-1"]["metadata"]["labels"].items() >= FINISHED.items()


async def test_an_experiment_that_goes_meanwhile_is_fine(world: Callable[..., World]) -> None:
    here = world(make_lease(), make_experiment("alone-1"))
    here.kube.refuse["merge", "TuningExperiment"] = RejectedError(404, "NotFound", "alone-1")

    def go(seconds: float) -> None:
        if seconds > SETTLE_SECONDS:
            here.kube.objects.pop(("TuningExperiment", "alone-1"), None)

    here.at_sleep = go
    assert await here.cancel() == 1


class TestPause:
    @pytest.mark.parametrize("text", ["", "soon", "2026-01-01T00:00:00"], ids=["empty", "no time", "no zone"])
    def test_what_is_no_time_is_no_pause(self, text: str) -> None:
        assert search_pause.until(make_lease(**{ANNOTATION: text})) < clock.now()

    @pytest.mark.parametrize("lease", [None, {"metadata": {}}], ids=["no Lease", "no annotation"])
    def test_none_asked_for(self, lease: Object | None) -> None:
        assert search_pause.until(lease) < clock.now()

    @pytest.mark.parametrize("lease", [[], [make_lease(other="kept")]], ids=["no Lease", "a Lease"])
    async def test_a_pause_is_asked_for_beside_what_is_there(self, lease: list[Object]) -> None:
        kube = FakeKube(*lease)

        await search_pause.request(kube.as_kube(), "home", 60)

        written = kube.objects["Lease", "autotuner"]
        assert 55 < (search_pause.until(written) - clock.now()).total_seconds() <= 60
        assert written.get("spec") == (lease[0]["spec"] if lease else None)
        assert written["metadata"]["annotations"].get("other") == ("kept" if lease else None)

    async def test_a_renewal_in_between_is_no_obstacle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        kube = FakeKube(make_lease())
        kube.refuse["replace", "Lease"] = ConflictError(409, "Conflict", "renewed")

        async def renewed(_: float) -> None:
            kube.refuse.clear()

        monkeypatch.setattr(search_pause, "asyncio", type("Sleeper", (), {"sleep": renewed}))
        await search_pause.request(kube.as_kube(), "home", 60)

        assert kube.writes == ["replace Lease"] * 2

    async def test_passes_are_put_off_until_its_end(self) -> None:
        passes: list[ObjectKey] = []

        async def reconcile(key: ObjectKey) -> float | None:
            passes.append(key)
            return 7.0

        kube, known = FakeKube(make_lease()), Pause()
        guarded = known.around(reconcile)
        assert await guarded(ObjectKey("team", "a")) == 7.0
        await search_pause.request(kube.as_kube(), "home", 60)
        await known.look(kube.as_kube(), "home")
        again = await guarded(ObjectKey("team", "b"))
        assert again is not None
        assert 0 < again <= search_pause.POLL_SECONDS
        kube.refuse["get", "Lease"] = KubeError(0, "Unreachable", "away")
        await known.look(kube.as_kube(), "home")
        assert await guarded(ObjectKey("team", "b")) is not None
        assert passes == [ObjectKey("team", "a")]

        kube.refuse.clear()
        over = clock.stamp(clock.now() - timedelta(seconds=1))
        kube.objects["Lease", "autotuner"]["metadata"]["annotations"][ANNOTATION] = over
        await known.look(kube.as_kube(), "home")
        await guarded(ObjectKey("team", "b"))
        assert passes == [ObjectKey("team", "a"), ObjectKey("team", "b")]
