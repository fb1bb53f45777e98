#!/usr/bin/env bash
# genai-bench 0.0.5: a level at which the server refuses every request ends the whole benchmark as an internal error.
#
# Expected: the error rate of a level is a result, for which its file has `error_codes_frequency` and `error_rate`; the
#   next level is measured.
# Happens: "ValueError: No values found for metric 'ttft'. This should never happen!", exit code 1; no level that was to
#   follow is run, so a queue that refuses for some seconds costs everything after it.
# Hurt: whoever measures a server beyond what it takes (HTTP 429 of a limit on its queue, 503 of a gateway).
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check genai-bench==0.0.5 transformers==5.23.0 tokenizers==0.23.3
cat >"$folder/server.py" <<'PYTHON'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Busy(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"error": {"message": "queue is full", "code": 429}}'
        self.send_response(429)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
open(sys.argv[1], "w").write(str(server.server_address[1]))
server.serve_forever()
PYTHON
"$folder/venv/bin/python" - "$folder/tokenizer" <<'PYTHON'
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

tokenizer = Tokenizer(models.BPE(vocab={chr(code): code for code in range(256)}, merges=[]))
PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(sys.argv[1])
PYTHON
"$folder/venv/bin/python" "$folder/server.py" "$folder/port" &
server=$!
until [ -s "$folder/port" ]; do sleep 0.1; done
code=0
(cd "$folder" && COLUMNS=500 HF_HUB_OFFLINE=1 venv/bin/genai-bench benchmark --api-backend openai --api-key none \
  --api-base "http://127.0.0.1:$(cat port)" --api-model-name model --model-tokenizer "$folder/tokenizer" --model model \
  --task text-to-text --traffic-scenario "D(20,5)" --num-concurrency 1 --num-concurrency 2 --max-time-per-run 1 \
  --max-requests-per-run 20 --experiment-base-dir "$folder/results" >out.txt 2>&1) || code=$?
version=$("$folder/venv/bin/python" -c 'from importlib.metadata import version; print(version("genai-bench"))')
found=$(cd "$folder" && find results -name 'D*_concurrency_*.json' | wc -l)
echo "genai-bench $version: exit code $code, $found of 2 levels recorded"
grep -m1 -o "No values found for metric 'ttft'. This should never happen!" "$folder/out.txt" || tail -20 "$folder/out.txt"
[ "$version" = 0.0.5 ] && [ "$code" = 1 ] && [ "$found" = 0 ] && grep -q "No values found for metric 'ttft'" "$folder/out.txt"
