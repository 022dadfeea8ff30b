# Every target sets up what it needs, from a bare clone on; a second run takes no set-up time.
# ARGS goes to the command behind the target: make demo ARGS="--once --json"

SHELL := bash
# Every command is a process of its own: without bytecode each would compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/boot/bin/uv

# Run, not only looked up: a pyenv shim can stand for a Python that is not there.
PYTHON := $(shell for p in python3.11 python3.12; do $$p -c '' 2>/dev/null && echo $$p && break; done)
LOCKED := $(shell cat requirements.lock requirements-uv.lock pyproject.toml | sha256sum | cut -c1-16)
READY := $(VENV)/ready-$(LOCKED)
COMPILE := $(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--python-version 3.11 --universal --group dev pyproject.toml -o requirements.lock

# The real seasons, where they lie beside the checkout.
ifndef STEAMLINE_DATA
ifneq ($(wildcard ../shared/data/.),)
export STEAMLINE_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: help demo test test-long check bench up down docs lock setup tools

help:
	@echo "make demo | test | test-long | check | bench | up | down | docs | lock    (ARGS=... is passed on)"

demo: $(READY)
	@$(BIN)/steamline demo $(ARGS)

test: $(READY) tools
	@# By file, so that what a file sets up is set up once. Most of the time servers are waited for.
	@$(BIN)/python -m pytest -rs -n 2 --dist loadfile -m "not long" $(ARGS)

test-long: $(READY) tools
	@$(BIN)/python -m pytest -rs -n 2 --dist loadfile -m long $(ARGS)

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m deploy.compose_check
	@$(BIN)/python -m deploy.lock_check

bench: $(READY)
	@$(BIN)/python -m bench $(ARGS)

up down: $(READY)
	@$(BIN)/steamline stack $@ $(ARGS)

docs: $(READY)
	@$(BIN)/python -m docs.settings_page
	@$(BIN)/python -m docs.features_page
	@$(BIN)/python -m docs.metrics_page

lock: $(UV)
	@$(COMPILE)

setup: $(READY)
	@:

tools: $(READY)
	@deploy/tools.sh $(VENV)/tools-tried

# Standard output belongs to the command, so that --json stays one document.
$(READY): $(UV)
	@$(PYTHON) -m venv --without-pip $(VENV) >&2
	@$(UV) pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock >&2
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . >&2
	@rm -f $(VENV)/ready-*
	@touch $@

$(UV): requirements-uv.lock
	@test -n "$(PYTHON)" || { \
		echo "Steamline needs Python 3.11 or 3.12: neither python3.11 nor python3.12 is on PATH" >&2; \
		exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv $(VENV)/boot >&2
	@$(VENV)/boot/bin/pip install -q --require-hashes -r requirements-uv.lock >&2
	@touch $@
