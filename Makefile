# `make demo` and `make test` do everything on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: install demo test test-all bench docs lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	# dattri asks for it and does without; built for another torch, it would break Transformers.
	$(BIN)/python -m pip uninstall --quiet --yes torchvision
	touch $@

demo: install
	$(BIN)/chaffinch demo --overwrite

# Two processes with one thread each: the suites are many small models, which threads only slow down.
# Coverage is measured where it must not fall, and by those packages' own tests: tracing costs
# three quarters of the time that a test takes without it.
FAST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow" -q
JUDGING := tests/scorers tests/diagnosis

test: install
	$(FAST) $(addprefix --ignore=,$(JUDGING))
	$(FAST) $(JUDGING) --cov --cov-report=term:skip-covered --cov-report=json:.coverage.json
	$(BIN)/python tests/coverage_floor.py .coverage.json

test-all: install
	$(BIN)/python -m pytest

# All suites: hours on two cores. Stop it with Ctrl-C at will, it goes on where it was.
bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks all

# The documentation site, in build/site; a warning is an error.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
