"""The keeper of turns: what it takes for held, whom it wakes, and that no limit is ever exceeded."""

from __future__ import annotations

import asyncio

from autotuner import backend_choice
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.preset_catalogue import Catalogue
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.task import TaskController
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.policy.turns import OverallLimits
from autotuner.settings import Settings
from tests.unit.builders import at, controller, make_experiment, make_model, make_runtime, merged
from tests.unit.fake_kube import FakeKube
from tests.unit.task_builders import ended, live_model, live_runtime, shipped, started

ONE = OverallLimits(experiments=1)
TASK_KEY = ObjectKey("team", "chat")
ALONE = ObjectKey("team", "chat-1")


class Woken:
    """A keeper, and whom it woke."""

    def __init__(self, limits: OverallLimits = ONE) -> None:
        self.keys: list[tuple[str, str]] = []
        self.clock = 0.0
        self.keeper = TurnKeeper(limits, lambda kind, key: self.keys.append((kind, key.name)), lambda: self.clock)

    def claim(self, name: str, namespace: str = "team", count: int = 1) -> str:
        with self.keeper.asking("TuningTask", ObjectKey(namespace, name)) as turn:
            turn.since = at(0)
            return turn.claim(experiment(f"{name}-1", namespace, count))


def experiment(name: str, namespace: str = "team", count: int = 1, *, task: bool = True) -> Object:
    owner = {"kind": "TuningTask", "metadata": {"name": "chat", "uid": "uid-chat"}}
    body = make_experiment(name, service={"accelerator": {"count": count}})
    meta = {"namespace": namespace, **({"ownerReferences": [controller(owner)]} if task else {})}
    return merged(body, {"metadata": meta})


def test_one_at_a_time_and_the_next_is_woken() -> None:
    woken = Woken()

    assert woken.claim("a") == ""
    assert woken.claim("b").startswith("waits for its turn: 1 of 1 experiments of limits.maxExperiments")
    assert woken.claim("a") == "", "a claim that is held is no second one"
    woken.keeper.saw(ended(experiment("a-1")), gone=False)
    assert woken.keys == [("TuningTask", "b")]


def test_who_does_not_ask_any_more_waits_no_longer() -> None:
    woken = Woken()
    woken.claim("a")
    woken.claim("b")
    woken.claim("c")
    woken.keeper.release(ObjectKey("team", "a-1"))
    with woken.keeper.asking("TuningTask", ObjectKey("team", "b")):
        pass

    assert woken.keys == [("TuningTask", "b"), ("TuningTask", "c")]


def test_an_experiment_without_a_task_holds_what_it_has_deployed() -> None:
    woken = Woken()
    waiting = experiment("alone-1", task=False)
    woken.keeper.saw(waiting, gone=False)
    assert woken.claim("a") == ""

    other = Woken()
    other.keeper.saw(merged(waiting, {"status": {"times": {"created": at(1)}}}), gone=False)
    assert other.claim("a") != ""


def test_what_the_list_does_not_have_is_forgotten_unless_it_is_younger() -> None:
    woken = Woken()
    woken.claim("a")
    woken.claim("b")
    woken.keeper.prune(set(), listed_at=-1)
    assert woken.keys == []
    woken.keeper.prune({ObjectKey("team", "a-1")}, listed_at=1)
    assert woken.keys == []
    woken.keeper.prune(set(), listed_at=1)
    assert woken.keys == [("TuningTask", "b")]


async def test_a_restart_finds_who_holds_something() -> None:
    kube = FakeKube(experiment("a-1"))
    woken = Woken()
    await woken.keeper.read(kube.as_kube(), ())

    assert woken.claim("b") != ""


async def passed(kube: FakeKube, keeper: TurnKeeper) -> None:
    settings = Settings()
    catalogue = Catalogue(kube.as_kube(), settings, shipped())
    await TaskController(
        kube.as_kube(), backend_choice.BACKENDS, catalogue, settings, RecentReads(kube.as_kube()), keeper
    ).reconcile(TASK_KEY)


async def test_a_task_waits_for_its_turn_and_then_starts() -> None:
    kube, woken = FakeKube(started(), live_model(), live_runtime()), Woken()
    woken.claim("other")
    await passed(kube, woken.keeper)

    status = kube.objects["TuningTask", "chat"]["status"]
    assert status["message"] == ("waits for its turn: 1 of 1 experiments of limits.maxExperiments are running")
    assert "create TuningExperiment" not in kube.writes
    woken.keeper.release(ObjectKey("team", "other-1"))
    assert woken.keys == [("TuningTask", "chat")]
    await passed(kube, woken.keeper)
    assert "create TuningExperiment" in kube.writes
    assert woken.claim("third") != ""


async def test_a_turn_that_was_refused_by_the_api_server_goes_to_the_next() -> None:
    kube, woken = FakeKube(started(), live_model(), live_runtime()), Woken()
    kube.refuse["create", "TuningExperiment"] = RejectedError(403, "Forbidden", "exceeded quota")
    await passed(kube, woken.keeper)
    assert woken.claim("other") == ""


async def test_a_turn_whose_experiment_may_have_been_created_is_kept() -> None:
    kube, woken = FakeKube(started(), live_model(), live_runtime()), Woken()
    kube.refuse["create", "TuningExperiment"] = KubeError(503, "ServiceUnavailable", "try again")
    await passed(kube, woken.keeper)
    assert woken.claim("other") != ""


async def test_an_experiment_without_a_task_waits_before_its_engine() -> None:
    alone = make_experiment()
    kube, woken = FakeKube(alone, make_model(), make_runtime()), Woken()
    woken.claim("other")
    controller_of_it = ExperimentController(
        kube.as_kube(), backend_choice.BACKENDS, Settings(), RecentReads(kube.as_kube()), woken.keeper
    )
    await controller_of_it.reconcile(ALONE)

    status = kube.objects["TuningExperiment", "chat-1"]["status"]
    assert status["message"] == "waits for its turn: 1 of 1 experiments of limits.maxExperiments are running"
    assert next(one["status"] for one in status["conditions"] if one["type"] == "Finished") == "Unknown"
    assert "create InferenceService" not in kube.writes
    woken.keeper.release(ObjectKey("team", "other-1"))
    assert woken.keys == [("TuningExperiment", "chat-1")]
    await controller_of_it.reconcile(ALONE)
    assert "create InferenceService" in kube.writes


async def test_no_limit_is_exceeded_however_reconciles_interleave() -> None:
    woken = Woken(OverallLimits(accelerators=8))
    held: list[int] = []

    async def task(number: int) -> None:
        for turn in range(20):
            with woken.keeper.asking("TuningTask", ObjectKey(f"n{number % 3}", f"t{number}")) as asking:
                asking.since = at(turn)
                body = experiment(f"t{number}-{turn}", f"n{number % 3}", 1 + number % 4)
                words = asking.claim(body)
                await asyncio.sleep(0)
            if not words:
                held.append(1 + number % 4)
                assert sum(held) <= 8
                await asyncio.sleep(0)
                held.remove(1 + number % 4)
                woken.keeper.saw(ended(body), gone=False)

    await asyncio.gather(*map(task, range(12)))
