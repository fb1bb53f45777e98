from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import pytest

from autotuner.simulator.config import EngineConfig
from autotuner.simulator.flags import parse
from autotuner.simulator.scheduler import Sequence, SimulatedEngine, Step
from autotuner.simulator.virtual_time import Client, Timing, Workload, simulate

CHAT = "N(200,40)/(50,10)"
LONG = "N(4000,200)/(100,10)"


def config(dialect: str, *flags: str, model: str = "llama-3-2-1b-instruct") -> EngineConfig:
    path = "--model-path" if dialect == "sglang" else "--model"
    return parse(["--dialect", dialect, path, model, "--sim-noise=0", *flags]).config


@dataclass(frozen=True)
class Level:
    throughput: float
    per_gpu: float
    ttft: float
    ttft_p99: float
    tpot: float
    tpot_p95: float


def level(
    dialect: str, flags: str = "", load: str = CHAT, concurrency: int = 16, model: str = "llama-3-2-1b-instruct"
) -> Level:
    engine = config(dialect, *flags.split(), model=model)
    timings = simulate(engine, Workload.parse(load), concurrency, 12 * concurrency)[2 * concurrency :]
    output = sum(timing.output_tokens for timing in timings)
    ttft = sorted(timing.ttft for timing in timings)
    tpot = sorted(timing.tpot or 0.0 for timing in timings)
    throughput = concurrency * output / sum(timing.latency for timing in timings)
    return Level(
        throughput=throughput,
        per_gpu=throughput / engine.gpu_count,
        ttft=fmean(ttft),
        ttft_p99=ttft[int(0.99 * len(ttft))],
        tpot=fmean(tpot),
        tpot_p95=tpot[int(0.95 * len(tpot))],
    )


def case(
    name: str, dialect: str, worse: str, better: str, figure: Callable[[Level], float], ratio: float, **load: object
) -> object:
    return pytest.param(dialect, worse, better, figure, ratio, load, id=name)


def throughput(found: Level) -> float:
    return found.throughput


def speed(found: Level) -> float:
    return 1 / found.tpot


def first(found: Level) -> float:
    return 1 / found.ttft_p99


def smooth(found: Level) -> float:
    return 1 / found.tpot_p95


@pytest.mark.parametrize(
    ("dialect", "worse", "better", "figure", "ratio", "load"),
    [
        case("more sequences at once", "sglang", "--max-running-requests=4", "", throughput, 2.0),
        case("a short queue", "sglang", "--max-running-requests=4", "", first, 10.0),
        case("few sequences are quick", "sglang", "", "--max-running-requests=4", speed, 1.2),
        case("mixed chunks", "sglang", "", "--enable-mixed-chunk", throughput, 1.1),
        case("8-bit weights", "sglang", "", "--quantization=fp8", speed, 1.2),
        case("two GPUs", "sglang", "", "--tp=2", speed, 1.05),
        case("one GPU is thrifty", "sglang", "--tp=2", "", lambda found: found.per_gpu, 1.5),
        case("four GPUs on a large model", "sglang", "--tp=4", "--tp=8", speed, 1.3, model="llama-70b"),
        case("two replicas", "sglang", "", "--dp=2", throughput, 1.2, concurrency=64),
        case("captured graphs", "sglang", "--cuda-graph-max-bs=8", "", speed, 1.1),
        case("compiled kernels", "sglang", "", "--enable-torch-compile", speed, 1.03),
        case("overlapped scheduling", "sglang", "--disable-overlap-schedule", "", speed, 1.05),
        case("a fast attention kernel", "sglang", "--attention-backend=torch_native", "", first, 1.05, load=LONG),
        case(
            "large chunks",
            "sglang",
            "--chunked-prefill-size=256",
            "--chunked-prefill-size=8192",
            throughput,
            1.1,
            load=LONG,
        ),
        case(
            "small mixed chunks",
            "vllm",
            "--max-num-batched-tokens=16384",
            "--max-num-batched-tokens=1024",
            smooth,
            1.05,
            load=LONG,
            concurrency=8,
        ),
        case("sequences in vLLM", "vllm", "--max-num-seqs=4", "--max-num-seqs=64", throughput, 2.0),
        case("graphs in vLLM", "vllm", "--enforce-eager", "", speed, 1.1),
        case("asynchronous scheduling", "vllm", "--no-async-scheduling", "", speed, 1.1),
        case("two GPUs in vLLM", "vllm", "", "--tensor-parallel-size=2", speed, 1.05),
        case("a newer GPU", "vllm", "--sim-gpu=a100", "--sim-gpu=h100", throughput, 1.2),
        case("a larger cache", "sglang", "--max-total-tokens=2000", "--max-total-tokens=8000", throughput, 1.5),
        case(
            "a bold admission",
            "sglang",
            "--max-total-tokens=4000 --schedule-conservativeness=1.3",
            "--max-total-tokens=4000 --schedule-conservativeness=0.3",
            throughput,
            1.02,
            load="N(100,20)/(400,40)",
        ),
    ],
)
def test_better_by_at_least(
    dialect: str, worse: str, better: str, figure: Callable[[Level], float], ratio: float, load: dict[str, Any]
) -> None:
    assert figure(level(dialect, better, **load)) > ratio * figure(level(dialect, worse, **load))


