# The front door. `make help` lists what is here; CI calls the same targets.
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check quick soak bench bench-sessions bench-latency bench-model bench-model-quick lint format schemas lock clean

# VENV may be an absolute path, for example where the path of this folder has blanks: Ray cannot start from there.
PYTHON ?= python3
SOAK   ?= 50
VENV   := .venv
BIN    := $(VENV)/bin

# Where datasets lie: one folder each. Used if it exists; otherwise the demo makes its own population.
# Make's own functions take a path with blanks for several, so it is only passed on.
MOS_DATA_DIR ?= $(if $(wildcard ../shared/data),$(CURDIR)/../shared/data)
ifneq ($(strip $(MOS_DATA_DIR)),)
export MOS_DATA_DIR
else
unexport MOS_DATA_DIR
endif

# make demo DATASET=movielens_100k SPEED=600x EVENTS=20000
DEMO_OPTIONS := $(if $(DATASET),--dataset "$(DATASET)") $(if $(SPEED),--speed "$(SPEED)") \
                $(if $(EVENTS),--events "$(EVENTS)") $(if $(BACKBONE),--backbone "$(BACKBONE)")

# Every process of ours would compile Feast and Ray anew, which takes as long as all else at its start.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## create .venv with the pinned dependencies (the other targets do it by themselves)

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  f"Python 3.11 to 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}: try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV="$(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))" $(BIN)/uv pip install --require-hashes -r requirements/dev.txt
	VIRTUAL_ENV="$(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))" $(BIN)/uv pip install --quiet --no-build-isolation --no-deps -e .
	@touch $@

demo: setup  ## the whole system on this machine: train, start everything, replay a log, report
	$(BIN)/mos demo $(DEMO_OPTIONS)

test: setup lint  ## everything: lint, types, unit, property, integration and end-to-end tests
	$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder --durations=40

coverage: setup  ## which lines the tests do not run; fails below 90 % (slower than the tests)
	$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder --cov --cov-report=term:skip-covered

check: setup  ## lint, types and the quick tests (about three minutes on two cores)
	@$(MAKE) --no-print-directory -j2 lint quick

# One processor checks the types meanwhile.
quick: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" --hypothesis-profile quick

bench-latency: setup  ## how long a session takes to close, at 5,000 clicks/s on Apache Kafka
	$(BIN)/python benchmarks/close_latency.py

soak: setup  ## each fault test SOAK times (50 by default): takes hours (needs Java, Maven and redis-server)
	$(BIN)/python -m pytest tests/integration/test_session_faults.py --soak $(SOAK)

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## the rate of the sessionizer's core on this machine
	$(BIN)/python benchmarks/sessionizer_core.py

bench-sessions: setup  ## from clicks to sessions on Apache Kafka, beside other systems (needs Java and Maven; half an hour)
	$(BIN)/python benchmarks/sessions_on_kafka.py

bench-model: setup  ## compare MoS with other models on all datasets: about three and a half hours on two cores; goes on where it stopped
	$(BIN)/mos evaluate --plan full

bench-model-quick: setup  ## a short run of it in about five minutes: shows that it runs, not what is true
	$(BIN)/mos evaluate --plan quick

schemas: setup  ## write docs/topics.md, docs/schemas, docs/settings.md and docs/formats.md from the code
	$(BIN)/python -m mos_online.contracts.documentation docs
	$(BIN)/python -m mos_online.experiments.schema docs/schemas/experiments.json
	$(BIN)/python -m mos_online.settings_page docs/settings.md
	$(BIN)/python -m tests.simulator.datasets.formats_page docs/formats.md

lock: setup  ## resolve the dependencies again
	echo uv | $(BIN)/uv pip compile - $(LOCK) -o requirements/uv.txt
	$(BIN)/uv pip compile pyproject.toml --group build $(LOCK) -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --extra evaluation --group build --group dev -c requirements/runtime.txt $(LOCK) -o requirements/dev.txt

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean:  ## remove what runs and builds leave behind (not .venv)
	rm -rf .mos build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
