# Two commands do everything: `make run` and `make test`. Both make the virtual
# environment from the lock file first, when it is missing or the lock changed.
PYTHON ?= python3.11
VENV   ?= .venv
ARGS   ?=
SEEDS  ?= 0..200

BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test lint wheel bench simulate lock clean venv

venv: $(STAMP)

$(STAMP): lock/requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "needs $(PYTHON) (or set PYTHON=python3.12)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r lock/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: venv        ## The main job: a four-validator network and the life of a forest project's credits.
	$(BIN)/python -m tools.scenario $(ARGS)

test: venv       ## Every test, with real processes where the real part runs here.
	$(BIN)/python -m pytest $(ARGS)

lint: venv       ## ruff, mypy strict, import-linter.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config .importlinter

wheel: venv      ## Build the wheel, install it in a clean environment, start it from another folder.
	bash .ci/wheel $(BIN)/python

bench: venv      ## Throughput of four validators; see bench/README.md for the others.
	$(BIN)/python -m bench.throughput $(ARGS)

simulate: venv   ## make simulate SEEDS=0..10000
	$(BIN)/python -m tools.simulator --seeds $(SEEDS) $(ARGS)

lock:            ## Make the lock file again (needs uv): versions with hashes for 3.11 and 3.12.
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  pyproject.toml lock/build.in --extra dev -o lock/requirements.lock

clean:
	rm -rf $(VENV) run dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: nightly-simulate
nightly-simulate: venv   ## 100,000 seeds over all profiles; NIGHTLY_SEEDS=A..B for others
	$(BIN)/python -m tools.simulator --profile every --seeds $(or $(NIGHTLY_SEEDS),1..100000) $(ARGS)
