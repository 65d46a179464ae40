# Needs python3 (3.11 or newer) with venv, make and a package index; everything else is set up here.
VENV ?= .venv
PY := $(VENV)/bin/python
BIN := $(VENV)/bin
OUT ?= out/demo
RECIPE ?= recipes/demo.yaml
# A file's tests share a process and its fixtures; the files stand in an order of tests/conftest.py.
SHARED = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# One numeric thread a test process: two processes with two threads each are slower than one.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2
# Where bytecode is never kept, every process compiles torch and timm anew: 15 seconds instead of 4.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test fast check fix docs notebooks licences lock clean

help:            ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

setup: $(VENV)/.ready   ## make the virtual environment from the lock

$(VENV)/.ready: requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(PY) -m uv pip sync --quiet --python $(PY) requirements.lock
	$(PY) -m uv pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

demo: setup      ## the whole pipeline on simulated radiographs, ending with an HTML report
	$(BIN)/colles run $(RECIPE) --out $(OUT)

test: setup      ## all tests
	$(TEST_ENV) $(PY) -m pytest $(SHARED)

fast: setup      ## the tests that take under two minutes
	$(TEST_ENV) $(PY) -m pytest $(SHARED) -m "not slow and not real_data"

check: setup     ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup       ## mend format and lint where that is safe
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup      ## the documentation in out/site (strict: a broken link is an error)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: setup ## run the notebooks on simulated radiographs and keep their outputs
	$(PY) scripts/notebooks.py

licences: setup  ## list the licences of all dependencies in docs/licences.md
	$(PY) scripts/licences.py

lock: setup      ## resolve the dependencies anew
	$(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras --upgrade --quiet pyproject.toml -o requirements.lock

clean:           ## remove what the targets made
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis
