# Two environments, because kubernetes and genai-bench's dependencies cannot be in one:
# .venv (operator and development tools) and .venv-benchmark (the benchmark image: genai-bench, simulated engine).
UV := .cache/uv/bin/uv
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help

help:  ## what one can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(UV):
	python3 -m venv .cache/uv
	.cache/uv/bin/pip install --quiet 'uv==0.13.8'

.venv/ok: $(UV) locks/dev.txt pyproject.toml
	$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --quiet --python .venv --require-hashes locks/dev.txt
	$(UV) pip install --quiet --python .venv --no-deps --editable .
	@touch $@

.venv-benchmark/ok: $(UV) locks/benchmark.txt pyproject.toml
	$(UV) venv --quiet --allow-existing .venv-benchmark
	$(UV) pip sync --quiet --python .venv-benchmark --require-hashes locks/benchmark.txt
	$(UV) pip install --quiet --python .venv-benchmark --no-deps --editable .
	@touch $@

setup: .venv/ok .venv-benchmark/ok  ## make both environments

demo: setup  ## the whole loop on this machine, no cluster or GPU needed (KEEP=1 leaves it up)
	@$(PYTHON) -m tests.demo $(if $(KEEP),--keep)

.PHONY: help setup demo
