# Few verbs, one .venv. `make help` lists them; ARGS go to the program a verb runs: make test ARGS="-k quota".
# PYTHON picks the interpreter for a new .venv; without it the first fit one of those in PYTHONS is taken.

PYTHON ?=
PYTHONS := python3 python3.13 python3.12 python3.11
ARGS ?=
# How many processes run the tests; 0 runs them in one, which a debugger needs.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq install
CODE := $(patsubst %/__init__.py,%,$(wildcard $(addsuffix /__init__.py,bridge smtp soap tests bench)))

# Fit: the right version, and able to make a venv (Debian keeps ensurepip in a package of its own).
FIT := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

.PHONY: help demo test check fix bench lock clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/installed-run ## install, start the bridge on a sandbox, and send one text through it
	@$(BIN)/smsbridge demo $(ARGS)

test: $(VENV)/installed-test ## run the whole suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/installed-test ## lint, format, types, import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { \
	    $(BIN)/ruff format --check . ; echo 'not formatted: run make fix' >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary $(CODE)
	@contracts=$$($(BIN)/lint-imports --no-logo --no-cache 2>&1) || { echo "$$contracts"; exit 1; }
	@echo 'lint, format, types and import contracts hold'

fix: $(VENV)/installed-test ## format, and mend what lint can mend by itself
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/installed-test ## measure the rates beside their bare floor
	@$(BIN)/python -m bench $(ARGS)

# Run on purpose only: nothing here depends on it. ARGS=--upgrade takes newer versions.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(ARGS)
lock: UV = $(or $(wildcard $(BIN)/uv),uv)
lock: ## compile requirements/*.txt anew from pyproject.toml
	@$(COMPILE) --group build pyproject.toml -o requirements/run.txt
	@$(COMPILE) --group test --constraints requirements/run.txt pyproject.toml -o requirements/test.txt

clean: ## remove .venv and everything the tools leave behind
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/made:
	@python='$(PYTHON)'; \
	for each in $(if $(PYTHON),,$(PYTHONS)); do \
	    if $$each -c '$(FIT)' >/dev/null 2>&1; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ] || ! $$python -c '$(FIT)' >/dev/null 2>&1; then \
	    echo 'smsbridge needs Python 3.11, 3.12 or 3.13 with its venv module; name one: make PYTHON=/path/to/python3.12' >&2; \
	    exit 1; \
	fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV)
	@touch $@

# The locks are complete, so pip has nothing to resolve (--no-deps); a changed lock or pyproject.toml installs again.
$(VENV)/installed-run: $(VENV)/made requirements/run.txt pyproject.toml
	@echo 'installing what the bridge runs on'
	@$(PIP) --no-deps --no-compile --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/made requirements/test.txt pyproject.toml
	@echo 'installing the test tools'
	@$(PIP) --no-deps --no-compile --require-hashes -r requirements/test.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/installed-run $@
