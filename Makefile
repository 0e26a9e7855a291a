# trialwise: `make demo` shows it, `make test` proves it. Needs python3 (3.11 or newer) and make.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
EVENTS ?= 1000000

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
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term -q

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

bench: setup ## the budgets as ratios, on the shipped models (EVENTS=10000000 for more)
	$(BIN)/python -m benchmarks --events $(EVENTS)
	$(BIN)/python -m benchmarks.load --rows $(EVENTS)
	$(BIN)/python -m benchmarks.ingest

clean: ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* dist build

.PHONY: help setup clients demo test test-long check lint fix docs bench clean
