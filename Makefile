# Everything a developer does here. Needs make and Python 3.11 or newer with venv and pip:
# on Debian, `apt install make python3-venv`. `make help` lists the targets.

VENV := .venv
MLFLOW := .venv-mlflow
SHIPPED := src/pointsman/web/static/vendor/htmx.min.js
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python that is new enough and can make environments; 3.11 is what the lock is for.
PYTHON ?= $(firstword $(foreach candidate, python3.11 python3 /usr/bin/python3 python3.12 python3.13, \
  $(shell $(candidate) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
    2>/dev/null && echo $(candidate))))

# How many processes share the tests, and what else pytest is told: make test ARGS="-k alias"
WORKERS ?= auto
ARGS ?=

.PHONY: help demo test check fmt bench faults reference screenshots lock clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

demo: $(VENV)/.server $(SHIPPED) ## start a registry with something in it, and show what it does
	$(BIN)/python demo/run.py

test: $(VENV)/.dev $(SHIPPED) $(MLFLOW)/.whole ## run all tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/.dev ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fmt: $(VENV)/.dev ## format, and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## print the table of benchmarks; PEERS=1 measures the peers as well
	PEERS=$(PEERS) $(BIN)/python -m bench $(ARGS)

faults: $(VENV)/.dev ## kill, cut and fill the disk a hundred times, not the few of `make test`
	POINTSMAN_FAULT_RUNS=$${POINTSMAN_FAULT_RUNS:-100} $(BIN)/pytest tests/faults $(ARGS)

clean: ## remove the environment and all that was built
	rm -rf $(VENV) $(MLFLOW) $(dir $(SHIPPED)) assets/node_modules build dist .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +


# The environment. `.whole` is there while nothing is being installed: what an interrupted run
# leaves behind is thrown away. `.server` and `.dev` say which lock it was made from last.

define install
@[ -n "$(PYTHON)" ] || { echo "Needs Python 3.11 or newer with venv: apt install python3-venv" >&2; exit 1; }
@[ -e $(VENV)/.whole ] || $(PYTHON) -m venv --clear $(VENV)
@rm -f $(VENV)/.whole
$(PIP) install --quiet --require-hashes -r $<
$(PIP) install --quiet --no-deps --no-build-isolation -e .
@touch $(VENV)/.whole $@
endef
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

$(VENV)/.server: requirements/server.lock pyproject.toml
	$(install)

$(VENV)/.dev: requirements/dev.lock pyproject.toml
	$(install)
	@touch $(VENV)/.server

# What pages take from the npm registry: with the npm that is there, or one of our own.
$(SHIPPED): assets/package-lock.json $(VENV)/.server
	$(BIN)/python assets/build.py
	@touch $@

# Clients of other systems, for the tests of their protocols: what they need is not what we need.
$(MLFLOW)/.whole: requirements/mlflow.lock
	$(PYTHON) -m venv --clear $(MLFLOW)
	$(MLFLOW)/bin/python -m pip --disable-pip-version-check --no-input install --quiet \
	  --require-hashes -r $<
	@touch $@


# The locks. They are made of what the public index has, whatever pip is told on this machine,
# and name neither an index nor an address. `make lock UPGRADE=1` takes the newest versions.

PIP_TOOLS := pip-tools==7.6.2
PUBLICLY := env -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS -u PIP_NO_INDEX \
  -u PIP_CONSTRAINT PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock"
COMPILE := $(PUBLICLY) build/lock/bin/pip-compile --quiet --generate-hashes --strip-extras \
  --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
  --no-emit-options --annotation-style line \
  $(if $(UPGRADE),--upgrade)
COMPILE_OURS := $(COMPILE) --build-deps-for editable pyproject.toml

reference: $(VENV)/.dev ## write docs/reference/cli.md and docs/compatibility.md
	$(VENV)/bin/python tests/house/cli_reference.py
	PYTHONPATH=tests $(VENV)/bin/python tests/house/compatibility_page.py

screenshots: $(VENV)/.dev $(SHIPPED) ## pictures of every page, into build/screenshots; ARGS="settings" for some
	$(BIN)/python tests/web/screenshots.py $(ARGS)

lock: ## make the locks again from pyproject.toml; UPGRADE=1 for the newest of everything
	python3.11 -m venv --clear build/lock
	$(PUBLICLY) build/lock/bin/pip install --quiet $(PIP_TOOLS)
	$(COMPILE_OURS) --extra dev --output-file requirements/dev.lock
	$(COMPILE_OURS) --extra server --extra llm --constraint requirements/dev.lock --output-file requirements/server.lock
	$(COMPILE) requirements/mlflow.in --output-file requirements/mlflow.lock
	$(COMPILE) requirements/node.in --output-file requirements/node.lock
