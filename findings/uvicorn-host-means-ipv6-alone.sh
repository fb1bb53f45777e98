#!/usr/bin/env bash
# uvicorn 0.40.0, with uvloop 0.22.1 and with asyncio: `--host ::` serves IPv6 alone; a plain socket on :: serves both.
#
# Expected: :: takes IPv4 too, as Linux has it (net.ipv6.bindv6only = 0), as servers in Go and Node do, and as vLLM does,
#   which binds the socket itself: one value of --host for IPv4, IPv6 and dual stack.
# Happens: both event loops set IPV6_V6ONLY on sockets that they bind by a host, so with --host :: nothing answers at
#   127.0.0.1 or at a pod's IPv4 address. The same words are dual stack for vLLM and IPv6 alone for SGLang, which gives
#   its --host to uvicorn. Only an empty host makes uvicorn serve both.
# Hurt: who sets --host :: in a manifest for every cluster: on IPv4 the kubelet's probes never reach the engine. The
#   pod's own address, --host=$(POD_IP), serves in each kind of cluster.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.40.0 uvloop==0.22.1
cat >"$folder/app.py" <<'PYTHON'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
PYTHON
cat >"$folder/ask.py" <<'PYTHON'
import socket, sys, time

def answers(address, port):
    try:
        socket.create_connection((address, port), 2).close()
        return True
    except OSError:
        return False

port, deadline = int(sys.argv[1]), time.monotonic() + 30
while not answers("::1", port) and time.monotonic() < deadline:
    time.sleep(0.1)
print(" ".join(f"{address}={'answers' if answers(address, port) else 'refused'}" for address in ("::1", "127.0.0.1")))
PYTHON
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
told=
for loop in uvloop asyncio; do
  for host in :: ""; do
    port=$(free)
    (cd "$folder" && exec venv/bin/python -m uvicorn app:app --host "$host" --port "$port" --loop $loop --log-level error) &
    server=$!
    line="uvicorn --loop $loop --host '$host': $(python3 "$folder/ask.py" "$port")"
    kill "$server"; wait "$server" 2>/dev/null || true; server=
    echo "$line"; told="$told$line;"
  done
done
port=$(free)
python3 -c "import socket, time; s = socket.socket(socket.AF_INET6); s.bind(('::', $port)); s.listen(); time.sleep(60)" &
server=$!
line="a plain socket bound to ::: $(python3 "$folder/ask.py" "$port")"
echo "$line"; told="$told$line;"
"$folder/venv/bin/python" -c 'from importlib.metadata import version as v; print("uvicorn", v("uvicorn"), "uvloop", v("uvloop"))'
[ "$told" = "uvicorn --loop uvloop --host '::': ::1=answers 127.0.0.1=refused;\
uvicorn --loop uvloop --host '': ::1=answers 127.0.0.1=answers;\
uvicorn --loop asyncio --host '::': ::1=answers 127.0.0.1=refused;\
uvicorn --loop asyncio --host '': ::1=answers 127.0.0.1=answers;\
a plain socket bound to ::: ::1=answers 127.0.0.1=answers;" ]