@pytest.mark.parametrize(
    ("dialect", "flags"),
    [
        ("sglang", "--log-level=debug"),
        ("sglang", "--random-seed=3"),
        ("sglang", "--watchdog-timeout=10"),
        ("vllm", "--prefix-caching-hash-algo=xxhash"),
        ("vllm", "--seed=3"),
    ],
)
def test_inert_flags_change_nothing(dialect: str, flags: str) -> None:
    assert level(dialect, flags) == level(dialect)


def test_a_chat_on_the_default_engine_is_fit_for_a_demo() -> None:
    found = {concurrency: level("sglang", concurrency=concurrency) for concurrency in (1, 8, 64)}
    assert all(0.3 < 50 * concurrency / level.throughput < 1.5 for concurrency, level in found.items())
    assert min(level.tpot for level in found.values()) > 0.004


def test_an_slo_on_ttft_and_tpot_excludes_some_configurations() -> None:
    assert level("sglang").ttft_p99 < 0.3 < level("sglang", "--max-running-requests=8").ttft_p99
    assert level("sglang").tpot_p95 < 0.02 < level("sglang", concurrency=64).tpot_p95


@pytest.mark.parametrize("dialect", ["sglang", "vllm"])
@pytest.mark.parametrize("concurrency", [1, 64])
def test_no_configuration_is_quicker_than_a_client_can_follow(dialect: str, concurrency: int) -> None:
    fastest = "--quantization=fp8 " + (
        "--tp=8 --enable-mixed-chunk" if dialect == "sglang" else "--tensor-parallel-size=8"
    )
    found = level(dialect, fastest, concurrency=concurrency)
    assert found.tpot > 0.004
    assert found.throughput < 8000


def test_equal_seeds_give_equal_timings_and_others_do_not() -> None:
    noisy = replace(config("sglang"), noise=0.01)
    load = Workload.parse(CHAT)
    assert simulate(noisy, load, 8, seed="a") == simulate(noisy, load, 8, seed="a")
    assert simulate(noisy, load, 8, seed="a") != simulate(noisy, load, 8, seed="b")


def test_noise_shifts_a_whole_run_by_about_its_standard_deviation() -> None:
    noisy = replace(config("sglang"), noise=0.02)
    load = Workload.parse("D(200,50)")
    runs = [simulate(noisy, load, 1, 30, seed=str(seed))[-1].end for seed in range(60)]
    mean = fmean(runs)
    deviation = fmean((run - mean) ** 2 for run in runs) ** 0.5
    assert 0.012 < deviation / mean < 0.03


def drain(engine: SimulatedEngine) -> list[Sequence]:
    """Step until nothing is left; returns the finished sequences."""
    done: list[Sequence] = []
    while (step := engine.begin()) is not None:
        done += engine.finish(step)
    return done


@pytest.mark.parametrize("flags", ["", "--enable-mixed-chunk --chunked-prefill-size=64", "--chunked-prefill-size=-1"])
@pytest.mark.parametrize("tokens", [700, 100_000])
def test_every_request_gets_all_its_tokens_and_leaves_nothing_behind(flags: str, tokens: int) -> None:
    engine = SimulatedEngine(config("sglang", f"--max-total-tokens={tokens}", *flags.split()))
    asked = [Sequence(50 + 7 * index, 1 + 9 * index) for index in range(25)]
    for sequence in asked:
        engine.submit(sequence)
    done = drain(engine)
    assert sorted(map(id, done)) == sorted(map(id, asked))
    assert engine.counters.output_tokens == sum(sequence.output for sequence in asked)
    assert (engine.used_tokens, len(engine.running), len(engine.waiting)) == (0, 0, 0)


