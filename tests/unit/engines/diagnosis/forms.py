"""The forms in which the engines print an exception: who prints it, what stands before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SITE = "/opt/py/lib/python3.12/site-packages"
_VLLM_HEAD = "(APIServer pid=1) INFO 11-20 09:58:00 [utils.py:253] non-default args: {{'model': '{model}'}}"
_SGLANG_HEAD = "[2025-11-20 09:58:00] server_args=ServerArgs(model_path='{model}', tokenizer_path='{model}')"
MODEL = "/mnt/models/m"


@dataclass(frozen=True)
class Frame:
    """A line of a traceback: `file` below site-packages."""

    file: str
    function: str = "__init__"
    source: str = "raise ValueError("

    def text(self) -> str:
        return f'  File "{SITE}/{self.file}", line 7, in {self.function}\n    {self.source}'


def trace(frames: Sequence[Frame], error: str) -> str:
    """A traceback as Python prints it."""
    return "\n".join(["Traceback (most recent call last):", *(frame.text() for frame in frames), error])


def _before_each(prefix: str, text: str) -> str:
    return "\n".join(prefix + line for line in text.splitlines())


def vllm_front(error: str, *frames: Frame, before: str = "") -> str:
    """vLLM's API server ends with an exception in its argument stage."""
    outer = (
        Frame("vllm/entrypoints/launchers/api_server/entry.py", "run_server", "engine_args = args()"),
        Frame("vllm/engine/arg_utils.py", "create_engine_config", "model_config = self.create_model_config()"),
    )
    return "\n".join(
        [_VLLM_HEAD.format(model=MODEL), before, _before_each("(APIServer pid=1) ", trace(outer + frames, error))]
    )


def vllm_core(error: str, *frames: Frame, before: str = "", dead: str = "{}") -> str:
    """vLLM's engine core does not start."""
    outer = (Frame("vllm/v1/engine/core.py", "run_engine_core", "engine_core = EngineCoreProc(*args, **kwargs)"),)
    told = trace(outer + frames, error)
    core = "(EngineCore pid=71) "
    logged = "EngineCore failed to start.\n" + told
    return "\n".join(
        [
            _VLLM_HEAD.format(model=MODEL),
            before,
            _before_each(core + "ERROR 11-20 10:00:01 [core.py:1510] ", logged),
            _before_each(core, "Process EngineCore:\n" + told),
            *_vllm_end(dead),
        ]
    )


def vllm_worker(error: str, *frames: Frame, before: str = "", ranks: int = 2) -> str:
    """vLLM's workers do not start."""
    outer = (
        Frame("vllm/v1/executor/multiproc_executor.py", "worker_main", "worker = WorkerProc(*args, **kwargs)"),
        Frame("vllm/v1/worker/gpu_worker.py", "load_model", "self.model_runner.load_model()"),
    )
    lines = [_VLLM_HEAD.format(model=MODEL), before]
    for rank in range(ranks):
        prefix = f"(Worker_TP{rank} pid={90 + rank}) ERROR 11-20 10:00:01 [multiproc_executor.py:953] "
        lines.append(_before_each(prefix, "WorkerProc failed to start.\n" + trace(outer + frames, error)))
    echo = (
        "Exception: WorkerProc initialization failed due to an exception in a background process. "
        "See stack trace for root cause."
    )
    core = Frame("vllm/v1/engine/core.py", "run_engine_core", "engine_core = EngineCoreProc(*args, **kwargs)")
    lines.append(_before_each("(EngineCore pid=71) ERROR 11-20 10:00:02 [core.py:1510] ", trace((core,), echo)))
    lines.append(_before_each("(EngineCore pid=71) ", "Process EngineCore:\n" + trace((core,), echo)))
    return "\n".join([*lines, *_vllm_end("{'EngineCore': 1}")])


def _vllm_end(dead: str) -> list[str]:
    error = f"RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {dead}"
    frame = Frame("vllm/v1/engine/utils.py", "wait_for_engine_startup", "raise RuntimeError(")
    warned = (
        "multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked objects"
    )
    return [warned, _before_each("(APIServer pid=1) ", trace((frame,), error))]


def sglang_main(error: str, *frames: Frame, before: str = "") -> str:
    """SGLang ends with an exception before it has started its processes."""
    outer = (Frame("sglang/launch_server.py", "<module>", "run_server(sys.argv[1:])"),)
    return "\n".join([before, trace(outer + frames, error), ""])


def sglang_rank(error: str, *frames: Frame, before: str = "", ranks: int = 2) -> str:
    """SGLang's schedulers end with an exception; the first process is told so by a signal."""
    outer = (
        Frame("sglang/srt/managers/scheduler.py", "run_scheduler_process", "scheduler = Scheduler(server_args)"),
        Frame("sglang/srt/managers/tp_worker.py", "__init__", "self.model_runner = ModelRunner("),
    )
    lines = [_SGLANG_HEAD.format(model=MODEL), before]
    for rank in range(ranks):
        told = trace(outer + frames, error)
        lines.append(f"[2025-11-20 10:00:10 TP{rank}] Scheduler hit an exception: {told}\n")
    lines.append("[2025-11-20 10:00:11] Received sigquit from a child process. It usually means the child failed.")
    return "\n".join(lines)


def vllm_served(error: str, *frames: Frame, streams: int = 4) -> str:
    """vLLM's engine core dies under load: each open stream echoes it, and the API server ends in order."""
    outer = (Frame("vllm/v1/engine/core.py", "run_busy_loop", "self._process_engine_step()"),)
    prefix = "(EngineCore pid=71) ERROR 11-20 10:09:01 [core.py:1512] "
    echo = (
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. "
        "See stack trace (above) for the root cause."
    )
    lines = [_VLLM_HEAD.format(model=MODEL)]
    lines.append(_before_each(prefix, "EngineCore encountered a fatal error.\n" + trace(outer + frames, error)))
    for stream in range(streams):
        generating = [Frame("vllm/v1/engine/async_llm.py", "generate", "raise self.error")] * (stream + 1)
        told = _before_each("(APIServer pid=1) ERROR 11-20 10:09:02 [serving.py:1294] ", trace(generating, echo))
        lines.append(told)
        lines.append(
            '(APIServer pid=1) INFO:     10.0.0.9:50000 - "POST /v1/completions HTTP/1.1" 500 Internal Server Error'
        )
    lines += [f"(APIServer pid=1) INFO:     {words}" for words in ("Shutting down", "Finished server process [1]")]
    return "\n".join(lines)
