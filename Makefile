# Everything a person or a machine does here. `make help` lists it.
# Nothing is written outside this checkout, save pip's own cache (and system packages, by apt, if Python needs them).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
LOCK := requirements.lock
STAMP := .venv/.installed
PROXY := .venv/proxy/.installed
PROVIDER := .venv/provider/.installed
ROOMS := sandbox connectors hub_config
WORKERS ?= auto
export TMPDIR := $(CURDIR)/.tmp
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo hub test test-slow check format bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP) $(PROXY) $(PROVIDER) ## make .venv and install the locked dependencies into it
	@:

$(STAMP): $(LOCK) pyproject.toml .ci/python
	@mkdir -p "$$TMPDIR"
	@if [ ! -x $(BIN)/pip ]; then python="$$(.ci/python)" && "$$python" -m venv .venv; fi
	@echo "Installing the locked dependencies into .venv (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

# What runs on Node: the hub's proxy, and the identity provider of its tests. The locks say which, by digest.
$(PROXY): $(STAMP) hub_config/proxy/package.json hub_config/proxy/package-lock.json
$(PROVIDER): $(STAMP) tests/hub/provider/package.json tests/hub/provider/package-lock.json
$(PROXY) $(PROVIDER):
	@mkdir -p $(@D) && cp $(filter %.json,$^) $(@D)/
	@cd $(@D) && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

demo: setup ## the main job end to end, on real data, in ./demo-home
	@$(BIN)/sandbox demo

hub: setup ## JupyterHub with sealed notebooks on one loopback address, over ./demo-home
	@.ci/programs
	@if [ ! -d demo-home/home ]; then $(BIN)/sandbox demo; fi
	@SANDBOX_HOME=demo-home/home SANDBOX_PASSPHRASE_FILE=demo-home/passphrase $(BIN)/sandbox serve --hub

test: setup ## all tests
	@.ci/programs
	@mkdir -p "$$TMPDIR"
	@$(BIN)/python -m pytest -n $(WORKERS) -q

test-slow: setup ## the long tests: hundreds of killed loads, thousands of answers, other systems (many minutes)
	@.ci/programs
	@mkdir -p "$$TMPDIR"
	@$(BIN)/python -m pytest -n $(WORKERS) -q -m long

check: setup ## style, types and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## put the code into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## measure speed and memory (see benchmarks/)
	@.ci/programs
	@mkdir -p "$$TMPDIR"
	@$(BIN)/python -m benchmarks

lock: setup ## choose the newest allowed dependencies and pin them with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--generate-hashes --upgrade --no-config --custom-compile-command "make lock" --quiet -o $(LOCK)

clean: ## remove what the other targets made, .venv and ./demo-home included
	@rm -rf .venv .tmp build dist demo-home .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(ROOMS) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
