"""`python -m autotuner.benchmark.runner`: one benchmark, from an engine that still starts to a result of 4 KiB.

Process 1 of the benchmark's container. Exit codes: 0 accepted result; 1 the benchmark failed; 2 the description cannot
be used; 3 the engine does not serve; 143 terminated. The termination message holds the result in every case.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from autotuner.api.experiment import Ladder, Level
from autotuner.benchmark.contract.level_run import LevelRun
from autotuner.benchmark.contract.result import Failure, Result, encode, rounded
from autotuner.benchmark.contract.spec import (
    DEFAULT_TERMINATION_LOG,
    KEY_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    RunnerSpec,
    SpecError,
    load_spec,
)
from autotuner.benchmark.runner.client_process import Child, ChildGoneError
from autotuner.benchmark.runner.engine_client import Engine, NotServingError
from autotuner.benchmark.runner.ladder import Rules, Stopped, ladder_top, would_stop
from autotuner.benchmark.runner.level_figures import Limits, judge

POLL_SECONDS = 0.1
TOKENIZER_SECONDS = 55.0
LOADING_SECONDS = 180.0
# Beyond a level's own limit: warm-up, saving, clearing up.
LEVEL_SLACK_SECONDS = 120.0
EXIT_CODES: dict[Failure | None, int] = {None: 0, "Spec": 2, "EngineNotServing": 3, "Terminated": 143}


class BenchmarkError(Exception):
    """The benchmark cannot go on."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


@dataclass
class Progress:
    """What is known so far; a result can be made of it at any time."""

    levels: list[Level] = field(default_factory=list)
    ladder: Ladder | None = None
    note: str = ""
    warnings: list[str] = field(default_factory=list)
    engine_ready: float | None = None
    first_request: float | None = None
    finished: float | None = None
    warmup_seconds: float = 0.0
    levels_seconds: float = 0.0

    def result(self, failure: Failure | None = None, message: str = "") -> Result:
        """The result, accepted or failed."""
        finished = self.finished or time.time()
        overhead = None
        if self.first_request is not None:
            overhead = max(0.0, finished - self.first_request - self.warmup_seconds - self.levels_seconds)
        broken = failure is not None and self.first_request is not None
        return Result(
            levels=tuple(self.levels),
            ladder="Broken" if broken else self.ladder,
            failure=failure,
            message=message or self.note,
            warnings=tuple(dict.fromkeys(self.warnings)),
            engine_ready=_rfc3339(self.engine_ready),
            first_request=_rfc3339(self.first_request),
            benchmark_finished=_rfc3339(finished),
            warmup_seconds=self.warmup_seconds,
            levels_seconds=self.levels_seconds,
            overhead_seconds=overhead,
        )


