# Every command of the project. `make` or `make help` lists them.
PYTHON ?= python3
ENV_DIR := $(or $(RINGSIDE_ENV_DIR),.ringside/env)
BIN := $(ENV_DIR)/platform/bin
UV := $(ENV_DIR)/bootstrap/bin/uv
BOOTSTRAP = $(PYTHON) include/ringside_embedded/bootstrap.py

# Short names of the settings that `make run` takes; `.env.example` lists all settings.
ifdef PORTS
export RINGSIDE_PORTS := $(PORTS)
endif
ifdef STATE
export RINGSIDE_STATE_DIR := $(STATE)
endif
ifdef SOURCE
export RINGSIDE_SOURCE := $(SOURCE)
endif
ifdef DATA
export RINGSIDE_SOURCE_PATH := $(DATA)
endif
ifdef SERIES
export RINGSIDE_SERIES := $(SERIES)
endif
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run stop status logs up down clean setup test test-containers check fix docs bench stand-in lock python backup restore

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-16s %s\n", $$1, $$2}'

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "Python 3.11 or 3.12 is needed, and there is no $(PYTHON) on the PATH."; \
	  echo "Install one (Debian: apt install python3 python3-venv), or name it: make run PYTHON=/path/to/python3.12"; exit 1; }

run: python ## Start the platform, take the first round trip [SOURCE= DATA= SERIES= PORTS= STATE=]
	@$(BOOTSTRAP) run

stop: python ## Stop the platform; all data stays
	@$(BOOTSTRAP) stop

status: python ## Show the health of each part, the last runs, source and market time
	@$(BOOTSTRAP) status

logs: python ## Show the end of the logs [PART=scheduler] [FOLLOW=1]
	@$(BOOTSTRAP) logs $(if $(PART),--part $(PART)) $(if $(FOLLOW),--follow)

up: python ## The same platform as containers: build, start, wait for health [SOURCE= DATA= SERIES= PORTS=]
	@PYTHONPATH=include $(PYTHON) -m ringside_containers up

down: python ## Stop the containers; all data stays
	@PYTHONPATH=include $(PYTHON) -m ringside_containers down

clean: python ## Remove all data, after asking; the environments stay [YES=1]
	@$(BOOTSTRAP) clean $(if $(YES),--yes)

setup: python ## Make the environments, with what tests need
	@$(BOOTSTRAP) setup

TOOLS := test test-containers check fix docs bench stand-in
$(TOOLS): export PYTHONPATH := $(CURDIR)/include:$(CURDIR)/plugins:$(CURDIR)/serving
$(TOOLS): export OMP_WAIT_POLICY := PASSIVE
$(TOOLS): export OMP_NUM_THREADS := 1

test-containers: setup ## Test the containers in a real Docker engine, started where none runs [ARGS=]
	@tests/containers/run.sh $(BIN)/python -m pytest tests/containers $(ARGS)

# Whole files go to each of two to four processes; the longest is the first in `testpaths`.
test: setup ## Run all tests that need no Docker [ARGS=]
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## Run what lands a change: format, lint, types, layers, fast tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/unit tests/docs include/ringside/core

fix: setup ## Format, and repair what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## Write the generated pages anew
	@$(BIN)/python docs/generate.py

bench: setup ## Measure platform and contestants beside their floors and peers
	@$(BIN)/python tests/bench/measure_ingestion.py
	@$(BIN)/python tests/bench/measure_issuing.py
	@$(BIN)/python tests/bench/measure_reports.py
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python $(ENV_DIR)/bench
	@$(UV) pip install --quiet --python $(ENV_DIR)/bench/bin/python -r tests/bench/requirements.txt
	@$(BIN)/python tests/bench/measure_contestants.py
	@$(BIN)/python tests/bench/measure_platform.py
	@$(BIN)/python tests/bench/measure_serving.py

stand-in: setup ## Play Binance on this machine, also its errors [DATA= SERIES= ARGS=]
	@$(BIN)/python -m ringside_standin $(if $(DATA),--data $(DATA)) $(if $(SERIES),--series $(SERIES)) $(ARGS)

# Gunicorn is held back in the platform's lock; serving needs a newer one.
PINS := .ringside/lock-pins.txt
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
  --no-emit-index-url --no-emit-find-links pyproject.toml

lock: python ## Resolve the four locks anew from pyproject.toml [ARGS=--upgrade]
	@$(BOOTSTRAP) uv
	$(COMPILE) --extra platform $(ARGS) --output-file requirements.txt
	@mkdir -p $(dir $(PINS))
	@sed -nE 's/^([a-zA-Z0-9._-]+==[^ ]+ ?(;.*[^\\ ])?) *\\?$$/\1/p' requirements.txt | grep -v '^gunicorn==' > $(PINS)
	$(COMPILE) --extra serving --constraints $(PINS) --output-file serving/requirements.txt
	$(COMPILE) --group dev --constraints $(PINS) --output-file tests/requirements.txt
	$(COMPILE) --group bench --constraints $(PINS) --output-file tests/bench/requirements.txt

CONTAINERS = PYTHONPATH=include $(PYTHON) -m ringside_containers

backup: python ## Containers: write databases, artefacts, dockets and reports into one archive [TO=]
	@$(CONTAINERS).backup backup $(if $(TO),--file $(TO))

restore: python ## Containers: put an archive back, verified; asks [FROM= YES=1]
	@$(CONTAINERS).backup restore $(if $(FROM),--file $(FROM)) $(if $(YES),--yes)
