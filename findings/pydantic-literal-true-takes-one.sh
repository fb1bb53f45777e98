#!/usr/bin/env bash
# pydantic 2.14.4: `Literal[True]` takes the number 1, also from JSON and in strict mode; its own JSON Schema does not.
#
# Expected: what the model's JSON Schema (`"const": true`) refuses is refused by the model; in strict mode nothing is
#   converted. The word "true" is refused, and so is 1 for a strict `bool`.
# Happens: 1 becomes true. `Field(strict=True)`, which would say so of this field alone, is no way out: it raises
#   RuntimeError "Unable to apply constraint 'strict' to schema of type 'literal'".
# Hurt: whoever checks files by a pydantic model and has a server check them by the schema made of it (a CRD, OpenAPI):
#   the file that was found valid is refused there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.4 jsonschema==4.25.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from typing import Annotated, Literal

import jsonschema
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class Switch(BaseModel):
    model_config = ConfigDict(strict=True)
    toggle: Literal[True]


class Bool(BaseModel):
    model_config = ConfigDict(strict=True)
    toggle: bool


def taken(model, text):
    try:
        return model.model_validate_json(text).toggle
    except ValidationError:
        return "refused"


def by_schema(value):
    try:
        jsonschema.validate({"toggle": value}, Switch.model_json_schema())
    except jsonschema.ValidationError:
        return "refused"
    return value


try:
    TypeAdapter(Annotated[Literal[True], Field(strict=True)])
    of_field = "allowed"
except RuntimeError as error:
    of_field = f"RuntimeError: {error}"
found = {
    "pydantic": version("pydantic"),
    "schema": Switch.model_json_schema()["properties"]["toggle"].get("const"),
    "strict model, 1": taken(Switch, '{"toggle": 1}'),
    "its JSON Schema, 1": by_schema(1),
    'strict model, "true"': taken(Switch, '{"toggle": "true"}'),
    "strict bool, 1": taken(Bool, '{"toggle": 1}'),
    "Field(strict=True)": of_field,
}
for name, value in found.items():
    print(f"{name}: {value!r}")
expected = ["2.14.4", True, True, "refused", "refused", "refused"]
sys.exit(list(found.values())[:6] != expected or not of_field.startswith("RuntimeError: Unable to apply constraint"))
PYTHON
