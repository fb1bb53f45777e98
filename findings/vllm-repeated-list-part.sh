#!/usr/bin/env bash
# vLLM 0.33.0: a dotted part of a JSON flag that is a list is lengthened when it is given again, not replaced.
#
# Expected: the last `--compilation-config.cudagraph_capture_sizes=[...]` counts, as the last one counts of every other
#   flag and of every part that is no list; adding to a list has a spelling of its own (`...sizes+=8`).
# Happens: `...sizes=[1,2] ...sizes=[8]` gives [1, 2, 8], and nothing is said. A repeated part that is a number does get
#   the warning "Found duplicate keys", and its last value counts.
# Hurt: whoever puts arguments after a command that has the list already, as containers with `command` and `args` do:
#   nobody can make the list shorter, and what is measured is not what was asked for.
#
# Runs the parser of the published wheel. The packages vllm and vllm.utils are not imported, because that needs PyTorch:
# modules of their names give access to their files alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check regex==2026.11.19 pyyaml==6.0.4
"$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --python-version 3.12 --platform manylinux_2_28_x86_64 --dest "$folder" vllm==0.33.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys, types, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
(wheel,) = folder.glob("vllm-*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith("vllm/") and name.endswith(".py"):
            archive.extract(name, folder)
for name in ("vllm", "vllm.utils"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(folder / name.replace(".", "/"))]

import json, logging
from vllm.utils.argparse_utils import FlexibleArgumentParser

said = []
logger = logging.getLogger("vllm.utils.argparse_utils")
logger.addHandler(type("Keep", (logging.Handler,), {"emit": lambda self, record: said.append(record.getMessage())})())

def parsed(*words):
    said.clear()
    parser = FlexibleArgumentParser()
    parser.add_argument("--compilation-config", type=json.loads)
    found = parser.parse_args(list(words)).compilation_config
    print(" ".join(words), "->", found, *said, sep="\n    ")
    return found, list(said)

part = "--compilation-config."
print("vLLM", wheel.name.split("-")[1])
sizes, warned_sizes = parsed(f"{part}cudagraph_capture_sizes=[1,2]", f"{part}cudagraph_capture_sizes=[8]")
mode, warned_mode = parsed(f"{part}mode=1", f"{part}mode=3")
same = (
    sizes == {"cudagraph_capture_sizes": [1, 2, 8]} and not warned_sizes and mode == {"mode": 3} and warned_mode
)
print("as described" if same else "behaviour has changed")
sys.exit(not same)
PYTHON
