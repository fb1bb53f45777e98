"""The runner's child: loads everything while the engine still starts, then climbs the ladder with genai-bench.

It talks to the runner over two pipes, one JSON object per line. Up: {"tokenizer": null | error}, {"gate": level},
{"firstRequest": unix time}, {"warmup": seconds, "error": text}, {"level": path}, {"failed": text}. Down, once per gate:
{"run": true, "model": name} or {"run": false}. No level starts without leave, so the ladder can be ended at any point.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from typing import Any

from autotuner.benchmark.clients.genai_bench.import_stubs import leave_out
from autotuner.benchmark.clients.genai_bench.prompts import Prompts
from autotuner.benchmark.clients.genai_bench.recorder import Recorder
from autotuner.benchmark.clients.genai_bench.tokenizer_loading import TokenizerError, load_tokenizer, location
from autotuner.benchmark.contract.spec import KEY_VARIABLE, RunnerSpec, load_spec

# genai-bench insists on a key and writes it into its files; it gets this one.
PLACEHOLDER_KEY = "none"
PLACEHOLDER_MODEL = "model"
FEWEST_WARMUPS = 3
LONGEST_WARMUP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


class LadderSession:
    """The child's side of the conversation, and what genai-bench is steered by."""

    def __init__(self, spec: RunnerSpec, key: str, tokenizer: Any, pipes: Pipes) -> None:
        self.key, self.tokenizer = key, tokenizer
        self.recorder = Recorder(spec.max_requests_per_level)
        self.warming = self.running = False
        self._spec, self._pipes = spec, pipes
        self._streams: list[Prompts] = []
        self._stream: Prompts | None = None
        self._model = ""
        self._next_level = 0
        self._sent = False

    def next_request(self) -> Any:
        """The next request of the current stream."""
        assert self._stream is not None, "requests are only sent between before_level and after_level"
        return self._stream.take(self._model)

    def sending(self) -> None:
        """Tell the runner of the very first request."""
        if not self._sent:
            self._sent = True
            self._pipes.tell(firstRequest=time.time())

    def before_level(self, environment: Any, concurrency: int) -> bool:
        """Wait for leave to run the next level."""
        index, self._next_level = self._next_level, self._next_level + 1
        if index == 0:
            self._open_streams(environment)
        self._pipes.tell(gate=index)
        command = self._pipes.command()
        if not command["run"]:
            return False
        if not self._model:
            self._model = command["model"]
            self._warm_up(environment, concurrency)
        self._stream = self._streams[index + 1]
        self.running = True
        self.recorder.begin(index, self._spec.levels[index][0].name, concurrency)
        return True

    def after_level(self, completed: int, errors: int) -> None:
        """Hand the level to the runner."""
        if self.running:
            self.running = False
            self._pipes.tell(level=str(self.recorder.finish(self._spec.work_dir, completed, errors)))

    def _open_streams(self, environment: Any) -> None:
        import gevent
        from genai_bench.scenarios import Scenario

        spec = self._spec
        warmup = ("warm-up", spec.levels[0][0], spec.levels[0][1])
        for purpose, scenario, concurrency in [warmup, *(("level", s, c) for s, c in spec.levels)]:
            key = (spec.seed, spec.block, purpose, scenario.name, scenario.load, concurrency)
            expected = concurrency + (FEWEST_WARMUPS if purpose == "warm-up" else spec.max_requests_per_level)
            shape = Scenario.from_string(scenario.load)
            self._streams.append(Prompts(environment.sampler, shape, key, expected))
        gevent.spawn(self._draw_ahead)

    def _draw_ahead(self) -> None:
        """Draw prompts whenever no level runs: drawing holds up the event loop, which would show in TTFT."""
        import gevent

        for stream in self._streams:
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

        self._stream, self.warming, started = self._streams[0], True, time.monotonic()
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
        error = f"{len(bad)} of {len(answers)} failed: {bad[-1].error_message}" if bad else None
        self._pipes.tell(warmup=time.monotonic() - started, error=error)


class Pipes:
    """Lines of JSON to and from the runner."""

    def __init__(self, commands: int, events: int) -> None:
        self._commands, self._events = commands, events
        self._pending = b""

    def tell(self, **event: Any) -> None:
        """Send an event."""
        os.write(self._events, json.dumps(event).encode() + b"\n")

    def command(self) -> dict[str, Any]:
        """The next command; other greenlets run meanwhile. Ends the process if the runner is gone."""
        from gevent.select import select

        while b"\n" not in self._pending:
            select([self._commands], [], [])
            piece = os.read(self._commands, 4096)
            if not piece:
                os._exit(1)
            self._pending += piece
        line, self._pending = self._pending.split(b"\n", 1)
        return dict(json.loads(line))


def arguments(spec: RunnerSpec) -> list[str]:
    """genai-bench's command line; the order matters to it."""
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
        *(("--num-concurrency", str(c)) for c in spec.concurrency),
        *(("--traffic-scenario", s.load) for s in spec.scenarios),
        ("--additional-request-params", json.dumps(spec.request_params)),
        ("--metrics-refresh-interval", "1000"),
    ]
    return ["benchmark", *(word for option in options for word in option)]


def main() -> None:
    """Run as the runner's child: the pipes' file descriptors and its process id are the arguments."""
    commands, events, parent = map(int, sys.argv[1:])
    _die_with_parent(parent)
    pipes = Pipes(commands, events)
    spec = load_spec(os.environ)
    key = os.environ.pop(KEY_VARIABLE, "")

    import locust  # noqa: F401 - gevent must patch sockets and locks before anything else is imported

    try:
        tokenizer = load_tokenizer(spec.tokenizer, os.environ.get("HF_TOKEN"))
    except TokenizerError as error:
        pipes.tell(tokenizer=str(error))
        sys.exit(1)
    pipes.tell(tokenizer=None)

    # After transformers, which looks at what is installed.
    leave_out()
    try:
        from genai_bench.cli.cli import cli

        from autotuner.benchmark.clients.genai_bench.hooks import install

        install(LadderSession(spec, key, tokenizer, pipes))
        cli.main(args=arguments(spec), standalone_mode=False)
    except BaseException as error:
        pipes.tell(failed=f"{type(error).__name__}: {error}"[:600])
        raise


def _die_with_parent(parent: int) -> None:
    """Even a runner that is killed outright must not leave a client that goes on loading the engine."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main()
