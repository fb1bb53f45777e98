"""Tasks as a search leaves them, with ladders, failures, times and repeats: what reports are made of."""

from __future__ import annotations

import copy
import random
from functools import cache
from typing import Any

from autotuner import clock
from autotuner.api.experiment import Distribution, Level
from autotuner.html_report import report_data
from autotuner.html_report.report_data import ReportData
from autotuner.kubernetes_object import Object
from tests.unit.builders import after, at, merged
from tests.unit.task_builders import Story, ended, running, started

SPEC: Object = {
    "baseline": {"args": ["--tp-size=1", "--mem-fraction-static=0.8", "--schedule-policy=fcfs"]},
    "parameters": [
        {"name": "tp-size", "values": [1, 2]},
        {"name": "mem-fraction-static", "range": {"min": 0.7, "max": 0.95, "step": 0.05}},
        {"name": "schedule-policy", "choices": ["lpm", "fcfs"]},
        {"name": "chunked-prefill-size", "values": [1024, 2048, 4096, 8192], "allowUnset": True},
        {"name": "schedule-conservativeness", "values": [0.5, 1.0, 1.5]},
    ],
    "benchmark": {
        "scenarios": [{"name": "chat", "load": "N(1024,128)/(256,32)"}],
        "concurrency": [1, 8, 32, 128],
    },
    "objectives": [{"metric": "OutputThroughputPerGPU"}],
    "slos": [
        {"metric": "TTFT", "statistic": "P99", "max": "800ms"},
        {"metric": "TPOT", "statistic": "P95", "max": "40ms"},
    ],
    "search": {"strategy": "Bayesian", "maxExperiments": 24, "confirm": {"top": 2, "maxRepeats": 4}},
}


def measured(experiment: Object, begun: float) -> tuple[Object, float]:
    """An experiment after its end, and the second at which it was over.

    Args:
        experiment: as it was created.
        begun: when, in seconds.
    """
    service = experiment["spec"]["service"]
    flags = dict(one.removeprefix("--").split("=") for one in service["args"] if "=" in one)
    chance = random.Random(f"{service['args']} {experiment['metadata']['name']}")
    gpus = service["accelerator"]["count"]
    memory = float(flags.get("mem-fraction-static", 0.8))
    start = 40 + 20 * gpus + chance.uniform(0, 15)
    crash = memory >= 0.95 or (memory >= 0.9 and flags.get("chunked-prefill-size") == "8192")
    ladder = [] if crash else experiment["spec"]["benchmark"]["concurrency"]
    levels = [_level(users, flags, gpus, memory, chance) for users in ladder]
    queued, pulled = chance.uniform(1, 30), chance.uniform(1, 4)
    scheduled, container = begun + queued, begun + queued + pulled
    ready = None if crash else container + start
    finished = container + start if ready is None else ready + 62 * len(levels)
    gone = finished + chance.uniform(3, 9)
    times = {
        "created": at(begun),
        "scheduled": at(scheduled),
        "containerStarted": at(container),
        **({} if ready is None else {"engineReady": at(ready), "benchmarkFinished": at(finished)}),
        "podsGone": at(gone),
        "released": at(gone + 1),
    }
    more: Object = {
        "times": times,
        "gpuSeconds": round(gpus * (gone - scheduled), 1),
        "node": f"gpu-{chance.randrange(3)}",
        "image": "docker.io/lmsysorg/sglang:v0.5.23",
        "imageID": f"docker.io/lmsysorg/sglang@sha256:{'ab' * 32}",
        "acceleratorProduct": "NVIDIA-H100-80GB-HBM3",
        "engineVersion": "0.5.23",
    }
    if crash:
        log = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB"
        more |= {"evidence": {"exitCode": 1, "logTail": log}, "reproducible": True}
        result = ended(experiment, "OutOfMemory", message=log, **more)
    else:
        result = ended(experiment, "Completed", *levels, ladder="Complete", **more)
    result["status"]["conditions"] = [
        {"type": "Finished", "status": "True", "reason": "Done", "message": "", "lastTransitionTime": at(gone + 1)}
    ]
    return result, gone + 1


