#!/usr/bin/env bash
# PyYAML 6.0.3: `safe_dump` writes the texts 1e-5, 1e3 and 0o10 without quotes; a reader of YAML 1.2
# (ruamel.yaml 0.18.15) takes them for the numbers 0.00001, 1000 and 8, and so does kubectl.
#
# Expected: a text that is written is a text when it is read. PyYAML puts quotes around texts that it would itself read as
#   something else (010, yes, 2024-01-01), so it knows the danger; by YAML 1.1 a number with an exponent has a point, and
#   the prefix 0o is none.
# Happens: the type changes between the two programs, without an error on either side.
# Hurt: whoever writes manifests by PyYAML for tools of YAML 1.2 or for kubectl: an environment variable of value 1e-5 is
#   refused by the API server as a number, and where both types are taken, as in chart values, the wrong one arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyyaml==6.0.3 ruamel.yaml==0.18.15
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import yaml
from ruamel.yaml import YAML

TEXTS = {"1e-5": 1e-5, "1e3": 1000.0, "0o10": 8, "010": "010", "yes": "yes", "0x1p3": "0x1p3"}

print(f"PyYAML {version('pyyaml')}, ruamel.yaml {version('ruamel.yaml')}")
found = {}
for text in TEXTS:
    written = yaml.safe_dump({"value": text})
    assert yaml.safe_load(written) == {"value": text}
    found[text] = YAML(typ="safe", pure=True).load(io.StringIO(written))["value"]
    print(f"{text!r:8} is written as {written.strip()!r:18} and read as {found[text]!r}")
if found != TEXTS:
    sys.exit("behaves otherwise now")
PYTHON
