"""What is added to genai-bench 0.0.5: single requests with timestamps, fixed prompts, a key that never reaches it.

The version is pinned; `install`, the user's class and `marked_sampler` name every place that is touched.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, Protocol, get_args

import gevent
from genai_bench.cli import cli, validation
from genai_bench.metrics.aggregated_metrics_collector import AggregatedMetricsCollector
from genai_bench.protocol import UserResponse
from genai_bench.user.openai_user import OpenAIUser
from genai_bench.version import __version__
from locust.runners import LocalRunner

from autotuner.api.common import ClientBackend
from autotuner.benchmark.clients import marked_sampler  # noqa: F401 - being imported registers it
from autotuner.benchmark.clients.genai_bench.recorder import Recorder
from autotuner.benchmark.contract.level_run import Request

SUPPORTED_VERSION = "0.0.5"
TICK_SECONDS = 0.1
LONGEST_ERROR = 300
_NO_ANSWER = ("Connection error: ", "Request timed out: ", "unreadable answer: ")
LONGEST_BACKOFF_SECONDS = 1.0
# Output tokens of a warm-up request: compilation and graph capture happen in the first steps.
WARMUP_TOKENS = 8


class Session(Protocol):
    """What steers genai-bench through a ladder: which request comes next, when a level starts."""

    key: str
    tokenizer: Any
    recorder: Recorder
    warming: bool
    running: bool

    def next_request(self) -> Any:
        """The next request to send."""

    def sending(self) -> None:
        """Note that a request is about to be sent."""

    def before_level(self, environment: Any) -> int:
        """Get ready for the next level; how many users it has."""

    def after_level(self, completed: int, errors: int) -> None:
        """Take in that a level is over; the counts are genai-bench's own."""


class RecordingUser(OpenAIUser):  # type: ignore[misc] # genai-bench has no types
    """genai-bench's user, with timestamps and with the key that genai-bench itself never sees."""

    session: Session

    def on_start(self) -> None:
        """Join the level: take a number, put the real key into the headers."""
        super().on_start()
        self.headers.pop("Authorization", None)
        if self.session.key:
            self.headers["Authorization"] = f"Bearer {self.session.key}"
        self.number = self.session.recorder.next_user()
        self.errors_in_a_row = 0

    def sample(self) -> Any:
        """The next prompt of the level, the same in every run."""
        return self.session.next_request()

    def send_request(
        self,
        stream: bool,
        endpoint: str,
        payload: dict[str, Any],
        parse_strategy: Callable[..., Any],
        num_prefill_tokens: int | None = None,
    ) -> Any:
        """Send a request and record what became of it, even if the level ends before the answer."""
        if self.session.warming:
            payload = {k: v for k, v in payload.items() if k != "min_tokens"}
            payload["max_tokens"] = min(payload.get("max_tokens") or WARMUP_TOKENS, WARMUP_TOKENS)
        self.usage_seen = False
        asked = payload.get("max_tokens") or 0
        self.session.sending()
        start = time.monotonic()
        try:
            response = super().send_request(stream, endpoint, payload, parse_strategy, num_prefill_tokens)
        except gevent.GreenletExit:
            self._record(Request(self.number, start, time.monotonic(), time.monotonic(), asked=asked, cut=True))
            raise
        except Exception as error:
            # A stream that cannot be read would otherwise not be counted at all.
            response = UserResponse(status_code=500, error_message=f"unreadable answer: {error!r}")
            self.collect_metrics(response, endpoint)
        end = time.monotonic()
        if response.status_code == 200:
            first = response.time_at_first_token
            counts = (response.num_prefill_tokens, response.tokens_received, asked, self.usage_seen)
            self._record(Request(self.number, response.start_time, first, response.end_time, *counts))
            self.errors_in_a_row = 0
        else:
            text = self._safe(response.error_message)
            # The codes of the others are genai-bench's own invention: no server said them.
            if not text.startswith(_NO_ANSWER):
                text = f"HTTP {response.status_code}: {text}"
            self._record(Request(self.number, start, end, end, asked=asked, error=text))
            self.errors_in_a_row += 1
            # Without a pause an outage would be answered with hundreds of requests per second.
            gevent.sleep(min(LONGEST_BACKOFF_SECONDS, 0.1 * self.errors_in_a_row))
        self.last_response = response
        return response

    def collect_metrics(self, user_response: Any, endpoint: str) -> None:
        """Count a response as genai-bench does, but not in warm-up, and without the key in what a server may echo."""
        if self.session.warming:
            return
        if user_response.status_code != 200:
            user_response.error_message = self._safe(user_response.error_message)
        super().collect_metrics(user_response, endpoint)

    def _get_usage_info(self, data: dict[str, Any], num_prefill_tokens: int | None) -> Any:
        self.usage_seen = True
        return super()._get_usage_info(data, num_prefill_tokens)

    def _record(self, request: Request) -> None:
        if not self.session.warming:
            self.session.recorder.add(request)

    def _safe(self, text: str | None) -> str:
        text = text or ""
        if self.session.key:
            text = text.replace(self.session.key, "***")
        return text[:LONGEST_ERROR]


def install(session: Session) -> None:
    """Let the session steer genai-bench in this process.

    Raises:
        RuntimeError: this is another version of genai-bench.
    """
    if __version__ != SUPPORTED_VERSION:
        raise RuntimeError(f"genai-bench {__version__} is installed, {SUPPORTED_VERSION} is needed")
    RecordingUser.session = session
    for backend in get_args(ClientBackend):
        validation.API_BACKEND_USER_MAP[backend] = RecordingUser
    cli.validate_tokenizer = lambda _: session.tokenizer
    cli.plot_single_scenario_inference_speed_vs_throughput = lambda *_: None
    cli.manage_run_time = lambda max_time_per_run, **_: _run_level(session, max_time_per_run)

    start = LocalRunner.start

    def gated_start(runner: Any, *_: Any, **__: Any) -> None:
        # genai-bench only counts the levels; all users of a level start within a second.
        users = session.before_level(runner.environment)
        start(runner, users, float(users))

    LocalRunner.start = gated_start

    aggregate = AggregatedMetricsCollector.aggregate_metrics_data

    def aggregate_answers(collector: Any, *args: Any, **more: Any) -> None:
        # Where every request failed genai-bench would end the run; our figures are not made of its own.
        if collector.aggregated_metrics.num_completed_requests:
            aggregate(collector, *args, **more)

    AggregatedMetricsCollector.aggregate_metrics_data = aggregate_answers

    save = AggregatedMetricsCollector.save

    def reported_save(collector: Any, *args: Any, **more: Any) -> None:
        save(collector, *args, **more)
        counts = collector.aggregated_metrics
        session.after_level(counts.num_completed_requests, sum(counts.error_codes_frequency.values()))

    AggregatedMetricsCollector.save = reported_save


def _run_level(session: Session, seconds: float) -> int:
    """Wait until the level is over: time, requests or an outage. genai-bench itself looks once a second only."""
    started = time.monotonic()
    for _ in itertools.count():
        elapsed = time.monotonic() - started
        recorder = session.recorder
        if not session.running or elapsed >= seconds or recorder.enough or recorder.outage:
            return int(elapsed)
        before = time.monotonic()
        gevent.sleep(TICK_SECONDS)
        recorder.late_by(time.monotonic() - before - TICK_SECONDS)
    return 0