class Runner:
    """One benchmark."""

    def __init__(self, spec: RunnerSpec, environment: Mapping[str, str], say: Say) -> None:
        self._spec, self._say = spec, say
        weights = {scenario.name: scenario.weight for scenario in spec.scenarios}
        self._rules = Rules(spec.concurrency, weights, spec.slos, spec.reach, spec.noise_margin)
        self.progress = Progress()
        self._engine = Engine(spec.api_base, environment.get(KEY_VARIABLE, ""))
        self._started = time.monotonic()
        self._tokenizer_loaded = self._waiting_at_gate = False
        self._finished: LevelRun | None = None
        spec.work_dir.mkdir(parents=True, exist_ok=True)
        self._child = Child(spec, environment)

    def run(self) -> None:
        """Measure the ladder.

        Raises:
            BenchmarkError: it ended early; what finished is in `progress`.
        """
        try:
            try:
                model = self._await_engine()
                self._await(lambda: self._waiting_at_gate, LOADING_SECONDS, "genai-bench did not load")
                self._climb(model)
            except ChildGoneError as error:
                raise BenchmarkError("Internal", f"{error}\n{self._child.tail()}") from error
        finally:
            self.progress.finished = time.time()
            self._child.stop()

    def _await_engine(self) -> str:
        """The model to use, as soon as the engine completes with it; the child is watched meanwhile."""
        self._say(f"waiting up to {self._spec.startup_seconds:.0f} s for {self._spec.api_base}")
        try:
            while (models := self._engine.models()) is None:
                self._listen(POLL_SECONDS)
                if time.monotonic() - self._started > self._spec.startup_seconds:
                    raise NotServingError(
                        f"no model list from {self._spec.api_base} within {self._spec.startup_seconds:.0f} s;"
                        f" {self._engine.last_error}"
                    )
            ready = time.time()
            model = self._choose(models)
            self._engine.complete(model)
        except NotServingError as error:
            # The tokenizer is the user's own mistake: it goes first.
            self._await_tokenizer()
            raise BenchmarkError("EngineNotServing", str(error)) from error
        self.progress.engine_ready = ready
        self._say(f"the engine serves {model}")
        self._await_tokenizer()
        return model

    def _choose(self, models: list[str]) -> str:
        model = self._spec.model or (models[0] if len(models) == 1 else "")
        if model in models:
            return model
        wanted = f"not {model}" if model else "so one has to be named"
        raise NotServingError(f"the engine serves {', '.join(models) or 'no model'}, {wanted}")

    def _climb(self, model: str) -> None:
        levels = [(scenario.name, concurrency) for scenario, concurrency in self._spec.levels]
        stopped: Stopped | None = None
        for index, (_, concurrency) in enumerate(levels):
            self._await(lambda: self._waiting_at_gate, LEVEL_SLACK_SECONDS, "genai-bench did not come back")
            self._waiting_at_gate = False
            if not self._wanted(concurrency):
                self._child.tell(run=False)
                continue
            if self._spec.backend == "sglang":
                self._engine.flush_cache()
            self._child.tell(run=True, model=model)
            self._accept(self._await_level())
            if stopped := would_stop(self.progress.levels, self._rules, levels[index + 1 :]):
                break
        top = ladder_top(self.progress.levels, self._rules)
        if stopped is None and top is not None and len(self.progress.levels) < len(levels):
            stopped = Stopped("StoppedSLO", top[1])
        self.progress.ladder = stopped.ladder if stopped else "Complete"
        self.progress.note = f"the ladder ended early: {stopped.why}" if stopped else ""

    def _await_level(self) -> LevelRun:
        self._finished = None
        seconds = 60 * self._spec.max_minutes_per_level + LEVEL_SLACK_SECONDS
        self._await(lambda: self._finished is not None, seconds, "genai-bench did not finish a level")
        assert self._finished is not None, "just awaited"
        return self._finished

    def _wanted(self, concurrency: int) -> bool:
        top = ladder_top(self.progress.levels, self._rules)
        return top is None or concurrency <= top[0]

    def _accept(self, run: LevelRun) -> None:
        spec = self._spec
        # "openai" engines are not asked to ignore the end of text.
        limits = Limits(spec.max_minutes_per_level, spec.backend != "openai")
        judgement = judge(run, limits)
        self.progress.levels_seconds += run.stopped - run.started
        self.progress.warnings += judgement.warnings
        for warning in judgement.warnings:
            self._say(f"warning: {warning}")
        if judgement.level is None:
            raise BenchmarkError("Acceptance", judgement.problem or "a level was not accepted")
        self.progress.levels.append(judgement.level)
        self._say(_readable(judgement.level))
        self._say(json.dumps(rounded(judgement.level.dump()), separators=(",", ":")))

    def _await_tokenizer(self) -> None:
        self._await(lambda: self._tokenizer_loaded, 0.0, "")

    def _await(self, done: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self._listen(POLL_SECONDS)
            if self._tokenizer_loaded and time.monotonic() > deadline and not done():
                raise BenchmarkError("Internal", f"{complaint} within {seconds:.0f} s\n{self._child.tail()}")

    def _listen(self, seconds: float) -> None:
        """Take in what the child says."""
        for event in self._child.events(seconds):
            if event.get("tokenizer"):
                raise BenchmarkError("Tokenizer", event["tokenizer"])
            if event.get("failed"):
                raise BenchmarkError("Internal", f"genai-bench failed: {event['failed']}\n{self._child.tail()}")
            self._tokenizer_loaded |= "tokenizer" in event
            self._waiting_at_gate |= "gate" in event
            if "firstRequest" in event:
                self.progress.first_request = event["firstRequest"]
            if "warmup" in event:
                self.progress.warmup_seconds = event["warmup"]
                self._say(f"warm-up took {event['warmup']:.1f} s" + (f"; {event['error']}" if event["error"] else ""))
            if "level" in event:
                self._finished = LevelRun.read(Path(event["level"]))
        if not self._tokenizer_loaded and time.monotonic() - self._started > TOKENIZER_SECONDS:
            raise BenchmarkError(
                "Tokenizer",
                f"benchmark.tokenizer: it did not load within {TOKENIZER_SECONDS:.0f} s; the hub, or a proxy before it,"
                " does not answer (HF_ENDPOINT, https_proxy), or use source ModelVolume",
            )


class Say:
    """The container's log; the API key is never in it."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, text: str) -> None:
        """Write a line, at once."""
        sys.stdout.write(self.safe(text) + "\n")
        sys.stdout.flush()

    def safe(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key, "***") if self._key else text


def run(environment: Mapping[str, str]) -> int:
    """One benchmark as the environment describes it; returns the exit code."""
    say = Say(environment.get(KEY_VARIABLE, ""))
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, _terminated)
    try:
        runner = None
        try:
            runner = Runner(load_spec(environment), environment, say)
            runner.run()
            result = runner.progress.result()
        finally:
            # From here on the result is written; a second signal must not interrupt that.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except SpecError as error:
        result = Result(failure="Spec", message=str(error))
    except BenchmarkError as error:
        progress = runner.progress if runner else Progress()
        result = progress.result(error.failure, str(error))
    except Exception as error:
        say(traceback.format_exc())
        progress = runner.progress if runner else Progress()
        result = progress.result("Internal", f"{type(error).__name__}: {error}")
    _report(result, say, Path(environment.get(TERMINATION_LOG_VARIABLE) or DEFAULT_TERMINATION_LOG))
    return EXIT_CODES.get(result.failure, 1)


def _report(result: Result, say: Say, path: Path) -> None:
    result = result.model_copy(update={"message": say.safe(result.message)})
    if result.failure:
        say(f"{result.failure}: {result.message}")
    else:
        overhead = f", {result.overhead_seconds:.1f} s neither" if result.overhead_seconds is not None else ""
        say(
            f"{result.ladder}: {len(result.levels)} levels in {result.levels_seconds:.1f} s{overhead}. {result.message}"
        )
    try:
        path.write_text(encode(result))
    except OSError as error:
        say(f"the result cannot be written to {path}: {error}")


def _readable(level: Level) -> str:
    tpot = f", TPOT p50 {level.tpot_seconds.p50 * 1000:.1f} ms" if level.tpot_seconds else ""
    return (
        f"{level.scenario} at concurrency {level.concurrency}: {level.output_tokens_per_second:.1f} tok/s,"
        f" {level.requests_per_second:.2f} requests/s, TTFT p50 {level.ttft_seconds.p50 * 1000:.0f} ms"
        f" p99 {level.ttft_seconds.p99 * 1000:.0f} ms{tpot} ({level.requests} requests, {level.errors} errors)"
    )


def _rfc3339(unix: float | None) -> str | None:
    if unix is None:
        return None
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _terminated(number: int, _frame: Any) -> NoReturn:
    raise BenchmarkError("Terminated", f"terminated by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(run(os.environ))
