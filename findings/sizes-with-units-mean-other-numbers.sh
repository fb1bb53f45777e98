#!/usr/bin/env bash
# SGLang 0.5.23 and vLLM 0.33.0, the parsers of --context-length and --max-model-len (human_readable_int of both).
# Expected: a size such as 1M is the same number for both engines, since the flags say the same.
# What happens: 1M is 1,000,000 to SGLang and 1,048,576 to vLLM, both without a word; 32k is 32,000 to both; 32K is
#   32,768 to vLLM and an error to SGLang, which writes 32Ki for that, which vLLM refuses.
# Who is hurt: whoever moves arguments from one engine to the other, or writes a context length "in k".
# Exits 0 while it is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv pip install --quiet --target "$folder" --no-deps --python-version 3.12 --python-platform x86_64-manylinux_2_34 \
  --only-binary :all: sglang==0.5.23 vllm==0.33.0
python3 - "$folder" <<'PYTHON'
import argparse, ast, re, sys
from decimal import Decimal
from pathlib import Path

folder, said = Path(sys.argv[1]), {}


def parser_of(package: str):
    """The function as the package has it, without what its module imports."""
    for path in sorted((folder / package).rglob("*.py")):
        text = path.read_text()
        if "def human_readable_int(" in text:
            tree = ast.parse(text)
            wanted = [one for one in tree.body if getattr(one, "name", "") == "human_readable_int"]
            space = {"argparse": argparse, "re": re, "Decimal": Decimal}
            exec(compile(ast.Module(wanted, []), str(path), "exec"), space)
            return space["human_readable_int"]
    raise SystemExit(f"{package} has no human_readable_int")


for package in ("sglang", "vllm"):
    convert = parser_of(package)
    for word in ("32k", "32K", "32Ki", "1M"):
        try:
            said[package, word] = convert(word)
        except Exception as error:
            said[package, word] = type(error).__name__
        print(f"{package:7} {word:5} {said[package, word]}")
same = said["sglang", "32k"] == said["vllm", "32k"] == 32000
silent = (said["sglang", "1M"], said["vllm", "1M"]) == (1000000, 1048576)
told = (said["sglang", "32K"], said["vllm", "32K"]) == ("ArgumentTypeError", 32768)
sys.exit(0 if same and silent and told else 1)
PYTHON
