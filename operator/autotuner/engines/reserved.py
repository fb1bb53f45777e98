"""What to do instead of setting a flag that users must not set: messages that engines share."""

from __future__ import annotations

OPERATORS_OWN = "the flag is set by the operator; remove it"
MODEL = "the flag is set by the operator; choose the model in spec.model"
NO_HTTP = "the engine would serve gRPC alone, and the benchmark speaks HTTP; remove it"
SECRET = "a key among the arguments is readable by everyone who may see the pod; remove it"  # noqa: S105 - a message
