"""A benchmark that gets too little CPU measures itself: nobody is told such figures, and it is measured again."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from autotuner.kubernetes_object import Object
from testbed import processes
from tests.e2e.story import SOME, Story, traffic
from tests.e2e.test_story_disturbances import pod_of
from tests.e2e.test_story_volume import VOLUME, make_claim

# As the kernel does it to a pod whose CPU limit is a quarter of what it needs.
STOPPED_SECONDS, RUNNING_SECONDS = 0.15, 0.05
# The engine with the built-in tokenizer is believed in spite of a late client: it has to be another.
REAL: Object = {**traffic(SOME), "tokenizer": {"source": "ModelVolume"}, "placement": "SameNode"}


@contextlib.contextmanager
def starved(pod: Object) -> Iterator[None]:
    """The pod's processes stand still most of the time while this is open."""
    over = threading.Event()

    def starve() -> None:
        while not over.is_set():
            found = [one for one in processes.marked(processes.CONTAINER) if pod["metadata"]["uid"] in one.value]
            for number, seconds in ((signal.SIGSTOP, STOPPED_SECONDS), (signal.SIGCONT, RUNNING_SECONDS)):
                for process in found:
                    processes.kill(process.pid, number)
                over.wait(seconds)

    thread = threading.Thread(target=starve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def test_what_a_starved_client_measured_is_measured_again(story: Story, tmp_path: Path) -> None:
    await make_claim(story, tmp_path)
    await story.create_task(
        {
            "spec.model": {"preset": "llama-3-2-1b-instruct", "scope": "Namespaced", "volume": VOLUME},
            "spec.benchmark": REAL,
            "spec.search.maxExperiments": 1,
        }
    )
    await story.mid_benchmark("chat-0")
    with starved(await pod_of(story, "chat-0", benchmark=True)):
        spoiled = await story.experiment_finished("chat-0")
    status = spoiled["status"]
    assert (status["reason"], status["phase"], status["reproducible"]) == ("ClientOverloaded", "Failed", False), status
    assert re.search(
        r"chat at concurrency 2: the benchmark was late by \d+ ms \(p95\), answers take", status["message"]
    )
    assert not status.get("levels"), "figures of the client's own are nobody's"
    again = await story.experiment_finished("chat-1")
    assert (again["spec"]["purpose"], again["spec"]["retryOf"]) == ("Baseline", "chat-0")
    assert again["status"]["reason"] == "Completed", again["status"]["message"]
    task = await story.task()
    assert (task["status"]["experiments"]["summary"], task["status"]["phase"]) == ("0/1", "Running"), "it cost nothing"
