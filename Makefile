# Two commands for newcomers: make demo, make test. Everything is installed into .venv, from the project's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 10
ON ?= SQLite
PYTEST := pytest -n 4 --dist loadscope --no-loadscope-reorder
EMULATED := $(BIN)/dagster-dune emulator exec --queries dune_project/queries
# What pip is at, a line a package; its errors come by themselves.
PROGRESS := awk '/^Collecting/ { print "  " $$2 } /^Installing coll/ { print "  unpacking all" } { fflush() }'
define install
@rm -f $@
@{ $(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[$(1)]' && touch $@; } | $(PROGRESS)
@test -e $@
endef
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests start many processes; each would compile this package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-processes test-databases test-ui test-floors test-next-dagster dev check format benchmarks chaos kills docs clean

help:
	@echo "make demo   materialize the example project against a local Dune"
	@echo "make test   lint, types, import contracts and the tests that judge behaviour"
	@echo "make test-processes the tests that start Dagster's servers, commands and other processes"
	@echo "make test-databases the tests over PostgreSQL and MariaDB, where these are installed"
	@echo "make test-ui the example project in a browser, as its users see it; needs Chromium"
	@echo "make test-floors all tests with the lowest versions that pyproject.toml allows"
	@echo "make test-next-dagster all tests with Dagster's newest pre-release; may fail"
	@echo "make dev    the example project in Dagster's UI (against the real Dune if DUNE_API_KEY is set)"
	@echo "            PORT=3001 for a port of your choice"
	@echo "make check  lint, types and import contracts alone"
	@echo "make format write the code as make check wants it, and put right what ruff can"
	@echo "make benchmarks what is measured by hand, on a quiet machine"
	@echo "make chaos  SEEDS=100: drawn faults and kills, with real processes; ON=PostgreSQL over that"
	@echo "make kills  who dies at which moment, and what the next attempt does, as a table; ON=PostgreSQL"
	@echo "make docs   the documentation as a site, in build/site"
	@echo "make clean  remove everything that these commands made"

demo: $(VENV)/installed
	@echo "Starting a local Dune with the queries of dune_project/queries..."
	@$(EMULATED) -- python -m dune_project.demo

test: check
	$(PYTEST) -m "not databases and not processes" --every-message

test-processes: $(VENV)/installed
	$(PYTEST) -m "processes and not databases"

test-databases: $(VENV)/installed
	$(BIN)/pytest -n 2 --dist loadscope -m databases tests/execution

test-ui: $(VENV)/ui-installed
	$(BIN)/pytest -n 3 --dist loadfile tests/ui $(UI)

test-floors: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-floors
	VIRTUAL_ENV=.venv-floors $(BIN)/uv pip install --quiet --resolution lowest-direct -e '.[dev]'
	PATH="$(CURDIR)/.venv-floors/bin:$$PATH" $(PYTEST)

# Dagster's packages of one release pin each other, so that the upper bound of this package is lifted for all of them.
test-next-dagster: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-next
	echo 'dagster>=1.14.0.dev0' > .venv-next/overrides.txt
	echo 'dagster-webserver>=1.14.0.dev0' >> .venv-next/overrides.txt
	VIRTUAL_ENV=.venv-next $(BIN)/uv pip install --quiet --prerelease allow --overrides .venv-next/overrides.txt -e '.[dev]'
	PATH="$(CURDIR)/.venv-next/bin:$$PATH" $(PYTEST)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chaos: $(VENV)/installed
	$(BIN)/python tests/chaos/chaos.py $(SEEDS) --on $(ON)

kills: $(VENV)/installed
	$(BIN)/python tests/chaos/kill_matrix.py --on $(ON)
	DAGSTER_DUNE_KILLS=50 $(BIN)/pytest -n 2 tests/frames -k killed
	DAGSTER_DUNE_KILLS=20 $(BIN)/pytest -n 2 tests/doctor -k killed

dev: export DAGSTER_HOME := $(CURDIR)/.dagster
dev: $(VENV)/installed
	@mkdir -p $(DAGSTER_HOME)
	@test -e $(DAGSTER_HOME)/dagster.yaml || cp dune_project/dagster.yaml $(DAGSTER_HOME)
ifdef DUNE_API_KEY
	@exec $(BIN)/dg dev -w workspace.yaml $(if $(PORT),--port $(PORT))
else
	@exec $(EMULATED) --execution-seconds 2 -- dg dev -w workspace.yaml $(if $(PORT),--port $(PORT))
endif

# A broken link or a name that is not there ends it. Nothing is fetched but the packages.
docs: $(VENV)/docs-installed
	$(BIN)/zensical build --strict --clean -f mkdocs.yml

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(VENV)/installed
	$(BIN)/python -m benchmarks.import_time
	$(BIN)/python -m benchmarks.emulator
	$(BIN)/python -m benchmarks.latency

clean:
	rm -rf $(VENV) .venv-floors .venv-next .dagster .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "dagster-dune needs Python 3.11 or newer; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing dagster-dune and what it needs into $(VENV): a minute or a few, once..."
	@$(PYTHON) -m venv --clear $(VENV)
	$(call install,dev)

$(VENV)/docs-installed: $(VENV)/installed
	@echo "Installing what the site needs..."
	$(call install,docs)

$(VENV)/ui-installed: $(VENV)/installed
	@echo "Installing what the tests in a browser need..."
	$(call install,ui)
