.DEFAULT_GOAL := help
# What is made and tested here is recorded in no instance but its own, and all of its processes find modules compiled:
# Dagster and Great Expectations take three times as long to load where they are not.
unexport DAGSTER_HOME PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
# The first of these that will do makes .venv; another one by make PYTHON=/path/to/python3.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
STAMP := .venv/.synced

.PHONY: help setup demo ui test gate test-slow fuzz faults lint types lock bench bench-formats bench-quality pictures clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@for p in $(PYTHON); do \
	  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && exec $$p -m venv .venv; \
	done; \
	echo 'Nilometer needs Python 3.11 to 3.14 (Dagster runs on no newer one), and none of these is: $(PYTHON). Name one: make PYTHON=/path/to/python3' >&2; \
	exit 1
	$(PY) -m pip install --quiet --disable-pip-version-check uv || true
	if [ -x .venv/bin/uv ]; then \
	  .venv/bin/uv pip sync --quiet --python $(PY) --require-hashes requirements.lock && \
	  .venv/bin/uv pip install --quiet --python $(PY) --no-deps --editable . ; \
	else \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable . ; \
	fi
	touch $(STAMP)

setup: $(STAMP) ## create .venv from the lock

demo: $(STAMP) ## set up, make the demo site, run the whole job and print its alert
	.venv/bin/nilometer demo demo-site

ui: $(STAMP) ## open the demo site in the Dagster UI on 127.0.0.1
	.venv/bin/nilometer --site demo-site ui

test: $(STAMP) lint ## set up, then lint, types and all fast tests
	@$(PY) -c 'import assets.build, great_expectations, dagster._daemon.cli, dagster_webserver.cli' # Compiled once.
	$(MAKE) --no-print-directory $(SYNC) -j5 types test-parts test-runs test-more-runs test-whole

# All groups at once, as runs of the daemon wait more than they work; types take one processor a minute. The longest
# group goes before the others, or it would be left with one processor in the end. What one group leaves in
# memory does not slow the next. Of frames of a few rows, a second thread costs a fifth more and brings nothing.
# The make of macOS (3.81) cannot keep the output of groups apart.
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
RUNS := $(sort $(wildcard tests/assets/test_[a-p]*.py))
MORE := $(sort $(wildcard tests/assets/test_[q-z]*.py)) tests/data_quality
METHODS := $(addprefix tests/pipeline/,evaluation methods trials)
APART := $(addprefix tests/,assets/ data_quality/ pipeline/ __pycache__/)
WHOLE := $(filter-out $(APART),$(sort $(wildcard tests/*/))) $(sort $(wildcard tests/test_*.py))

.PHONY: test-runs test-more-runs test-parts test-whole
test-runs: $(STAMP)
	POLARS_MAX_THREADS=1 nice $(PY) -m pytest $(RUNS)

test-more-runs: $(STAMP)
	POLARS_MAX_THREADS=1 nice $(PY) -m pytest $(MORE)

test-parts: $(STAMP)
	POLARS_MAX_THREADS=1 $(PY) -m pytest $(addprefix --ignore=,$(METHODS)) tests/pipeline

test-whole: $(STAMP)
	POLARS_MAX_THREADS=1 nice $(PY) -m pytest $(WHOLE) $(METHODS)

gate: $(STAMP) ## detection on five simulated worlds is no worse than it was
	$(PY) -m pytest -m slow tests/pipeline/evaluation/test_evaluation_run.py

test-slow: $(STAMP) ## the slow tests too, and five times the examples of every property
	NILOMETER_EXAMPLES=5 $(PY) -m pytest -m "slow or not slow"

fuzz: $(STAMP) ## a minute of coverage-guided fuzzing of all readers (installs atheris)
	$(PY) -m pip install --quiet --disable-pip-version-check atheris || .venv/bin/uv pip install --quiet --python $(PY) atheris
	$(PY) -m pytest -m slow tests/fuzz

faults: $(STAMP) ## kill runs at every write point, fill disks, damage files; prints the counts
	$(PY) -m pytest -s -m "slow or not slow" tests/faults

lint: $(STAMP) ## ruff and the import contracts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check --quiet .
	.venv/bin/lint-imports

types: $(STAMP) ## mypy, strict
	.venv/bin/mypy

lock: ## make requirements.lock again
	.venv/bin/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-strip-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links -o requirements.lock

bench: $(STAMP) ## measure ingestion against DuckDB in one run
	$(PY) -m benchmarks.ingest

bench-formats: $(STAMP) ## measure the readers of all formats against DuckDB
	$(PY) -m benchmarks.formats --table docs/benchmarks.md

pictures: $(STAMP) ## draw the pictures of docs/detection.md again, from simulated worlds
	$(PY) -m benchmarks.pictures docs/images

bench-quality: $(STAMP) ## measure the checks of 10 million flows against Great Expectations' pandas engine
	$(PY) -m benchmarks.quality --table docs/benchmarks.md

clean: ## remove the demo site and caches
	rm -rf demo-site artifacts .mypy_cache .ruff_cache .pytest_cache
