#!/usr/bin/env bash
# SGLang 0.5.23, its own argument parser (no GPU needed).
# Expected: the short forms that its users write, --tp, --pp and --dp, all work or none does; a flag that was split says
#   what it is called now.
# What happens: they are prefixes that argparse completes while one flag begins so. --tp, --dp and --ep still work, --pp is
#   "ambiguous" (pp-size, pp-max-micro-batch-size, pp-async-batch-depth), and so is --cuda-graph-max-bs, which was a flag
#   until 0.5.18 and is now -decode and -prefill: the error names both as if the old one had been a typing error.
# Who is hurt: whoever upgrades: each new flag may end a short form. Installs 5 GB, for the parser imports PyTorch.
# Exits 0 while it is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python '>=3.11,<3.13' "$folder/env"
uv pip install --quiet --python "$folder/env" torch==2.13.0 transformers orjson traitlets gguf soundfile pydantic \
  msgspec aiohttp fastapi uvicorn uvloop pyzmq psutil setproctitle requests pillow openai numpy packaging \
  partial_json_parser pybase64 ipython
uv pip install --quiet --python "$folder/env" --no-deps sglang==0.5.23
"$folder/env/bin/python" - <<'PYTHON' 2>/dev/null
import argparse, contextlib, io, sys
from sglang.srt.server_args import ServerArgs

parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
said = {}
for flag in ("--tp", "--dp", "--ep", "--pp", "--cuda-graph-max-bs"):
    words = io.StringIO()
    try:
        with contextlib.redirect_stderr(words):
            parser.parse_args(["--model-path", "model", flag, "2"])
        said[flag] = "taken"
    except SystemExit:
        said[flag] = words.getvalue().strip().splitlines()[-1].partition("error: ")[2]
    print(f"{flag:20} {said[flag]}")
right = all(said[flag] == "taken" for flag in ("--tp", "--dp", "--ep"))
sys.exit(0 if right and all("ambiguous" in said[flag] for flag in ("--pp", "--cuda-graph-max-bs")) else 1)
PYTHON
