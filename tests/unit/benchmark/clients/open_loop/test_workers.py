"""The processes that send: what arrives at a server is what was ordered, and what they record is what it answered."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from autotuner.benchmark.clients.open_loop.arrivals import due_times
from autotuner.benchmark.clients.open_loop.orders import Order
from autotuner.benchmark.clients.open_loop.request_body import request_body
from autotuner.benchmark.clients.open_loop.workers import WorkerGoneError, Workers
from autotuner.benchmark.contract.level_run import Request
from autotuner.benchmark.contract.spec import KEY_VARIABLE, SPEC_VARIABLE, RunnerArrivals
from tests.support.absorber import Absorber, absorber

RATE = 100.0
# Work of others on the machine may hold up a process; a client that is systematically late is seen all the same.
HELD_UP_SECONDS = 5.0


@pytest.fixture(scope="module")
def server() -> Iterator[Absorber]:
    with absorber(ttft=0.02, tpot=0.002) as found:
        yield found


@pytest.fixture(scope="module")
def workers(server: Absorber) -> Iterator[Workers]:
    """Two of them, ready to send."""
    with started(server.url, 2) as found:
        found.cut()
        yield found


@contextmanager
def started(url: str, count: int) -> Iterator[Workers]:
    """So many workers for the server of this URL."""
    spec = {
        "apiBase": url,
        "backend": "sglang",
        "scenarios": [{"name": "chat", "load": "D(10,10)"}],
        "rates": [RATE],
        "tokenizer": {"source": "Builtin"},
        "workDir": "/nowhere",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPEC_VARIABLE, json.dumps(spec))
        patch.setenv(KEY_VARIABLE, "")
        found = Workers(count)
    yield found
    found.stop()


def run(workers: Workers, count: int, asked: int = 5) -> tuple[list[Order], list[Request]]:
    """Send so many requests by a Poisson schedule, and wait for all of them."""
    zero = time.monotonic() + 0.2
    times = itertools.islice(due_times(RunnerArrivals(), RATE, "key"), count)
    orders = [
        Order(k, zero + due, asked + k % 3, request_body("m", f"prompt {k}", asked + k % 3, {}, "sglang"))
        for k, due in enumerate(times)
    ]
    for order in orders:
        workers.send(order)
    over: list[Request] = []
    deadline = time.monotonic() + 30
    while len(over) < count and time.monotonic() < deadline:
        over += workers.over(0.1)
    return orders, sorted(over, key=lambda request: request.user)


def test_what_arrives_is_what_was_drawn(workers: Workers, server: Absorber) -> None:
    server.offered.clear()
    orders, over = run(workers, 60)
    arrived = {one.prompt: one for one in server.offered}
    assert len(server.offered) == len(arrived) == len(orders) == len(over), "each once"
    assert server.most_connections > 1, "none waits for another"
    for order, request in zip(orders, over, strict=True):
        one = arrived[f"prompt {order.number}"]
        assert one.asked == order.asked == request.asked == request.output_tokens
        assert one.body == json.loads(order.body)
        assert order.due <= one.arrived < order.due + HELD_UP_SECONDS
        assert order.due + request.late == pytest.approx(request.start, abs=1e-6)
        assert request.start <= one.arrived
        assert one.first <= request.first and one.last <= request.end, "nothing is known before it was written"
        assert request.usage and request.ok


def test_requests_do_not_wait_for_each_other(workers: Workers, server: Absorber) -> None:
    """A server that answers nothing for long gets the next request all the same, over one more connection."""
    server.offered.clear()
    now = time.monotonic()
    for number in range(150):
        workers.send(Order(number, now, 100_000, request_body("m", f"prompt {number}", 100_000, {}, "sglang")))
    deadline = time.monotonic() + 30
    while len(server.offered) < 150 and time.monotonic() < deadline:
        time.sleep(0.05)
    requests, cpu_seconds = workers.cut()
    assert server.most_connections >= 150
    assert len(requests) == 150 and all(request.cut for request in requests)
    assert cpu_seconds > 0


def test_what_is_not_due_is_dropped_with_the_level(workers: Workers, server: Absorber) -> None:
    server.offered.clear()
    workers.send(Order(0, time.monotonic() + 3600, 5, "{}"))
    assert workers.cut()[0] == []
    _, over = run(workers, 3)
    assert len(over) == len(server.offered) == 3


def test_a_server_that_is_gone_is_an_error_of_the_request() -> None:
    with absorber() as gone:
        url = gone.url
    with started(url, 1) as workers:
        workers.send(Order(0, time.monotonic(), 5, "{}"))
        over: list[Request] = []
        while not over:
            over = workers.over(1.0)
        assert over[0].error.startswith("Connection error: ")
        workers.stop()
        with pytest.raises(WorkerGoneError, match="ended with code"):
            workers.cut()
