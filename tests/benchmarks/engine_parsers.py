"""Are the shipped tables what the real parsers take? `python -m tests.benchmarks.engine_parsers [sglang|vllm ...]`.

Installs the newest known release of each engine with the libraries that its parser imports (5 GB, no accelerator
needed) into a folder below .cache, asks argparse itself for every spelling, choice and default, and compares. It shares
no code with what has read the tables. Exit code 1 where they differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.engines.flag_table import Flag, FlagTable

ROOT = Path(__file__).parents[2]
UV = ROOT / ".cache" / "uv" / "bin" / "uv"
NAMES: Mapping[str, EngineName] = {"sglang": "SGLang", "vllm": "VLLM"}
# With these the parsers of SGLang 0.5.23 and vLLM 0.33.0 run; of no use without the engine, which brings no others.
COMMON = (
    *("torch==2.13.0", "transformers", "orjson", "gguf", "soundfile", "pydantic", "msgspec", "aiohttp", "fastapi"),
    *("uvicorn", "uvloop", "pyzmq", "psutil", "setproctitle", "requests", "pillow", "openai", "numpy", "packaging"),
    *("partial_json_parser", "pybase64", "ipython", "traitlets"),
)
LIBRARIES = {
    "sglang": COMMON,
    "vllm": (
        *COMMON,
        *("regex", "cachetools", "cbor2", "cloudpickle", "py-cpuinfo", "prometheus-fastapi-instrumentator", "blake3"),
        *("openai-harmony", "opencv-python-headless", "tiktoken", "lark", "pyyaml", "watchfiles", "mcp", "einops"),
        *("jinja2", "xgrammar", "llguidance", "mistral-common", "compressed-tensors", "depyf", "outlines-core"),
        *("lm-format-enforcer", "diskcache", "ijson", "python-json-logger", "opentelemetry-api"),
    ),
}
PARSERS = {
    "sglang": (
        "import argparse\nfrom sglang.srt.server_args import ServerArgs\n"
        "parser = argparse.ArgumentParser()\nServerArgs.add_cli_args(parser)\n"
    ),
    "vllm": (
        "from vllm.platforms import current_platform\ncurrent_platform.device_type = 'cuda'\n"
        "from vllm.entrypoints.common.cli_args import make_arg_parser\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "parser = make_arg_parser(FlexibleArgumentParser())\n"
    ),
}
# spelling -> what it is kept as, choices, default; lists are left out, and off is no default.
ASK = """
import json, sys
def plain(value):
    value = getattr(value, 'value', value)
    said = isinstance(value, (int, float, str)) and value is not False and value != '==SUPPRESS=='
    return value if said else None
print(json.dumps({
    spelling: [
        action.dest,
        sorted(str(getattr(one, 'value', one)) for one in action.choices or () if one is not None),
        plain(action.default),
    ]
    for spelling, action in parser._option_string_actions.items() if spelling not in ('-h', '--help')
}), file=sys.stderr)
"""


def main(words: list[str]) -> int:
    """Compare; 1 where a table differs from its parser."""
    differing = 0
    for package in words or list(NAMES):
        table = engines.get(NAMES[package]).table
        assert table is not None, "both are known"
        found = differences(table, real(package, table.version))
        differing += len(found)
        print(f"{table}: {len(table.flags)} flags, {len(found)} differences")
        for one in found:
            print(f"  {one}")
    return 1 if differing else 0


def real(package: str, version: str) -> Mapping[str, list[Any]]:
    """What the installed engine's own parser says."""
    folder = ROOT / ".cache" / "engine-parsers" / f"{package}-{version}"
    if not (folder / "ok").exists():
        subprocess.run([UV, "venv", "--quiet", "--allow-existing", "--python", ">=3.11,<3.13", folder], check=True)
        install = [UV, "pip", "install", "--quiet", "--python", folder]
        subprocess.run([*install, *LIBRARIES[package]], check=True)
        subprocess.run([*install, "--no-deps", f"{package}=={version}"], check=True)
        (folder / "ok").touch()
    environment = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"}
    program = [folder / "bin" / "python", "-c", PARSERS[package] + ASK]
    ended = subprocess.run(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    if ended.returncode:
        raise RuntimeError(f"the parser of {package} {version} does not run:\n{ended.stderr[-2000:]}")
    return cast(Mapping[str, list[Any]], json.loads(ended.stderr.strip().splitlines()[-1]))


def differences(table: FlagTable, told: Mapping[str, list[Any]]) -> list[str]:
    """What the table says otherwise: spellings, which of them are one flag, choices and defaults."""
    own = {spelling: flag for flag in table.flags for spelling in _spellings(flag)}
    found = [f"{one}: only the parser has it" for one in sorted(told.keys() - own.keys())]
    found += [f"{one}: only the table has it" for one in sorted(own.keys() - told.keys())]
    for spelling in sorted(own.keys() & told.keys()):
        flag, (dest, choices, default) = own[spelling], told[spelling]
        if dest != told[f"--{flag.name}"][0]:
            found.append(f"{spelling}: the parser keeps it as {dest}, the table as {flag.name}")
        if sorted(flag.choices) != choices:
            found.append(f"{spelling}: choices {choices} in the parser, {sorted(flag.choices)} in the table")
        kept = flag.default if isinstance(flag.default, int | float | str) and flag.default is not False else None
        if kept != default:
            found.append(f"{spelling}: default {default!r} in the parser, {kept!r} in the table")
    return found


def _spellings(flag: Flag) -> tuple[str, ...]:
    return (f"--{flag.name}", *flag.aliases, *flag.negations)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
