# Every target builds the environments it needs below .envs/ and reuses them afterwards.
# A name on PATH may be a version manager's for a version it lacks, so python3.11 is asked.
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || \
  command -v python3 || echo python3)
PYTHON_GPU ?= python3
FAMILY ?= qwen3_vl
ENGINE ?= vllm
FEATURES ?= linear,mrope,pixels
ENVIRONMENT ?= $(ENGINE)
PYTEST = -m pytest -p no:cacheprovider --durations=5
GATE_TESTS = tests/evals/gate tests/evals/test_servers.py
# Tests of the marker `slow` are left out by default (pyproject.toml).
SLOW_TOO = -m "slow or not slow"

# Environments are installed uncompiled: the first import has to write what it compiles.
unexport PYTHONDONTWRITEBYTECODE

# The last line of build.py is the path of the environment's Python; quoted, as it may hold spaces.
environment = "$(PYTHON)" environments/build.py $(1)

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@echo "make TARGET; PYTHON=... names a Python 3.11, ENGINE_EXT_ENVS=... a folder for environments"
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 24

.PHONY: demo
demo: ## serve a tiny model with and without the extension and compare (ENGINE=vllm|sglang FAMILY=...)
	@python=$$($(call environment,$(ENGINE))) && "$$python" -m evals.demo --engine $(ENGINE) --family $(FAMILY)

.PHONY: test
test: ## everything below but the old engines and what is slow, in two lanes (about 20 minutes on 2 cores)
	@"$(PYTHON)" -m tests.suite --make "$(MAKE)"

.PHONY: lint
lint: ## ruff, mypy, and whether the documents show what was recorded
	@echo "== lint"
	@python=$$($(call environment,core)) && "$$python" -m ruff check . && \
	  "$$python" -m ruff format --check . && "$$python" -m mypy && "$$python" -m docs --check

.PHONY: docs
docs: ## draw every table and picture of the documents, and the page of the Python API
	@python=$$($(call environment,core)) && "$$python" -m docs

.PHONY: test-core
test-core: ## the core, packaging and the checkpoints, without an engine
	@echo "== core, torch and transformers 5"
	@python=$$($(call environment,core)) && "$$python" $(PYTEST) tests

.PHONY: test-transformers-4
test-transformers-4: ## the core, rope positions and the checkpoints on transformers 4.57
	@echo "== transformers 4.57"
	@python=$$($(call environment,transformers-4)) && \
	  "$$python" $(PYTEST) tests/patch_embed/test_transformers.py tests/mrope tests/pixels \
	    tests/evals/checkpoints/test_shipped.py

.PHONY: test-sglang
test-sglang: ## real SGLang 0.5.23 servers on the CPU
	@echo "== SGLang 0.5.23"
	@python=$$($(call environment,sglang)) && "$$python" $(PYTEST) -v tests/engines

.PHONY: test-vllm
test-vllm: ## real vLLM 0.32.0 servers on the CPU
	@echo "== vLLM 0.32.0"
	@python=$$($(call environment,vllm)) && "$$python" $(PYTEST) -v tests/engines

.PHONY: test-engines-old
test-engines-old: ## SGLang 0.5.8 and 0.5.9, vLLM 0.11.0: the last with nn.Conv3d (14 GB, not part of test)
	@for old in sglang-0.5.8 sglang-0.5.9 vllm-0.11; do \
	  echo "== $$old" && python=$$($(call environment,$$old)) && "$$python" $(PYTEST) -v tests/engines || exit 1; \
	done

.PHONY: test-gate
test-gate: ## the accuracy gate: all its runs against vLLM, and its report in Chromium (installed where it can be)
	@echo "== accuracy gate"
	@sh environments/browser.sh >/dev/null
	@$(call environment,vllm) >/dev/null
	@python=$$($(call environment,lmms-eval)) && "$$python" $(PYTEST) $(SLOW_TOO) -v $(GATE_TESTS)

.PHONY: test-gate-short
test-gate-short: ## the same without its slow runs, and without the report where there is no Chromium
	@echo "== accuracy gate, short"
	@$(call environment,vllm) >/dev/null
	@python=$$($(call environment,lmms-eval)) && "$$python" $(PYTEST) -v $(GATE_TESTS)

.PHONY: gpu
gpu: ## tests and benchmarks of a GPU, in the Python that has your torch (PYTHON_GPU=python3)
	@"$(PYTHON_GPU)" -m pytest tests/gpu
	@"$(PYTHON_GPU)" -m benchmarks.gpu

.PHONY: gate
gate: ## the accuracy gate on a tiny checkpoint: extension off against on (ENGINE=vllm|sglang FAMILY=... FEATURES=...)
	@engine=$$($(call environment,$(ENGINE))) && python=$$($(call environment,lmms-eval)) && \
	  "$$python" -m evals.checkpoints.mmmu $(FAMILY) .gate/$(FAMILY).parquet && \
	  "$$python" -m evals.gate --cpu --features $(FEATURES) --engine $(ENGINE) --engine-python "$$engine" \
	    --model evals/checkpoints/$(FAMILY) --dataset .gate/$(FAMILY).parquet --max-new-tokens 8 \
	    --min-accuracy 0.8 --logprobs 60 --out .gate/$(ENGINE)-$(FAMILY)

.PHONY: bench
bench: ## the layer, the tower, loading and rope positions on this CPU (10 minutes; do nothing else meanwhile)
	@python=$$($(call environment,core)) && \
	  "$$python" -m benchmarks.patch_embed --device cpu && \
	  "$$python" -m benchmarks.tower --device cpu --clips 1 && \
	  "$$python" -m benchmarks.load --device cpu --runs 2 && \
	  "$$python" -m benchmarks.mrope && \
	  "$$python" -m benchmarks.plot

.PHONY: bench-engine
bench-engine: ## beside an engine: its layer, its rope positions, its server off and on (ENVIRONMENT=sglang|vllm|sglang-0.5.9|...)
	@$(call environment,vllm) >/dev/null
	@python=$$($(call environment,$(ENVIRONMENT))) && \
	  "$$python" -m benchmarks.patch_embed --device cpu --counts 6080 && \
	  "$$python" -m benchmarks.mrope && \
	  "$$python" -m benchmarks.serve

.PHONY: soak
soak: ## 30 minutes of mixed and malformed requests against one engine (ENGINE=vllm|sglang)
	@locust=$$($(call environment,soak)) && python=$$($(call environment,$(ENGINE))) && \
	  "$$python" -m evals.soak --engine $(ENGINE) --locust "$$locust"

.PHONY: reliability
reliability: ## all tests of an engine, the slow ones too, recorded for docs/reliability.md (ENVIRONMENT=vllm|sglang|...)
	@python=$$($(call environment,$(ENVIRONMENT))) && \
	  RELIABILITY_RECORDS=evals/reliability/results "$$python" $(PYTEST) $(SLOW_TOO) -v tests/engines

.PHONY: checkpoints
checkpoints: ## train the four checkpoints again (about 4 minutes each on one core)
	@python=$$($(call environment,core)) && "$$python" -m evals.checkpoints.train qwen2_vl qwen2_5_vl qwen3_vl glm4v

.PHONY: clean
clean: ## remove the environments
	rm -rf .envs
