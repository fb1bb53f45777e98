"""What Python, PyTorch, NCCL, CUDA, huggingface_hub, transformers and safetensors say, whatever the engine."""

from __future__ import annotations

import re

from autotuner.engines.diagnosis.log_patterns import LogPatterns


def _any(*phrases: str) -> tuple[re.Pattern[str], ...]:
    """One pattern that finds any of the phrases."""
    return (re.compile("|".join(phrases)),)


_FILE_TROUBLE = (
    r"(?:No such file or directory|Permission denied|Input/output error|Stale file handle|Not a directory"
    r"|Is a directory|Transport endpoint is not connected|Bad message|Structure needs cleaning)"
)
_OF_A_MODEL = r"(?:/models?/|\bconfig\.json|tokenizer|\.safetensors|\.bin\b|\.gguf\b|\.pth?\b)"
SHARED = LogPatterns(
    decorations=(),
    argument_modules=(),
    fatal=(),
    echo=(),
    peer=_any(
        r"^(?:BrokenPipe|EOF|ConnectionReset|ConnectionAborted|ConnectionRefused)Error\b",
        r"^(?:KeyboardInterrupt|SystemExit|GeneratorExit|\S*CancelledError)\b",
        r"[Cc]onnection (?:closed|reset) by peer|remote process exited|monitoredBarrier",
        r"(?:client|server) socket has timed out|Broken pipe|Timed out waiting|store->get|TCPStore",
    ),
    out_of_memory=(
        # That a setting avoids or causes running out of memory is advice.
        re.compile(r"(?i)(?<!avoid )(?<!avoid an )(?<!avoiding )(?<!cause )(?<!prevent )\bout of (?:gpu )?memory\b"),
        *_any(
            r"OutOfMemoryError\b(?!: out of resource)",
            r"^(?:\w+\.)*(?:_Array)?MemoryError\b|std::bad_alloc|Unable to allocate .{1,40} for an array",
            r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
            r"cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY",
            r"[Cc]an(?:no|')t allocate memory",
            r"\b(?:[Nn]ot enough|[Ii]nsufficient|[Nn]o available|[Nn]o)(?: free)?(?: \w+)? memory\b",
            r"\bmemory\b.{0,120} (?:is )?(?:less|smaller) than (?:the )?(?:desired|requested|required)",
            r"\b[Ii]nsufficient free (?:V?RAM|memory)",
        ),
    ),
    broken_model=_any(
        # The hub's answers.
        r"\b40[134] Client Error|\b403 Forbidden|gated repo|GatedRepo|Repository Not Found",
        r"\b(?:Repository|Revision|(?:Local|Remote)?Entry)NotFoundError\b|\bHfHubHTTPError\b|OfflineModeIsEnabled",
        r"couldn't connect to 'https?://|[Cc]annot find an appropriate cached snapshot|find them in the cached files",
        # A folder that is not there is looked for on the hub.
        r"\bHFValidationError\b|Repo id must (?:be|use)|is not a local folder|is not a valid model identifier",
        r"Can'?t load (?:the )?(?:\w+ )?(?:configuration|tokenizer|model|processor|feature extractor) (?:of|for) '",
        r"Error no file named|does not appear to have (?:a file|files|a \S+ file) named",
        # Files that cannot be read.
        r"is not a valid JSON file|Unrecognized model in |Unrecognized processing class in",
        r"Should have a `model_type` key|Couldn't instantiate the backend tokenizer",
        r"did not match any variant of untagged enum|[Nn]o tokenizer files? found",
        r"[Tt]here is no module or parameter named",
        r"\bSafetensorError\b|Error while deserializing header|\bUnpicklingError\b|invalid load key",
        r"PytorchStreamReader failed|unexpected EOF, expected",
        r"[Cc]heckpoint .{0,80}(?:corrupt|truncated|incomplete)",
        r"[Cc]annot find any (?:\w+ )*weights|[Ww]eight files .{0,40}missing|missing: \[?'?model-\d+",
        r"were not initialized from (?:the )?(?:model )?checkpoint|Missing keys \(|Attempted to load weight",
        _FILE_TROUBLE + r".{0,40}['\"][^'\"]*" + _OF_A_MODEL,
    ),
    unsupported_model=_any(
        r"[Mm]odel architectures? .{1,400}?(?:is|are) not supported",
        r"[Mm]odel architectures .{1,200}failed to be inspected|No model architectures are specified",
        r"does not recognize this architecture|Cannot find model module",
        r"\b(?:[Uu]nsupported|[Uu]nknown) (?:model )?(?:architecture|model type)s?\b",
        r"[Mm]odel with architecture \S+ is not supported",
        r"has no (?:vLLM|SG[Ll]ang) implementation|model type `?\S+`? (?:is )?not supported",
    ),
    crash=_any(
        r"CUDA (?:driver )?error:|CUDA unknown error|\bcudaError|\bHIP error|\bhipError|AcceleratorError|Cuda failure",
        r"NCCL [Ee]rror|\bnccl[A-Z]\w*Error|DistBackendError|\bCUBLAS_STATUS|\bCUDNN_STATUS",
        r"driver on your system is too old|no kernel image|[Ff]ailed to infer device type",
        r"Found no NVIDIA driver|No (?:CUDA|HIP) GPUs are available|Torch not compiled with|nvidia-smi failed",
        r"cannot open shared object file|undefined symbol|[Aa]ddress already in use|No space left on device",
        r"out of resource|Too many open files|can't start new thread",
    ),
    kills_itself=(),
    draft_modules=(),
    notes=_any(
        r"\b(?:fall(?:s|ing|en)?|fell) ?back\b|\busing .{1,60} instead\b|\bhas no effect\b",
        r"\b(?:is|are|was|were|be|been) (?:now )?(?:ignored|disabled|overrid\w+|clipped|clamped|capped)\b",
        r"\b(?:is|are|was|were|be|been) (?:reset|reduced|lowered|raised|increased|decreased|adjusted|rounded|forced)\b",
        r"\b(?:[Ii]gnoring|[Dd]isabling|[Oo]verriding|[Rr]educing|[Cc]apping|[Cc]lipping|[Aa]djusting|[Ff]orcing)\b",
        r"\b[Ss]etting \S+ to\b|\bnot supported\b|\bdoes not support\b|\bwill not (?:be used|take effect)\b",
    ),
    version=(),
)
# More ranks than devices: the only error of CUDA that the arguments decide.
TOO_MANY_RANKS = re.compile(r"invalid device ordinal|\bworld_size \(\d+\)|local gpu count")
MISSING = re.compile(
    r"(?i)no such file|not found|no adapter|does(?: not|n't) exist|failed to load|(?:cannot|can't) (?:find|load)"
)
# An operator that this build or device does not have: a kernel for another type, another generation, a CPU.
_LACKING = r"(?:[Nn]ot supported|[Uu]nsupported|[Oo]nly support\w*|[Rr]equires?|[Nn]eeds?|does not support|[Mm]inimum)"
KERNEL_MISSING = re.compile(
    r"\b_\w*C\w*(?:::|\.)\w+(?:\(\))? expected at most|'_OpNamespace'.* has no attribute"
    r"|Could not run '\S+' with arguments from the '\w+' backend"
    rf"|{_LACKING}.{{0,40}}? (?:SM ?[>=_]*\d|sm_?\d+|(?:compute )?capability|Blackwell|Hopper|Ampere|Ada\b"
    r"|AVX|AMX|device|platform|GPU|CPU|hardware|this architecture)"
)
# What a library or an engine answers to an argument. Only at the start does it mean the arguments.
REFUSAL = re.compile(
    r"(?i)\bmust\b|\bshould\b|\bcan(?:not|'t| not)\b|\brequire[sd]?\b|\bsupport(?:s|ed)?\b|\bunsupported\b"
    r"|\bneeds? (?:to|a|an|one|the)\b|\bplease\b|\bonly\b|\bdeprecated\b|\bexplicitly\b|\bexclusive\b|\bconflict"
    r"|\bnot (?:yet |currently )?(?:compatible|allowed|available|valid|divisible|aligned|implemented|permitted)\b"
    r"|\bincompatible\b|\bdivisible by\b|\btoo (?:large|small|long)\b|\bat (?:least|most)\b|\bexceeds?\b"
    r"|\b(?:does|do|did)(?:n't| not) (?:yet |currently )?(?:match|allow|exist)\b|\bnot found\b|\bno such\b"
    r"|\binvalid\b|\bunknown\b|\bunrecognized\b|\bexpect(?:s|ed)?\b|\bchoo?se from\b"
    r"|\b(?:greater|less|larger|smaller|higher|more|fewer) than\b|\bno (?:\w+ ){1,2}(?:backend|adapter|size)\b"
    r"|\bNot enough allowed\b|\bno valid\b"
)
# Words of torch that look like a refusal and are a bug.
TORCH_SPEAKS = re.compile(
    r"size of tensor|shapes? (?:cannot|mismatch|'\[)|mat1 and mat2|expected scalar type|same (?:dtype|device)"
    r"|Expected size|must match the size|invalid for input of size|Expected .{0,60}tensor|could not broadcast"
    r"|out of (?:bounds|range)"
)
# What is compared where an engine checks its arguments by bare assertions.
SPLIT = re.compile(
    r"%|_size\b|\bnum_\w*(?:heads|experts|layers|groups)|parallel|\brank|quant|capability|chunk|block|\bpage|dtype"
    r"|backend|server_args|_config\b"
)
QUANTIZED = re.compile(r"scale|qweight|qzeros|g_idx|zero_point|absmax|quant")
FILE_OF_A_FLAG = re.compile(r"(?i)chat.template|\.jinja\b|\.ya?ml\b|\.toml\b")
LOADING = re.compile(r"loaded_weight")
