"""One benchmark: wait for the engine, then have the load client run level after level, as long as that is of use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from autotuner.benchmark.contract import hub
from autotuner.benchmark.contract.level_run import LevelRun
from autotuner.benchmark.contract.messages import (
    ClientEvent,
    ClientFailed,
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    RunLevel,
    TokenizerFailed,
    TokenizerLoaded,
    WarmedUp,
)
from autotuner.benchmark.contract.result import Failure
from autotuner.benchmark.contract.spec import RunnerSpec, api_key
from autotuner.benchmark.runner.client_process import ClientGoneError, ClientProcess
from autotuner.benchmark.runner.engine_client import EngineClient, NotServingError
from autotuner.benchmark.runner.level_figures import LevelLimits, judge
from autotuner.benchmark.runner.level_order import Ended, next_step
from autotuner.benchmark.runner.log import Log
from autotuner.benchmark.runner.progress import Progress

POLL_SECONDS = 0.1
# A hub that does not answer is given up soon; what is read from here takes as long as the CPU lets it.
HUB_SECONDS = 55.0
LOADING_SECONDS = 180.0
# Beyond a level's own limit: warm-up, saving, clearing up.
LEVEL_SLACK_SECONDS = 120.0


class BenchmarkError(Exception):
    """A benchmark that cannot go on, with the kind of its failure."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Runner:
    """Runs one benchmark with the load client of the given module, which starts loading at once."""

    def __init__(self, spec: RunnerSpec, client: str, environment: Mapping[str, str], log: Log) -> None:
        self._spec, self._log = spec, log
        self.progress = Progress()
        try:
            self._engine = EngineClient(spec.api_base, api_key(environment))
        except ValueError as problem:
            raise BenchmarkError("Unauthorized", str(problem)) from None
        self._started = time.monotonic()
        self._tokenizer_loaded = False
        self._ready_for: int | None = None
        self._recorded: LevelRun | None = None
        spec.work_dir.mkdir(parents=True, exist_ok=True)
        self._client = ClientProcess(client, spec.work_dir, environment)

    def run(self) -> None:
        """Measure the ladder, or search for the boundary; the findings are in `progress`.

        Raises:
            BenchmarkError: the benchmark failed; the levels that finished before are in `progress`.
        """
        try:
            model = self._await_engine()
            self._await(lambda: self._ready_for == 0, LOADING_SECONDS, "the load client did not load")
            self._climb(model)
        except ClientGoneError as error:
            raise BenchmarkError("Internal", f"{error}\n{self._client.tail()}") from error
        finally:
            self.progress.finished = time.time()
            self._client.stop()

    def _await_engine(self) -> str:
        """The model to use, as soon as the engine completes with it; the load client is watched meanwhile."""
        self._log(f"waiting up to {self._spec.startup_seconds:.0f} s for {self._spec.api_base}")
        try:
            models = self._await_models()
            ready = time.time()
            model = self._choose(models)
            self._engine.complete(model)
        except NotServingError as error:
            # The tokenizer is the user's own mistake: it goes first.
            self._await_tokenizer()
            raise BenchmarkError(error.failure, str(error)) from error
        self.progress.engine_ready = ready
        self.progress.engine_version = self._engine.version(self._spec.version_calls)
        self._log(f"the engine serves {model}")
        self._await_tokenizer()
        return model

    def _await_models(self) -> list[str]:
        while (models := self._engine.models()) is None:
            self._listen(POLL_SECONDS)
            if time.monotonic() - self._started > self._spec.startup_seconds:
                raise NotServingError(
                    f"no model list from {self._spec.api_base} within {self._spec.startup_seconds:.0f} s;"
                    f" {self._engine.last_error}"
                )
        return models

    def _choose(self, models: list[str]) -> str:
        model = self._spec.model or (models[0] if len(models) == 1 else "")
        if model in models:
            return model
        if model:
            raise NotServingError(
                f"the engine serves {', '.join(models)}, not {model}: name one of these in runtime.servedModelName (of"
                " a TuningExperiment: service.servedModelName)",
                "ModelNameAmbiguous",
            )
        raise NotServingError(
            f"the engine serves several names ({', '.join(models)}), and nothing says which one to measure:"
            " name it in runtime.servedModelName (of a TuningExperiment: service.servedModelName)",
            "ModelNameAmbiguous",
        )

    def _climb(self, model: str) -> None:
        number = 0
        while not isinstance(step := next_step(self.progress.levels, self._spec), Ended):
            self._await_client(number)
            if self._spec.cache_flush:
                self._engine.flush_cache(self._spec.cache_flush)
            scenario, offered = step
            self._client.send(RunLevel(model=model, scenario=scenario, offered=offered))
            self._accept(self._await_level())
            number += 1
        self.progress.ladder, self.progress.note = step.ladder, step.note

    def _accept(self, run: LevelRun) -> None:
        simulated = self._spec.tokenizer.source == "Builtin"
        spec = self._spec
        limits = LevelLimits(spec.max_minutes_per_level, spec.holds_length, simulated, spec.request_limits)
        judgement = judge(run, limits)
        self.progress.levels_seconds += run.stopped - run.started
        self.progress.warnings += judgement.warnings
        for warning in judgement.warnings:
            self._log(f"warning: {warning}")
        if judgement.level is None:
            raise BenchmarkError(judgement.failure, judgement.problem or "a level was not accepted")
        self.progress.levels.append(judgement.level)
        self._log.level(judgement.level)

    def _await_client(self, level: int) -> None:
        self._await(lambda: self._ready_for == level, LEVEL_SLACK_SECONDS, "the load client did not come back")

    def _await_level(self) -> LevelRun:
        self._recorded = None
        seconds = 60 * self._spec.max_minutes_per_level + LEVEL_SLACK_SECONDS
        self._await(lambda: self._recorded is not None, seconds, "the load client did not finish a level")
        assert self._recorded is not None, "just awaited"
        return self._recorded

    def _await_tokenizer(self) -> None:
        self._await(lambda: self._tokenizer_loaded, 0.0, "")

    def _await(self, done: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self._listen(POLL_SECONDS)
            if self._tokenizer_loaded and time.monotonic() > deadline and not done():
                raise BenchmarkError("Internal", f"{complaint} within {seconds:.0f} s\n{self._client.tail()}")

    def _listen(self, seconds: float) -> None:
        """Take in what the load client says within so many seconds."""
        for event in self._client.events(seconds):
            self._take_in(event)
        if not self._tokenizer_loaded:
            self._check_tokenizer(time.monotonic() - self._started)

    def _check_tokenizer(self, waited: float) -> None:
        """Give up on a tokenizer that takes too long: what everyone lacks is told apart from a lack of CPU."""
        from_hub = self._spec.tokenizer.source == "Hub"
        limit = HUB_SECONDS if from_hub else LOADING_SECONDS
        if waited <= limit:
            return
        why = "the benchmark is short of CPU, or its volume does not answer"
        if from_hub:
            why = f"{hub.no_answer()}; {hub.ADVICE}"
        message = f"benchmark.tokenizer: it did not load within {limit:.0f} s; {why}"
        raise BenchmarkError("Tokenizer" if from_hub else "ClientOverloaded", message)

    def _take_in(self, event: ClientEvent) -> None:
        match event:
            case TokenizerLoaded():
                self._tokenizer_loaded = True
            case TokenizerFailed():
                raise BenchmarkError("Tokenizer", event.message)
            case ReadyForLevel():
                self._ready_for = event.level
            case FirstRequest():
                self.progress.first_request = event.unix_seconds
            case WarmedUp():
                self.progress.warmup_seconds = event.seconds
                self._log(f"warm-up took {event.seconds:.1f} s" + (f"; {event.error}" if event.error else ""))
            case LevelRecorded():
                self._recorded = LevelRun.read(event.path)
            case ClientFailed():
                raise BenchmarkError("Internal", f"the load client failed: {event.message}\n{self._client.tail()}")
