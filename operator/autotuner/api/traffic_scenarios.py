"""The kinds of requests that the benchmark sends: synthetic ones, with shared prefixes or in sessions, and traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.common import Model, ObjectName, ShortName, cel, explained, rules

LOAD_PATTERN = (
    r"^(D\([0-9]{1,6},[0-9]{1,6}\)"
    r"|N\([0-9]{1,6},[0-9]{1,6}\)/\([0-9]{1,6},[0-9]{1,6}\)"
    r"|U\([0-9]{1,6},[0-9]{1,6}\)(/\([0-9]{1,6},[0-9]{1,6}\))?)$"
)
Load = Annotated[
    str,
    StringConstraints(pattern=LOAD_PATTERN, max_length=64),
    Field(json_schema_extra=explained("write N(mean,sd)/(mean,sd), U(min,max)/(min,max) or D(in,out)")),
]
TraceFormat = Literal["Mooncake", "Azure", "BurstGPT", "ShareGPT", "OpenAI"]
TIMED: tuple[TraceFormat, ...] = ("Mooncake", "Azure", "BurstGPT")
"""The formats that say when requests arrive."""
REAL_PROMPTS: tuple[TraceFormat, ...] = ("ShareGPT", "OpenAI")
"""The formats that have what people wrote."""
PREFIX_TOKENS_MAX = 1_000_000
TRACE_PATH_PATTERN = r"^[-._a-zA-Z0-9]+(/[-._a-zA-Z0-9]+)*$"


class Prefix(Model):
    """Beginnings that prompts share, as system prompts and tools are shared by the requests of an application."""

    tokens: Annotated[int, Field(ge=1, le=PREFIX_TOKENS_MAX)] = Field(
        description="The tokens that prompts begin with alike; the tokens of load come behind them."
    )
    groups: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1,
        description=(
            "How many such beginnings there are. How popular each is, and which one a request has, is drawn before the"
            " level starts and is equal for every configuration."
        ),
    )


class Turns(Model):
    """Sessions of several turns: each turn carries the conversation so far, with the engine's own answers."""

    count: Annotated[int, Field(ge=2, le=64)] = Field(
        description="The turns of a session. Each adds a message and gets an answer of lengths drawn from load."
    )
    think_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=0.0,
        description=(
            "The mean time between an answer and the next turn of its session, in seconds; it is drawn from an"
            " exponential distribution."
        ),
    )


class Trace(Model):
    """Recorded requests in a file: of a ConfigMap or of a PersistentVolumeClaim of this namespace."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.configMap) != has(self.claim)", "give exactly one of configMap and claim"),
            cel(
                "!has(self.configMap) || !self.path.contains('/')",
                "name a key of the ConfigMap, which has no folders",
                fieldPath=".path",
            ),
            cel(
                "!has(self.speed) || self.format in ['Mooncake', 'Azure', 'BurstGPT']",
                "this format has no times that could be scaled; remove it",
                fieldPath=".speed",
            ),
            cel(r"!self.path.matches(r'(^|/)[.][.](/|$)')", "write a path below the volume", fieldPath=".path"),
        )
    )

    format: TraceFormat = Field(
        description=(
            "The file's format. Mooncake: JSON lines with timestamp (ms), input_length, output_length and hash_ids of"
            " blocks of 512 tokens. Azure: the CSV of the Azure LLM inference traces. BurstGPT: the CSV of BurstGPT."
            " ShareGPT: a JSON list of conversations, of which the first exchange is taken. OpenAI: JSON lines, each"
            " the body of a chat completion, or one that has it in body; max_tokens is required. The last two have no"
            " times and need concurrency or rates."
        )
    )
    config_map: ObjectName | None = Field(default=None, description="The ConfigMap that has the file.")
    claim: ObjectName | None = Field(default=None, description="The PersistentVolumeClaim that has the file.")
    path: Annotated[str, StringConstraints(pattern=TRACE_PATH_PATTERN, max_length=512)] = Field(
        json_schema_extra=explained("write a relative path of letters, digits, '-', '_' and '.'"),
        description="The key of the ConfigMap, or the file's path on the claim.",
    )
    speed: Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False)] | None = Field(
        default=None,
        description="How much faster than recorded the requests are sent: 2 halves the gaps. Absent: as recorded.",
    )
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="The most requests that are read; absent: as many as the levels need."
    )


class Scenario(Model):
    """One kind of traffic: a distribution of prompt and output lengths, or a trace."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("has(self.load) != has(self.trace)", "give exactly one of load and trace"),
            cel("!has(self.prefix) || has(self.load)", "only with load: a trace has its own", fieldPath=".prefix"),
            cel("!has(self.turns) || has(self.load)", "only with load: a trace has its own", fieldPath=".turns"),
        )
    )

    name: ShortName = Field(description="The scenario's name in results and reports, for example chat.")
    load: Load | None = Field(
        default=None,
        description=(
            "Input and output tokens of a request, as genai-bench writes them. N(1024,128)/(256,32) draws them from"
            " normal distributions (mean, standard deviation), U(min,max)/(min,max) from uniform ones. D(in,out) sends"
            " requests of one fixed size, which move in lock-step and bias TTFT at high concurrency. Exactly one of"
            " load and trace is required."
        ),
    )
    prefix: Prefix | None = None
    turns: Turns | None = None
    trace: Trace | None = None
    weight: Annotated[float, Field(ge=0.01, le=1000)] = Field(
        default=1.0,
        description="The weight of this scenario in the objective, relative to the weights of the other scenarios.",
    )

    @property
    def has_real_prompts(self) -> bool:
        """Whether the requests say what people wrote."""
        return self.trace is not None and self.trace.format in REAL_PROMPTS

    @property
    def shares_prefixes(self) -> bool:
        """Whether a prefix cache finds what it would find with traffic like this."""
        blocks = self.trace is not None and self.trace.format == "Mooncake"
        return self.has_real_prompts or blocks or self.prefix is not None or self.turns is not None
