# Each word sets itself up: a virtual environment in .venv with the locked versions, then the work.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := torch==2.13.0

.PHONY: run test coverage least-covered verify verify-short check docs audit bench bench-peers setup clean

run: $(READY)
	$(BIN)/mien run --minutes 10

# By as many processes as there are cores, at most 8. PYTEST: more of its options.
TESTS := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal
test: $(READY)
	$(TESTS) -m "not long" $(PYTEST)

# The tests, and which branches of which files they do not reach: all in all, and of the ten files where it is most.
coverage: $(READY)
	$(MAKE) test PYTEST="--cov --cov-report="
	$(MAKE) least-covered

least-covered: $(READY)
	$(BIN)/coverage report --sort=cover | awk 'NR < 13; {last = $$0} END {print last}'

# What takes too long for the tests, in short: minutes. Recorded in build/verification.
verify-short: export VERIFICATION_RESULTS = build/verification
verify-short: $(READY)
	$(TESTS) -m long
	$(BIN)/python verification/hostile.py --quiet
	$(BIN)/python verification/fuzz.py --minutes 1
	$(BIN)/python verification/kill_anywhere.py --kills 10
	$(BIN)/python verification/kill_anywhere.py --kills 10 --aimed
	$(BIN)/python verification/determinism.py --steps 1 10
	$(BIN)/python verification/soak.py training --steps 3000

# The same at length, an hour or two; what is recorded in verification/results stays as it is.
verify: export VERIFICATION_RESULTS = build/verification
verify: $(READY)
	$(TESTS) -m long
	$(BIN)/python verification/hostile.py --quiet --full
	$(BIN)/python verification/fuzz.py --minutes 10
	$(BIN)/python verification/kill_anywhere.py
	$(BIN)/python verification/kill_anywhere.py --kills 60 --aimed
	$(BIN)/python verification/determinism.py
	$(BIN)/python verification/soak.py training --steps 200000
	$(BIN)/python verification/soak.py pictures --pictures 100000
	test -d build/soaked || $(BIN)/mien train vae-quick --data drawn:2000 --out build/soaked training.epochs=2
	$(BIN)/python verification/soak.py explorer build/soaked
	$(BIN)/python verification/api_fuzz.py build/soaked --examples 500

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python docs/write_numbers.py --check
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
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
