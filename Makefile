# Each word sets itself up: a virtual environment in .venv with the locked versions, then the work.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := torch==2.13.0

.PHONY: run test check docs audit bench bench-peers setup clean

run: $(READY)
	$(BIN)/mien run

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/mkdocs build --strict

# The locked versions against the database of advisories, over the network.
audit:
	.ci/audit requirements.lock $(TORCH)

# The quick benchmarks, under 10 minutes on 2 cores; what is recorded in benchmarks/results stays as it is.
bench: export BENCHMARK_RESULTS = build/benchmarks
bench: $(READY)
	$(BIN)/python benchmarks/training.py --models vae:64 gan:64 acgan:64 --rounds 2 --seconds 3
	$(BIN)/python benchmarks/step_time.py --steps 3
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/data.py --out $(BENCHMARK_RESULTS)

# mien against everybody; the others' environments are made from the package index. Recorded in benchmarks/results.
bench-peers: $(READY)
	$(BIN)/python benchmarks/training.py --with-peers
	$(BIN)/python benchmarks/figures.py

setup: $(READY)

$(READY): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) $(TORCH)
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis
