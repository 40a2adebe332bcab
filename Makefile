# `make help` lists what there is. Every target sets up what it needs first.
# PYTHON=python3.13 VENV=.venv-3.13 does it with another Python.
export VENV ?= .venv
BIN := $(VENV)/bin
# Most tests wait for processes of their own: half as many again as there are processors.
PYTEST_ARGS ?= -n $(shell expr $$(nproc) \* 3 / 2)

.DEFAULT_GOAL := help
.PHONY: help setup venv test format docs gate demo demo-roadmap demo-chains bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## programs the tests need, and .venv; does only what is missing
	@scripts/setup

venv:
	@scripts/setup venv

test: setup ## lint, format, types, imports and all tests; PYTEST_ARGS= replaces `-n ...`
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(PYTEST_ARGS)

format: venv ## format the code and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## bring the parts of the documentation that come from the code up to date
	$(BIN)/python scripts/reference.py --write
	$(BIN)/python scripts/pages.py --write

gate: setup ## the test gate on Stoker itself, run by Stoker: examples/test-gate
	PATH="$(abspath $(BIN)):$$PATH" stoker run examples/test-gate/plan.yaml

demo: venv ## a safe merge of a real branch with real conflicts: examples/safe-merge
	$(BIN)/python examples/safe-merge/demo.py

demo-roadmap: venv ## a plan file completed by an agent, verified and ticked: examples/roadmaps
	$(BIN)/python examples/roadmaps/demo.py

demo-chains: venv ## groups of operations on two EVM chains, simulated, to be signed: examples/chains
	scripts/chains
	$(BIN)/python examples/chains/demo.py

bench: setup ## measure Stoker against its peers; takes half an hour
	$(BIN)/python -m benchmarks

clean: ## remove what the targets made
	rm -rf .venv* .agents .evm .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis reports