def _level(users: int, flags: Object, gpus: int, memory: float, chance: random.Random) -> Level:
    conservative = float(flags.get("schedule-conservativeness", 1.0))
    rate = 55.0 * gpus**0.8 * (1.1 if flags.get("schedule-policy") == "lpm" else 1.0) * (1.15 - 0.1 * conservative)
    most = 40 + 200 * (memory - 0.6) * gpus
    chunk = int(flags.get("chunked-prefill-size", 2048))
    busy = users / most
    throughput = rate * users / (1 + busy * 1.4) * chance.lognormvariate(0, 0.02)
    ttft = (0.06 + 0.004 * users / gpus + 0.35 * max(0.0, busy - 0.6) ** 1.5) * (1 + chunk / 20000)
    tpot = (0.009 + 0.00018 * users / gpus) * (1 + 2500 / (chunk + 5000))
    ttft, tpot = (one * chance.lognormvariate(0, 0.03) for one in (ttft, tpot))
    return Level(
        scenario="chat",
        concurrency=users,
        requests=min(400, users * 12),
        errors=0,
        duration_seconds=60.0,
        output_tokens_per_second=round(throughput, 2),
        total_tokens_per_second=round(throughput * 5, 2),
        requests_per_second=round(throughput / 256, 3),
        ttft_seconds=_spread(ttft),
        tpot_seconds=_spread(tpot),
        e2e_latency_seconds=_spread(ttft + 256 * tpot),
        output_tokens_mean=256.0,
    )


def _spread(p50: float) -> Distribution:
    values = {name: round(p50 * factor, 5) for name, factor in (("p90", 1.3), ("p95", 1.45), ("p99", 1.8))}
    return Distribution(mean=round(p50 * 1.05, 5), p50=round(p50, 5), **values)


class Played(Story):
    """A story whose experiments take their time."""

    def play(self, most: int = 100) -> None:
        """Until it is over, or so many experiments have ended."""
        for _ in range(most):
            self.step()
            if self.over:
                return
            number = len(self.experiments) - 1
            begun = clock.parse(self.experiments[number]["metadata"]["creationTimestamp"]) - after(0)
            self.experiments[number], over = measured(self.experiments[number], begun.total_seconds())
            self.wait(over - begun.total_seconds())


@cache
def _finished(most: int) -> Played:
    story = Played(started(**SPEC))
    story.play(most)
    return story


def finished_story() -> Played:
    """A task that is over, with its best confirmed."""
    return _finished(100)


def finished() -> ReportData:
    """The report of that task."""
    return of(finished_story())


def under_way() -> ReportData:
    """The report of a task whose ninth experiment runs."""
    story = copy.copy(_finished(8))
    story.experiments = [*story.experiments]
    story.plans, story.task = [*story.plans], dict(story.task)
    story.step()
    story.experiments[-1] = running(story.experiments[-1], message="level chat x 8")
    return of(story)


def of(story: Story, **changes: Any) -> ReportData:
    """The report of a story as it stands, its task changed as said."""
    written = story.plans[-1].write_recommendation
    task = merged(story.task, changes)
    return report_data.read(task, story.experiments, after(86_400), recommendation=written)


def objects(story: Story) -> list[Object]:
    """What the API server has of a story: the task, its experiments, and the recommendation."""
    written = story.plans[-1].write_recommendation
    return [story.task, *story.experiments, *([written] if written else [])]


def large(count: int) -> ReportData:
    """The report of a task with so many experiments, of which the first are those of `finished`."""
    story = finished_story()
    experiments = [*story.experiments]
    chance = random.Random(1)
    over = 4000.0
    while len(experiments) < count:
        other = copy.deepcopy(story.experiments[chance.randrange(1, 20)])
        other["metadata"]["name"] = f"chat-{len(experiments)}"
        other["spec"] |= {"purpose": "Search"}
        args = [
            f"--tp-size={chance.choice([1, 2])}",
            f"--mem-fraction-static={chance.choice([0.7, 0.75, 0.8, 0.85, 0.9, 0.95])}",
            f"--chunked-prefill-size={chance.choice([1024, 2048, 4096, 8192])}",
            f"--schedule-conservativeness={chance.choice([0.5, 1.0, 1.5])}",
            f"--schedule-policy={chance.choice(['lpm', 'fcfs'])}",
        ]
        other["spec"]["service"]["args"] = args
        pairs = (one.removeprefix("--").split("=") for one in args)
        other["spec"]["parameters"] = [{"name": name, "value": value} for name, value in pairs]
        result, over = measured(other, over + 5)
        experiments.append(result)
    task = merged(story.task, {"status": {"experiments": {"summary": f"{count}/{count}"}}})
    return report_data.read(task, experiments, after(over), recommendation=story.plans[-1].write_recommendation)
