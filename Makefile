# `make help` lists what there is. Everything runs from the .venv that `make setup` prepares.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
# Most tests wait for something; two at a time are twice as fast, and more would only disturb those that measure.
JOBS ?= 2
BIN := .venv/bin
RUN := $(BIN)/python -m

# Where a set-up has come is written down, so that nothing is installed twice.
.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Relay needs Python 3.11 or later; this is $$($(PYTHON) --version). Say which one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@rm -f $@
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.ready-for-tests: .venv/.ready requirements-dev.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready ## prepare .venv with what Relay needs to run

.PHONY: demo
demo: .venv/.ready ## show everything at work until Ctrl-C; EVENTS=5000 stops by itself and prints a proof
	@$(BIN)/relay demo $(if $(EVENTS),--events $(EVENTS)) $(if $(RATE),--rate $(RATE))

.PHONY: test
test: .venv/.ready-for-tests ## run every test whose tools are present
	@$(RUN) pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: test-fault
test-fault: .venv/.ready-for-tests ## kills, restarts and cuts with the full numbers (long)
	@$(RUN) pytest -m full tests $(ARGS)

# What Relay is compared with has an environment of its own, and no locks.
tests/bench/.venv/.ready: tests/bench/requirements.txt
	$(PYTHON) -m venv --without-pip tests/bench/.venv
	$(PYTHON) -m pip --python tests/bench/.venv/bin/python install --quiet --disable-pip-version-check -r tests/bench/requirements.txt
	@touch $@

.PHONY: bench
bench: .venv/.ready-for-tests tests/bench/.venv/.ready ## measure Relay and its peers, write docs/benchmarks.md (long; ARGS="--quick saturation")
	@$(RUN) tests.bench $(ARGS)

# libFuzzer for Python has an environment of its own: it is no part of the tests that everybody runs.
tests/fuzz/.venv/.ready:
	$(PYTHON) -m venv --without-pip tests/fuzz/.venv
	$(PYTHON) -m pip --python tests/fuzz/.venv/bin/python install --quiet --disable-pip-version-check 'atheris>=3.0,<4'
	@touch $@

SECONDS ?= 600
.PHONY: fuzz
fuzz: tests/fuzz/.venv/.ready ## let atheris attack the check of signatures for SECONDS=600
	@PYTHONPATH=. tests/fuzz/.venv/bin/python -m tests.fuzz.fuzz_verify tests/fuzz/.venv/corpus \
	  -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix=tests/fuzz/.venv/ -verbosity=0 -print_final_stats=1

.PHONY: check
check: .venv/.ready-for-tests ## format, lint, types, imports and the quick tests
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(BIN)/lint-imports
	@$(RUN) pytest -q tests/unit

.PHONY: format
format: .venv/.ready-for-tests ## put the code into its form
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

.PHONY: schema
schema: .venv/.ready-for-tests ## write sql/schema.sql and docs/reference/ anew
	@$(RUN) tests.support.schema_dump
	@$(RUN) relay.observe.catalogue > docs/reference/logs.md
	@$(RUN) relay.observe.metric_catalogue > docs/reference/metrics.md
	@$(RUN) tests.support.reference

.PHONY: screenshots
screenshots: .venv/.ready-for-tests ## take the pictures of the panel in docs/images/ anew (six minutes; needs chromium and, for small files, pngquant)
	@$(RUN) tests.support.screenshots $(ARGS)

.PHONY: lock
lock: ## renew the locked requirements (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --extra embedded --group build pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --extra embedded --group build --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

.PHONY: wheel
wheel: .venv/.ready ## build the wheel into dist/
	$(PYTHON) -m pip --python $(BIN)/python wheel --quiet --no-deps --no-build-isolation -w dist .

.PHONY: clean
clean: ## remove what was made
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
