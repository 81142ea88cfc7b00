# Everything runs in .venv, which is made on first use: a machine needs Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where the CPU build of torch comes from, like: TORCH_INDEX='--index-url https://download.pytorch.org/whl/cpu'
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-export test-all check format bench clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: $(VENV)/.base ## Watch live captions of the sample that is included
	@$(BIN)/streamscribe models pull
	@$(BIN)/streamscribe demo

test: $(VENV)/.dev ## Run the tests (under two minutes)
	@$(BIN)/streamscribe models pull
	$(BIN)/pytest -q -m "not slow and not gpu" -n 2 --dist loadfile  # more at once would make those in real time late

test-export: $(VENV)/.export ## Run the tests of export and finetune, which need torch
	$(BIN)/pytest -q -m "not slow and not gpu" tests/export

test-all: $(VENV)/.export ## Run all tests, slow ones and those for a GPU too
	@$(BIN)/streamscribe models pull
	$(BIN)/pytest -q

check: $(VENV)/.dev ## Check format, lint, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev ## Measure latency, accuracy, capacity and memory
	$(BIN)/python -m bench all

clean: ## Remove everything that was made here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml when the environment has what that asks for.

$(VENV)/.base: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/pyvenv.cfg
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.base

$(VENV)/.export: pyproject.toml $(VENV)/.dev
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) install --quiet 'torch==2.13.0' $(TORCH_INDEX)
	$(PIP) install --quiet --editable '.[dev,export]'
	@touch $@

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' can't make virtual environments (no ensurepip)." >&2; \
		echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
