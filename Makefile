# trialwise: `make demo` shows it, `make test` proves it. Needs python3 (3.11 or newer) and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PEERS := .venv-bench
PEERS_STAMP := $(PEERS)/.ready
EVENTS ?= 1000000
RECORDS ?= 1000000
HISTORY ?= 1000000 3000000 10000000 30000000 100000000

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make the virtual environment with the pinned requirements

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

clients: ## install the official Node and browser clients that tests/clients drives (needs npm)
	npm ci --prefix tests/clients/node --no-audit --no-fund --loglevel=error

demo: setup ## a fictional company, imported, refreshed and shown, in ./demo
	@$(BIN)/trialwise demo demo

test: setup ## all tests but the long ones, with coverage
	@rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term -q

test-long: setup ## the tests that take minutes: large property runs, the second engine
	$(BIN)/python -m pytest -q -m long

check: setup ## lint, types, layers, SQL, models, docs
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 2 sql
	$(BIN)/trialwise lint
	$(BIN)/trialwise docs --check

lint: check ## the same as check

fix: setup ## format and mend what can be mended
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/sqlfluff fix --processes 2 sql

docs: setup ## write docs/models.md and docs/cli.md
	$(BIN)/trialwise docs

# One lock file for all platforms: pip is not to look for versions of its own.
$(PEERS_STAMP): requirements/bench.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/bench.txt
	@touch $(PEERS_STAMP)

bench: setup $(PEERS_STAMP) ## the budgets as ratios, beside dbt, polars, pandas and plain SQL (EVENTS=10000000 for more)
	$(BIN)/python -m benchmarks --events $(EVENTS)
	$(BIN)/python -m benchmarks.history --events $(EVENTS)
	$(BIN)/python -m benchmarks.load --rows $(RECORDS)
	$(BIN)/python -m benchmarks.ingest

bench-figure: setup $(PEERS_STAMP) ## refresh time against history, measured and drawn: hours, and 20 GB of disk
	$(BIN)/python -m benchmarks.history --sizes $(HISTORY) --json docs/performance/history.json
	$(PEERS)/bin/python -m benchmarks.figure docs/performance/history.json docs/images/history.svg

clean: ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) $(PEERS) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* dist build

.PHONY: help setup clients demo test test-long check lint fix docs bench bench-figure clean
