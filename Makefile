# `make` alone lists the targets. Works with GNU make 3.81 (macOS) and newer.

PYTHON ?= python3
RUN := .venv/bin/python -m
PIP_TOOLS := pip-tools==7.6.2
PIP_AUDIT := pip-audit==2.10.1
SCRIPTS := .ci/run deploy_vps.sh $(wildcard scripts/*.sh)
COMPILE := --quiet --generate-hashes --allow-unsafe --no-strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# Handed to the recipe through the environment, with $ and quotes as they were typed: nothing here expands them.
override PHOTO := $(value PHOTO)
override TEXT := $(value TEXT)
export PHOTO TEXT

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check lint format docs migrate chaos crash-sweep reliability coverage requirements audit-dependencies clean distclean environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

setup: environment ## make .venv with everything installed (the targets below do it by themselves)
	@echo "setup: .venv is up to date"

environment:
	@$(PYTHON) scripts/setup.py

demo: environment ## play one customer from /start to the finished video; own material: PHOTO=file TEXT=words
	@$(RUN) neurocards demo $${PHOTO:+"--photo=$$PHOTO"} $${TEXT:+"--text=$$TEXT"}

dev: environment ## run everything locally and stay up, with a chat page in the browser
	@$(RUN) neurocards dev

test: environment ## run all tests; ARGS=... goes to pytest
	@$(RUN) pytest -n 3 --dist worksteal $(ARGS)

check: lint test ## run lint and all tests

lint: environment ## check format, style, types, imports and shell scripts
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	.venv/bin/lint-imports
	.venv/bin/shellcheck $(SCRIPTS)
	.venv/bin/shfmt -d $(SCRIPTS)

format: environment ## format the code and mend what can be mended
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: environment ## write docs/configuration.md anew from the settings class
	@$(RUN) neurocards config > docs/configuration.md

migrate: environment ## create or upgrade the database at DATABASE_URL
	@$(RUN) neurocards migrate

crash-sweep: environment ## kill before and after every I/O call of everything; ARGS=... goes to reliability.crash_sweep
	@$(RUN) reliability.crash_sweep $(ARGS)

chaos: environment ## let orders flow while everything is killed: JOBS=200 SEED=1
	@$(RUN) reliability.chaos --jobs $(or $(JOBS),200) --seed $(or $(SEED),1)

reliability: environment ## put every promise to the test, for hours, and fill RELIABILITY.md; ARGS="--quick" is the short set, ARGS=NAME one
	@$(RUN) reliability $(ARGS)

coverage: environment ## run all tests and show which lines they miss
	@$(RUN) pytest -n 3 --dist worksteal --cov --cov-report=term-missing:skip-covered $(ARGS)

requirements: ## compile requirements*.txt anew from the .in files
	$(PYTHON) -m venv var/pip-tools
	var/pip-tools/bin/python -m pip install --quiet $(PIP_TOOLS)
	CUSTOM_COMPILE_COMMAND="make requirements" var/pip-tools/bin/pip-compile $(COMPILE) -o requirements.txt requirements.in
	CUSTOM_COMPILE_COMMAND="make requirements" var/pip-tools/bin/pip-compile $(COMPILE) -o requirements-dev.txt requirements-dev.in

audit-dependencies: ## look the pinned packages up among known vulnerabilities; fails too where these can't be reached
	$(PYTHON) -m venv var/pip-audit
	var/pip-audit/bin/python -m pip install --quiet $(PIP_AUDIT)
	var/pip-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements-dev.txt

clean: ## remove caches and the files of ended local runs, a developer's database too
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache htmlcov
	@$(PYTHON) -m sandbox.folders var

distclean: clean ## remove .venv too
	@test ! -L .venv || { echo ".venv is a link: this checkout is deployed" >&2; exit 1; }
	@rm -rf .venv .venv.lock
