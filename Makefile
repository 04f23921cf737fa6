# Two commands do everything: `make run` and `make test`. Both make the virtual
# environment from the lock file first, when it is missing or the lock changed.
PYTHON ?= python3.11
VENV   ?= .venv
ARGS   ?=
SEEDS  ?= 0..200
SECONDS ?= 600

BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test lint wheel bench simulate lock clean venv chaos vm-interpreters nightly-vmfuzz

venv: $(STAMP)

$(STAMP): lock/requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "needs $(PYTHON) (or set PYTHON=python3.12)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r lock/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: venv        ## The main job: a four-validator network, from meter readings to retired kilograms.
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
	  pyproject.toml lock/build.in --extra dev --extra explorer -o lock/requirements.lock

clean:
	rm -rf $(VENV) run dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

chaos: venv      ## make chaos SECONDS=600 [SEED=N]: real processes under load, killed, cut off, frozen.
	$(BIN)/python -m tools.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

vm-interpreters: venv  ## Small environments of other CPythons, in which only the VM runs.
	$(BIN)/python -m tests.fuzz.interpreters

nightly-vmfuzz: vm-interpreters  ## Random programs on two evaluators and three CPythons: COUNT=200000 SEED=1
	$(BIN)/python -m tests.fuzz.campaign --count $(or $(COUNT),200000) --seed $(or $(SEED),1)

.PHONY: simulate-whole
simulate-whole: venv  ## Whole nodes on virtual time; nightly: SEEDS=0..5000 (about 1.3 s of CPU each).
	$(BIN)/python -m tools.simulator.whole --seeds $(SEEDS) $(ARGS)

.PHONY: mutate model
mutate: venv     ## make mutate TARGET=consensus FILES="votes inbox" ONLY=survivors QUICK=1: changes that no test notices
	$(BIN)/python -m tests.mutation $(or $(TARGET),consensus) $(FILES:%=--file %) $(ONLY:%=--%) $(if $(QUICK),--quick) $(ARGS)

model: venv      ## The view change searched exhaustively: 4 validators, 1 liar, 3 views (minutes)
	$(BIN)/python -m tests.model $(ARGS)

.PHONY: nightly-simulate
nightly-simulate: venv   ## 100,000 seeds over all profiles, compiled; NIGHTLY_SEEDS=A..B for others
	$(BIN)/python -m tools.simulator.compiled --profile every --seeds $(or $(NIGHTLY_SEEDS),1..100000) $(ARGS)

.PHONY: contract-rules
contract-rules: venv  ## Each rule taken out of the shipped contracts, one at a time: does a test notice? ARGS=units
	$(BIN)/python -m tests.unit.vm.refusal_removal $(ARGS)
