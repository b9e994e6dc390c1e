ORDERS ?= 100
JOBS ?= 3
BIN := .venv/bin

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: venv  ## Run the whole fleet on ORDERS=100 orders and check how each one ends
	$(BIN)/fleet demo --orders $(ORDERS)

test: check  ## Lint, types, import contracts and all tests, on private servers
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

check: venv  ## Lint, types and import contracts only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: venv  ## Break everything around the fleet under load, and check that nothing is lost or done twice (SEED=… RUNS=…)
	$(BIN)/python -m tests.chaos --orders $(ORDERS) $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

mixed: venv  ## The mixed scenario with 500 orders three times, then with every service killed in the middle
	$(BIN)/python -m tests.fleet.mixed

outages: venv  ## The outage tests with minutes instead of seconds
	$(BIN)/python -m pytest tests/integration/outages -m slow

bench: venv  ## Measure one hop beside FastStream's, and without a broker
	$(BIN)/python -m tests.benchmarks.hop

machines: venv  ## The state machines of inbox, outgoing and held keys, with many more examples than in `make test`
	$(BIN)/python -m pytest --hypothesis-profile deep --timeout 3600 tests/integration/machines

simulation: venv  ## Ten thousand simulated worlds with every fault, each replayable by its seed
	$(BIN)/python -m tests.simulation --seeds 10000

clean:  ## Stop the private servers; remove them, the caches and the environment
	@test ! -x $(BIN)/python || $(BIN)/python -m deploy.local.clean
	rm -rf .venv .stack .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@python3 deploy/bootstrap.py

.PHONY: help demo test check chaos mixed outages bench machines simulation clean venv
