"""The process of the benchmark's container around the runner: signals, termination message, exit code."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from autotuner.benchmark.contract.load_clients import LOAD_CLIENTS
from autotuner.benchmark.contract.result import Failure, Result, encode
from autotuner.benchmark.contract.spec import (
    DEFAULT_TERMINATION_LOG,
    KEY_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    RunnerSpec,
    SpecError,
    load_spec,
)
from autotuner.benchmark.runner.log import Log
from autotuner.benchmark.runner.progress import Progress
from autotuner.benchmark.runner.runner import BenchmarkError, Runner

EXIT_CODES: dict[Failure | None, int] = {
    None: 0,
    "Spec": 2,
    "EngineNotServing": 3,
    "Unauthorized": 3,
    "ModelNameAmbiguous": 3,
    "Terminated": 143,
}


def run_benchmark(environment: Mapping[str, str], clients: Mapping[str, str] = LOAD_CLIENTS) -> int:
    """Run one benchmark as the environment describes it and write its result as termination message and into the log.

    Args:
        environment: the container's variables; the load client gets them too.
        clients: modules of load clients by name.

    Returns:
        The exit code: 0 accepted result; 1 the benchmark failed; 2 the description cannot be used; 3 the engine does
        not serve, or not this client; 143 terminated.
    """
    log = Log(environment.get(KEY_VARIABLE, "").strip())
    result = _measure(environment, clients, log)
    result = result.model_copy(update={"message": log.safe(result.message)})
    encoded = encode(result)
    log.result(result, encoded)
    path = Path(environment.get(TERMINATION_LOG_VARIABLE) or DEFAULT_TERMINATION_LOG)
    try:
        path.write_text(encoded)
    except OSError as error:
        log(f"the result cannot be written to {path}: {error}")
    return EXIT_CODES.get(result.failure, 1)


def _measure(environment: Mapping[str, str], clients: Mapping[str, str], log: Log) -> Result:
    progress = Progress()
    _on_termination(_terminated)
    try:
        try:
            spec = load_spec(environment)
            runner = Runner(spec, _module(spec, clients), environment, log)
            progress = runner.progress
            runner.run()
            return progress.result()
        finally:
            # From here on the result is written; a second signal must not interrupt that.
            _on_termination(signal.SIG_IGN)
    except SpecError as error:
        return Result(failure="Spec", message=str(error))
    except BenchmarkError as error:
        return progress.result(error.failure, str(error))
    except Exception as error:
        log(traceback.format_exc())
        return progress.result("Internal", f"{type(error).__name__}: {error}")


def _module(spec: RunnerSpec, clients: Mapping[str, str]) -> str:
    if spec.client not in clients:
        raise SpecError(f"benchmark.client: there is no load client {spec.client}, but {', '.join(sorted(clients))}")
    return clients[spec.client]


def _on_termination(handler: Any) -> None:
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


def _terminated(number: int, _frame: Any) -> NoReturn:
    raise BenchmarkError("Terminated", f"terminated by {signal.Signals(number).name}")
