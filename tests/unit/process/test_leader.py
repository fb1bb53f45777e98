"""Who may take the Lease, and when a holder may not act any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autotuner.kube import KubeError
from autotuner.kubernetes_object import Object
from autotuner.process import leader
from autotuner.process.leader import (
    DEADLINE,
    DURATION,
    Election,
    LeadershipLostError,
    Sighting,
    claimed,
    released,
    seconds_until_free,
    sight,
)
from tests.unit.fake_kube import FakeKube

STAMP, LATER = "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:02.000000Z"
HOME = "home"


def make_lease(holder: str = "", renewed: str = STAMP, **metadata: Any) -> Object:
    spec = {"holderIdentity": holder, "renewTime": renewed, "acquireTime": STAMP, "leaseTransitions": 3}
    return {"kind": "Lease", "metadata": {"name": "autotuner", "namespace": HOME, **metadata}, "spec": spec}


class Clock:
    """A monotonic clock that only the test moves, and that a sleep moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.get_running_loop().create_task(_nothing())


async def _nothing() -> None:
    pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    class Sleeper:
        def __getattr__(self, name: str) -> Any:
            return clock.sleep if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(leader, "asyncio", Sleeper())
    return clock


def candidate(kube: FakeKube, clock: Clock, identity: str = "me") -> Election:
    return Election(kube.as_kube(), HOME, identity, now=clock)


def holder(kube: FakeKube) -> str:
    return str(kube.objects["Lease", "autotuner"]["spec"]["holderIdentity"])


@pytest.mark.parametrize(
    ("held", "identity", "passed", "want"),
    [
        ("other", "me", 0.0, DURATION),
        ("other", "me", DURATION - 1, 1.0),
        ("other", "me", DURATION, 0.0),
        ("other", "me", 10 * DURATION, 0.0),
        ("", "me", 0.0, 0.0),
        ("me", "me", 0.0, 0.0),
    ],
    ids=["just renewed", "about to run out", "run out", "long ago", "released", "our own, of a process before"],
)
def test_how_long_a_candidate_waits(held: str, identity: str, passed: float, want: float) -> None:
    assert seconds_until_free(Sighting(held, STAMP, 50.0), identity, DURATION, 50.0 + passed) == want


def test_a_renewal_is_timed_by_when_it_was_seen_whatever_its_time_stamp_says() -> None:
    first = sight(make_lease("other"), None, 10.0)
    assert first == Sighting("other", STAMP, 10.0)
    assert sight(make_lease("other"), first, 15.0) is first
    assert sight(make_lease("other", LATER), first, 15.0).seen == 15.0
    assert sight(make_lease("third"), first, 15.0).seen == 15.0


def test_a_lease_that_changes_hands_counts_it_and_keeps_what_is_not_ours() -> None:
    lease = claimed(make_lease("other", annotations={"a": "b"}), "me", LATER)

    assert lease["metadata"]["annotations"] == {"a": "b"}
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": int(DURATION),
        "acquireTime": LATER,
        "renewTime": LATER,
        "leaseTransitions": 4,
    }


def test_a_renewal_keeps_the_time_of_acquisition() -> None:
    spec = claimed(make_lease("me"), "me", LATER)["spec"]

    assert (spec["acquireTime"], spec["renewTime"], spec["leaseTransitions"]) == (STAMP, LATER, 3)


def test_a_released_lease_is_free_at_once() -> None:
    assert seconds_until_free(sight(released(make_lease("other")), None, 5.0), "me", DURATION, 5.0) == 0


async def test_the_first_candidate_leads_at_once(clock: Clock) -> None:
    kube = FakeKube()
    election = candidate(kube, clock)
    assert not election.leads

    await election.acquire()

    assert election.leads
    assert (holder(kube), clock.seconds) == ("me", 100.0)


async def test_a_candidate_waits_until_the_holder_has_been_silent_for_long_enough(clock: Clock) -> None:
    kube = FakeKube()
    await candidate(kube, clock, "other").acquire()

    await candidate(kube, clock).acquire()

    assert holder(kube) == "me"
    assert DURATION <= clock.seconds - 100.0 <= DURATION + 2 * leader.RETRY


async def test_a_candidate_does_not_disturb_a_holder_that_renews(clock: Clock) -> None:
    kube = FakeKube()
    other, election = candidate(kube, clock, "other"), candidate(kube, clock)
    await other.acquire()
    keeping, waiting = asyncio.create_task(other.keep()), asyncio.create_task(election.acquire())
    while clock.seconds < 100.0 + 5 * DURATION:
        await asyncio.sleep(0)
    for task in (keeping, waiting):
        task.cancel()

    assert (holder(kube), other.leads, election.leads) == ("other", True, False)


async def test_what_is_released_is_taken_at_once(clock: Clock) -> None:
    kube = FakeKube()
    other = candidate(kube, clock, "other")
    await other.acquire()
    await other.release()
    assert not other.leads

    await candidate(kube, clock).acquire()

    assert (holder(kube), clock.seconds) == ("me", 100.0)


async def test_a_lease_of_somebody_else_is_not_released(clock: Clock) -> None:
    kube = FakeKube()
    await candidate(kube, clock, "other").acquire()

    await candidate(kube, clock).release()

    assert holder(kube) == "other"


async def test_a_holder_that_cannot_renew_stops_before_another_may_take_over(clock: Clock) -> None:
    kube = FakeKube()
    election = candidate(kube, clock)
    await election.acquire()
    kube.refuse["replace", "Lease"] = KubeError(0, "Unreachable", "away")

    with pytest.raises(LeadershipLostError, match="not renewed for 8 s"):
        await election.keep()

    assert not election.leads
    assert DEADLINE <= clock.seconds - 100.0 < DURATION


async def test_a_holder_survives_an_api_server_that_is_away_for_a_moment(clock: Clock) -> None:
    kube = FakeKube()
    election = candidate(kube, clock)
    await election.acquire()
    kube.refuse["get", "Lease"] = KubeError(0, "Unreachable", "away")
    keeping = asyncio.create_task(election.keep())
    while clock.seconds < 100.0 + DEADLINE - 3:
        await asyncio.sleep(0)
    del kube.refuse["get", "Lease"]
    while clock.seconds < 100.0 + 3 * DEADLINE:
        await asyncio.sleep(0)
    assert election.leads
    keeping.cancel()


async def test_a_holder_stops_when_another_holds_the_lease(clock: Clock) -> None:
    kube = FakeKube()
    election = candidate(kube, clock)
    await election.acquire()
    lease = kube.objects["Lease", "autotuner"]
    lease["spec"] |= {"holderIdentity": "other", "renewTime": LATER}

    with pytest.raises(LeadershipLostError, match="other holds the Lease"):
        await election.keep()

    assert clock.seconds < 100.0 + DEADLINE


async def test_a_holder_that_was_stalled_does_not_act(clock: Clock) -> None:
    election = candidate(FakeKube(), clock)
    await election.acquire()
    clock.seconds += 3600

    assert not election.leads
    with pytest.raises(LeadershipLostError):
        await election.keep()
