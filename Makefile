# House-keeping. Needs Python 3.11 or newer (with venv) and make; everything else comes into .venv, from lock files.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/smsd.toml
WORKERS ?= 2
TESTS ?= tests
SECONDS ?= 60
ONLY ?= pdu stream session receipt segments text command trace
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --build-deps-for editable --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	--resolver backtracking $(if $(UPGRADE),--upgrade)

# the first Python that is new enough; the lock files are made for 3.11
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14; do \
	command -v $$name >/dev/null 2>&1 || continue; \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$name; break; }; \
	done)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: setup
setup: $(VENV)/.installed ## .venv with everything, from the lock files

$(VENV)/.made:
	@[[ -n "$(PYTHON)" ]] || { echo "No Python 3.11 or newer is found. Install one (Debian: apt install python3.11 \
	python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. \
	Install its venv package (Debian: apt install python3-venv)" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.locked: requirements/dev.lock $(VENV)/.made
	@echo "Installing what requirements/dev.lock names ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r requirements/dev.lock
	@touch $@

# nothing is fetched here: the build's own needs are in the lock
$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
		--editable .
	@touch $@

.PHONY: run
run: setup ## gateway, bridge, simulated operator and phones on this machine, until Ctrl+C
	@$(BIN)/python -m simulators.run

.PHONY: demo
demo: setup ## one run through joining, paying and what goes wrong, told step by step
	@$(BIN)/smsd demo

.PHONY: test
test: setup ## every test; ends with those left out, and why. REQUIRE_REAL=1 leaves none out
	@$(BIN)/python -m pytest -n $(WORKERS) $(TESTS)

# what npm leaves behind once it is done
STRANGERS := tests/interop/node/node_modules/.package-lock.json

.PHONY: strangers
strangers: $(STRANGERS) ## the npm package that tests/interop talks to; needs npm

$(STRANGERS): tests/interop/node/package.json tests/interop/node/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing (Debian: apt install npm)" >&2; exit 1; }
	@npm --prefix tests/interop/node --silent ci
	@touch $@

.PHONY: check
check: setup format-check lint types imports asyncapi ## format, lint, types, import arrows, the contract's description

.PHONY: format-check
format-check: setup
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted; run: make format" >&2; exit 1; }

.PHONY: format
format: setup ## put the code into its form
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

.PHONY: lint
lint: setup
	@$(BIN)/ruff check .

.PHONY: types
types: setup
	@$(BIN)/mypy

.PHONY: imports
imports: setup
	@$(BIN)/lint-imports --no-logo

.PHONY: asyncapi
asyncapi: setup
	@$(BIN)/python -m foundation.asyncapi --check docs/asyncapi.yaml

.PHONY: simulate
simulate: setup ## the simulated world with faults; SEEDS=n runs so many, SEED=n repeats one run exactly
	@$(BIN)/python tests/simulation/simulate.py $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000)) \
		$(if $(FIRST),--first $(FIRST)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

.PHONY: fuzz
fuzz: setup ## hostile octets at every parser, SECONDS=60 each; ONLY="pdu text" for some. Needs atheris
	@$(BIN)/python -c 'import atheris' 2>/dev/null || { echo "atheris is missing; run: $(BIN)/pip install -e '.[fuzz]'" >&2; \
	exit 1; }
	@mkdir -p var/fuzz
	@for name in $(ONLY); do \
		$(BIN)/python tests/fuzz/fuzz_$$name.py -max_total_time=$(SECONDS) >var/fuzz/$$name.txt 2>&1 \
			|| { tail -n 40 var/fuzz/$$name.txt >&2; exit 1; }; \
		echo "$$name: $$(sed -n 's/^stat::number_of_executed_units: *//p' var/fuzz/$$name.txt) executions, no fault"; \
	done

.PHONY: bench
bench: setup ## every benchmark
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each"; done

.PHONY: lock
lock: $(VENV)/.made ## write the lock files anew; UPGRADE=1 takes the newest versions
	@[[ -x $(BIN)/pip-compile ]] || $(MAKE) setup
	@$(PIP_COMPILE) --output-file requirements/runtime.lock pyproject.toml
	@$(PIP_COMPILE) --output-file requirements/dev.lock --extra dev --constraint requirements/runtime.lock pyproject.toml

.PHONY: clean
clean: ## away with .venv and all caches; stores in var/ stay
	@rm -rf $(VENV) tests/interop/node/node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
