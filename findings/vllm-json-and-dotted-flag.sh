#!/usr/bin/env bash
# vLLM 0.33.0: JSON of a flag is dropped where a dotted part of the same flag stands beside it.
#
# Expected: `--compilation-config '{"mode": 3, "cudagraph_capture_sizes": [1, 2]}'` together with
#   `--compilation-config.cudagraph_mode=NONE` gives all three keys, or an error, or at least a warning. The help says
#   that both forms are equivalent, and parts given one by one are merged with each other.
# Happens: only {"cudagraph_mode": "NONE"} is left, whatever the order, and nothing is said. A flag that is repeated, or
#   a key that is repeated among the parts, does get the warning "Found duplicate keys".
# Hurt: whoever has the JSON in a manifest and adds one key on the command line, as tuners and Helm values do: the
#   engine runs without the rest of its configuration. Parts under a flag's two names are not merged either: of
#   `-cc.mode=3 --compilation-config.cudagraph_mode=NONE` the last one is left.
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
    parser.add_argument("--compilation-config", "-cc", type=json.loads)
    found = parser.parse_args(list(words)).compilation_config
    print(" ".join(words), "->", found, *said, sep="\n    ")
    return found, list(said)

whole = ["--compilation-config", '{"mode": 3, "cudagraph_capture_sizes": [1, 2]}']
part = ["--compilation-config.cudagraph_mode=NONE"]
print("vLLM", wheel.name.split("-")[1])
merged, _ = parsed(*part, "--compilation-config.mode=3")
first, warned_first = parsed(*whole, *part)
last, warned_last = parsed(*part, *whole)
names, warned_names = parsed("-cc.mode=3", *part)
_, warned_twice = parsed(*whole, *whole)
same = (
    merged == {"cudagraph_mode": "NONE", "mode": 3}
    and first == last == {"cudagraph_mode": "NONE"}
    and not warned_first and not warned_last
    and names == {"cudagraph_mode": "NONE"} and not warned_names
    and warned_twice
)
print("as described" if same else "behaviour has changed")
sys.exit(not same)
PYTHON
