"""The command line of the simulated engine: one dialect's flags, and its own that begin with --sim-."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import dataclass, replace

from autotuner.simulator import sglang, vllm
from autotuner.simulator.arguments import Flag, Parser
from autotuner.simulator.config import EngineConfig
from autotuner.simulator.faults import FAULTS, Fault
from autotuner.simulator.hardware_profiles import GPUS, MODELS, model_for

DIALECTS = {"sglang": sglang, "vllm": vllm}


def positive(text: str) -> float:
    """A number above zero."""
    if (value := float(text)) > 0:
        return value
    raise argparse.ArgumentTypeError(f"must be above 0: {text}")


def not_negative(text: str) -> float:
    """A number of at least zero."""
    if (value := float(text)) >= 0:
        return value
    raise argparse.ArgumentTypeError(f"must not be negative: {text}")


OWN_FLAGS = (
    Flag("dialect", choices=tuple(DIALECTS), required=True, help="whose flags, messages and defaults to use"),
    Flag("sim-gpu", default="h100", choices=tuple(GPUS), help="accelerator (default: h100)"),
    Flag("sim-gpus", int, 8, help="accelerators in reach (default: 8)"),
    Flag("sim-memory-gib", positive, help="memory of one accelerator (default: as the real one)"),
    Flag("sim-model", choices=tuple(MODELS), help="size of the model (default: from the name in the model path)"),
    Flag("sim-startup-seconds", not_negative, 0.2, help="time to load, in seconds (default: 0.2)"),
    Flag("sim-time-scale", positive, 8.0, help="stretches every duration; 1 is the real speed (default: 8)"),
    Flag("sim-noise", not_negative, 0.01, help="standard deviation of the logarithm of the run's speed; 0 for none"),
    Flag("sim-seed", help="seed of the noise (default: another one at each start)"),
    Flag("sim-fault", Fault.parse, Fault(), help="; ".join(f"{name}: {text}" for name, text in FAULTS.items())),
)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """One command line, understood."""

    config: EngineConfig
    host: str
    port: int
    model_path: str
    served_name: str
    other_names: tuple[str, ...]
    api_key: str | None
    startup_seconds: float
    seed: str
    fault: Fault

    @property
    def names(self) -> tuple[str, ...]:
        """All names under which the model is served."""
        own = self.served_name
        return (own, f"{own}-too") if self.fault.name == "two-names" else (own, *self.other_names)


def build_parser(dialect: str) -> Parser:
    """The parser of one dialect."""
    module = DIALECTS[dialect]
    parser = Parser(module.PROG, f"Simulated {dialect} engine: real flags, timings from a model, no GPU.")
    parser.add_flags(f"{dialect} flags", module.FLAGS)
    parser.add_flags("simulation", OWN_FLAGS)
    return parser


def parse(arguments: list[str]) -> EngineSettings:
    """Read a command line.

    Raises:
        SystemExit: 2 with usage text on standard error: an unknown flag or a bad value.
        StartupError: The flags contradict each other; in the engine's words.
    """
    dialect = _dialect(arguments)
    args = build_parser(dialect).parse_args(arguments)
    path = args.model_path if dialect == "sglang" else args.model
    gpu = GPUS[args.sim_gpu]
    model = MODELS[args.sim_model] if args.sim_model else model_for(path)
    name, *others = _listed(args.served_model_name) or [path]
    config = DIALECTS[dialect].configure(args, gpu, model, args.sim_memory_gib or gpu.memory_gib)
    return EngineSettings(
        config=replace(config, gpus=args.sim_gpus, time_scale=args.sim_time_scale, noise=args.sim_noise),
        host=args.host,
        port=args.port,
        model_path=path,
        served_name=name,
        other_names=tuple(others),
        api_key=args.api_key,
        startup_seconds=args.sim_startup_seconds * (4 if config.compiled else 1),
        seed=args.sim_seed or secrets.token_hex(4),
        fault=args.sim_fault,
    )


def _listed(names: str | list[str] | None) -> list[str]:
    """The names by which the model is served; vLLM takes several."""
    return [names] if isinstance(names, str) else names or []


def _dialect(arguments: list[str]) -> str:
    """The dialect alone, before its flags are known."""
    parser = Parser("simulator")
    parser.add_argument("--dialect", choices=tuple(DIALECTS), required=True)
    help_only = [argument for argument in arguments if argument not in ("-h", "--help")]
    asked = parser.parse_known_args(help_only)[0]
    return str(asked.dialect)
