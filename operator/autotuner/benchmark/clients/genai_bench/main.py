"""The load client that is genai-bench: loads everything while the engine still starts, then climbs the ladder."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from autotuner.benchmark.clients.environment import prepare_environment
from autotuner.benchmark.clients.genai_bench.recorder import Recorder
from autotuner.benchmark.clients.import_stubs import leave_out
from autotuner.benchmark.clients.prompts import Prompts
from autotuner.benchmark.clients.tokenizer_loading import location
from autotuner.benchmark.clients.told_to_runner import failure, loaded_tokenizer
from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.messages import (
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    WarmedUp,
)
from autotuner.benchmark.contract.spec import KEY_VARIABLE, RunnerScenario, RunnerSpec, api_key, load_spec

# genai-bench insists on a key and writes it into its files; it gets this one.
PLACEHOLDER_KEY = "none"
PLACEHOLDER_MODEL = "model"
FEWEST_WARMUPS = 3
LONGEST_WARMUP_SECONDS = 60.0
LONGEST_DRAWING_SECONDS = 10.0


class LadderSession:
    """One ladder: obeys the runner's commands, and is what genai-bench is steered by."""

    def __init__(self, spec: RunnerSpec, key: str, tokenizer: Any, runner: RunnerConnection) -> None:
        self.key, self.tokenizer = key, tokenizer
        self.recorder = Recorder(spec.max_requests_per_level)
        self.warming = self.running = False
        self._spec, self._runner = spec, runner
        self._streams: dict[tuple[str, int], Prompts] = {}
        self._warmup: Prompts | None = None
        self._sampler: Any = None
        self._stream: Prompts | None = None
        self._model = ""
        self._next_level = 0
        self._sent = False

    def next_request(self) -> Any:
        """The next request of the level or warm-up that is running."""
        assert self._stream is not None, "requests are only sent between before_level and after_level"
        return self._stream.take(self._model)

    def sending(self) -> None:
        """Tell the runner that a request is about to be sent, if it is the first."""
        if not self._sent:
            self._sent = True
            self._runner.send(FirstRequest(unix_seconds=time.time()))

    def before_level(self, environment: Any) -> int:
        """Announce the next level to the runner and get ready for the one that it names: how many users it has."""
        index, self._next_level = self._next_level, self._next_level + 1
        if index == 0:
            self._open_streams(environment)
        self._runner.send(ReadyForLevel(level=index))
        command = self._runner.receive()
        concurrency = int(command.offered)
        level = (command.scenario, concurrency)
        if level not in self._streams:
            self._streams[level] = self._level_stream(command.scenario, concurrency)
            # Nothing is drawn yet, and drawing would hold up the event loop while the level runs.
            deadline = time.monotonic() + LONGEST_DRAWING_SECONDS
            while time.monotonic() < deadline and self._streams[level].draw_one_ahead():
                pass
        if not self._model:
            self._model = command.model
            self._warm_up(environment, concurrency)
        self._stream = self._streams[level]
        self.running = True
        self.recorder.begin(index, command.scenario, concurrency)
        return concurrency

    def after_level(self, completed: int, errors: int) -> None:
        """Record the level that is over and hand it to the runner; the counts are genai-bench's own."""
        if self.running:
            self.running = False
            path = self.recorder.finish(self._spec.work_dir, completed, errors)
            self._runner.send(LevelRecorded(path=path))

    def _open_streams(self, environment: Any) -> None:
        import gevent

        self._sampler = environment.sampler
        scenario, offered = self._spec.planned[0]
        self._warmup = self._prompts("warm-up", scenario, int(offered), int(offered) + FEWEST_WARMUPS)
        for each, users in self._spec.planned:
            self._streams[each.name, int(users)] = self._level_stream(each.name, int(users))
        gevent.spawn(self._draw_ahead, [self._warmup, *self._streams.values()])

    def _level_stream(self, name: str, concurrency: int) -> Prompts:
        scenario = next(one for one in self._spec.scenarios if one.name == name)
        return self._prompts("level", scenario, concurrency, self._spec.max_requests_per_level)

    def _prompts(self, purpose: str, scenario: RunnerScenario, concurrency: int, expected: int) -> Prompts:
        from genai_bench.scenarios import Scenario

        key = (self._spec.seed, self._spec.block, purpose, scenario.name, scenario.load, concurrency)
        return Prompts(self._sampler, Scenario.from_string(scenario.load), key, expected)

    def _draw_ahead(self, streams: Sequence[Prompts]) -> None:
        """Draw prompts whenever no level runs: drawing holds up the event loop, which would show in TTFT."""
        import gevent

        for stream in streams:
            while True:
                while self.running:
                    gevent.sleep(0.1)
                if not stream.draw_one_ahead():
                    break
                gevent.sleep(0)

    def _warm_up(self, environment: Any, concurrency: int) -> None:
        """A few requests of the first level's shape, at its concurrency, that nobody counts."""
        import gevent

        from autotuner.benchmark.clients.genai_bench.hooks import RecordingUser

        self._stream, self.warming, started = self._warmup, True, time.monotonic()
        rounds = -(-FEWEST_WARMUPS // concurrency)
        answers: list[Any] = []

        def user() -> None:
            member = RecordingUser(environment)
            member.on_start()
            for _ in range(rounds):
                member.chat()
                answers.append(member.last_response)

        users = [gevent.spawn(user) for _ in range(concurrency)]
        gevent.joinall(users, timeout=LONGEST_WARMUP_SECONDS)
        gevent.killall(users)
        self.warming = False
        bad = [a for a in answers if a.status_code != 200]
        error = f"{len(bad)} of {len(answers)} failed: {bad[-1].error_message}" if bad else ""
        self._runner.send(WarmedUp(seconds=time.monotonic() - started, error=error))


def arguments(spec: RunnerSpec) -> list[str]:
    """genai-bench's command line for a spec; the order of options matters to it."""
    options = [
        ("--api-backend", spec.backend),
        ("--api-base", spec.api_base),
        ("--api-key", PLACEHOLDER_KEY),
        ("--api-model-name", spec.model or PLACEHOLDER_MODEL),
        ("--model-tokenizer", location(spec.tokenizer)),
        ("--model", spec.model or PLACEHOLDER_MODEL),
        ("--task", spec.task),
        ("--max-time-per-run", str(spec.max_minutes_per_level)),
        ("--max-requests-per-run", str(spec.max_requests_per_level)),
        ("--experiment-base-dir", str(spec.work_dir)),
        ("--experiment-folder-name", "genai-bench"),
        ("--log-dir", str(spec.work_dir / "log")),
        # As many runs as there may be levels; the runner says which level each of them is.
        *(("--num-concurrency", str(n + 1)) for n in range(spec.most_levels * len(spec.scenarios))),
        ("--traffic-scenario", spec.scenarios[0].load),
        ("--additional-request-params", json.dumps(spec.request_params)),
        ("--metrics-refresh-interval", "1000"),
    ]
    return ["benchmark", *(word for option in options for word in option)]


def main() -> None:
    """Run as the runner's load client, started with `client_command`."""
    runner = RunnerConnection.from_arguments(sys.argv[1:])
    spec = load_spec(os.environ)
    prepare_environment(spec)
    key = api_key(os.environ)
    os.environ.pop(KEY_VARIABLE, None)

    import locust  # noqa: F401 - gevent must patch sockets and locks before anything else is imported

    tokenizer = loaded_tokenizer(spec.tokenizer, runner)

    # After transformers, which looks at what is installed.
    leave_out()
    with failure(runner):
        from genai_bench.cli.cli import cli

        from autotuner.benchmark.clients.genai_bench.hooks import install

        install(LadderSession(spec, key, tokenizer, runner))
        cli.main(args=arguments(spec), standalone_mode=False)


if __name__ == "__main__":
    main()