def test_a_full_cache_sends_the_youngest_back_and_both_end() -> None:
    engine = SimulatedEngine(
        config("vllm", "--block-size=16", "--max-model-len=900", "--max-num-seqs=4", "--sim-memory-gib=4")
    )
    engine.capacity = 1000
    old, young = Sequence(300, 400), Sequence(300, 400)
    engine.submit(old)
    engine.submit(young)
    assert drain(engine) == [old, young]
    assert engine.counters.preemptions >= 1
    assert engine.counters.output_tokens == 800


@pytest.mark.parametrize("steps", [0, 1, 2, 30])
def test_an_aborted_request_frees_its_place_at_any_time(steps: int) -> None:
    engine = SimulatedEngine(config("sglang", "--chunked-prefill-size=128"))
    gone, stays = Sequence(200, 20), Sequence(200, 50)
    for sequence in (gone, stays):
        engine.submit(sequence)
    step: Step | None = None
    for _ in range(steps):
        step = engine.begin()
        assert step is not None
        engine.finish(step)
    in_flight = engine.begin()
    engine.abort(gone)
    if in_flight is not None:
        engine.finish(in_flight)
    done = drain(engine)
    assert stays in done or stays.generated == 50
    assert (engine.used_tokens, len(engine.running), len(engine.waiting)) == (0, 0, 0)


def prefill(engine: SimulatedEngine, sequence: Sequence) -> int:
    """Prompt tokens that the engine computes for a request on its own."""
    engine.submit(sequence)
    step = engine.begin()
    assert step is not None
    computed = step.prompt
    engine.finish(step)
    drain(engine)
    return computed


@pytest.mark.parametrize(("flag", "second"), [("--enable-metrics", 40), ("--disable-radix-cache", 200)])
def test_a_repeated_prefix_is_computed_once_with_the_prefix_cache(flag: str, second: int) -> None:
    engine = SimulatedEngine(config("sglang", flag))
    blocks = (11, 22)
    assert prefill(engine, Sequence(200, 5, blocks)) == 200
    assert prefill(engine, Sequence(40 + 2 * 16 if second == 40 else 200, 5, blocks)) == second
    engine.forget_prefixes()
    assert prefill(engine, Sequence(200, 5, blocks)) == 200


@pytest.mark.parametrize(
    ("policy", "order"), [("fcfs", "abc"), ("lpm", "cab"), ("lof", "bac"), ("dfs-weight", "cab"), ("priority", "abc")]
)
def test_the_policy_decides_who_is_next(policy: str, order: str) -> None:
    engine = SimulatedEngine(config("sglang", f"--schedule-policy={policy}", "--max-running-requests=1"))
    prefill(engine, Sequence(200, 2, (7, 8)))
    requests = {"a": Sequence(200, 20), "b": Sequence(200, 30), "c": Sequence(200, 10, (7,))}
    for sequence in requests.values():
        engine.submit(sequence)
    names = {id(sequence): name for name, sequence in requests.items()}
    assert "".join(names[id(sequence)] for sequence in drain(engine)) == order


def test_the_client_delays_what_it_measures() -> None:
    load = Workload.parse("D(200,50)")
    plain = simulate(config("sglang"), load, 1, 20)[-1]
    late = simulate(config("sglang"), load, 1, 20, client=Client(gap=0.01, latency=0.005))[-1]
    assert late.ttft == pytest.approx(plain.ttft + 0.005)
    assert late.end == pytest.approx(plain.end + 20 * 0.015)


def test_a_request_that_can_never_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="this engine holds"):
        simulate(config("sglang", "--max-total-tokens=200"), Workload.parse("D(200,50)"), 1)


@pytest.mark.parametrize("text", ["D(1)", "N(1,2)", "E(5)", "D(1, 2)", "X(1,2)/(3,4)"])
def test_other_scenarios_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a scenario"):
        Workload.parse(text)


def test_a_timing_knows_its_parts() -> None:
    timing = Timing(1.0, 1.5, 3.5, 200, 5)
    assert (timing.ttft, timing.latency, timing.tpot) == (0.5, 2.5, 0.5)
    assert Timing(1.0, 1.5, 1.5, 200, 1).tpot is None


def test_twelve_levels_take_well_under_half_a_second() -> None:
    began = time.process_time()
    for concurrency in (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256):
        simulate(config("sglang"), Workload.parse(CHAT), concurrency, 300)
    assert time.process_time() - began < 0.5
