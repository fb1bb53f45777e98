#!/usr/bin/env bash
# genai-bench 0.0.5: importing any part of it replaces the interpreter's sockets, sleeps and selectors.
#
# Expected: `genai_bench.scenarios` reads "N(100,20)/(40,5)" and draws two numbers; a library that is imported for that
#   changes nothing else.
# Happens: the package's __init__ calls gevent's `monkey.patch_all()`. After the import `time.sleep` and `socket.socket`
#   are others, `select.epoll` is gone, and every event loop that asyncio makes from then on runs on gevent's selector.
# Hurt: whoever draws the same lengths or prompts in a program of its own, above all in one that measures times with
#   asyncio: its loop is another one than before, and nothing says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# Without the hundred packages that this part of it does not need.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps genai-bench==0.0.5
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gevent==26.9.0 numpy==2.4.6
cat >"$folder/look.py" <<'PYTHON'
import asyncio
import select
import socket
import time
from importlib.metadata import version

sleep, plain = time.sleep, socket.socket


async def selector() -> str:
    return type(asyncio.get_running_loop()._selector).__module__


before = asyncio.run(selector())
from genai_bench.scenarios import Scenario

Scenario.from_string("N(100,20)/(40,5)").sample()
print("genai-bench", version("genai-bench"))
print("time.sleep replaced:", time.sleep is not sleep)
print("socket.socket replaced:", socket.socket is not plain)
print("select.epoll gone:", not hasattr(select, "epoll"))
print("selector of asyncio:", before, "->", asyncio.run(selector()))
PYTHON
"$folder/venv/bin/python" -W ignore "$folder/look.py" | tee "$folder/out.txt"
grep -q "^time.sleep replaced: True" "$folder/out.txt"
grep -q "^socket.socket replaced: True" "$folder/out.txt"
grep -q "^select.epoll gone: True" "$folder/out.txt"
grep -q "^selector of asyncio: selectors -> gevent.selectors" "$folder/out.txt"
