# Two commands for newcomers: make demo, make test. Everything is installed into .venv, from the project's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 10
EMULATED := $(BIN)/dagster-dune emulator exec --queries dune_project/queries
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test test-ui dev check format benchmarks chaos clean

help:
	@echo "make demo   materialize the example project against a local Dune"
	@echo "make test   lint, types, import contracts and all tests"
	@echo "make test-ui the example project in a browser, as its users see it; needs Chromium"
	@echo "make dev    the example project in Dagster's UI (against the real Dune if DUNE_API_KEY is set)"
	@echo "            PORT=3001 for a port of your choice"
	@echo "make check  lint, types and import contracts alone"
	@echo "make chaos  SEEDS=100: drawn faults and kills, with real processes"
	@echo "make clean  remove everything that these commands made"

demo: $(VENV)/installed
	@$(EMULATED) -- python -m dune_project.demo

test: check
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

test-ui: $(VENV)/ui-installed
	$(BIN)/pytest -n 3 --dist loadfile tests/ui $(UI)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/installed
	$(BIN)/python tests/chaos/chaos.py $(SEEDS)

dev: export DAGSTER_HOME := $(CURDIR)/.dagster
dev: $(VENV)/installed
	@mkdir -p $(DAGSTER_HOME)
ifdef DUNE_API_KEY
	@exec $(BIN)/dagster dev -w workspace.yaml $(if $(PORT),--port $(PORT))
else
	@exec $(EMULATED) --execution-seconds 2 -- dagster dev -w workspace.yaml $(if $(PORT),--port $(PORT))
endif

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(VENV)/installed
	$(BIN)/python -m benchmarks.import_time
	$(BIN)/python -m benchmarks.emulator
	$(BIN)/python -m benchmarks.latency

clean:
	rm -rf $(VENV) .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "dagster-dune needs Python 3.10 or newer; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV)..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/ui-installed: $(VENV)/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ui]'
	@touch $@
