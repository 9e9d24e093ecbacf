# Two commands for a newcomer: `make demo` and `make test`.
PYTHON ?= python3
COUNT ?= 64
VENV := .venv
BIN := $(VENV)/bin

CARRIED := build/gpu-packages

.PHONY: demo test test-oldest check lint docs bench-gpu wheels-gpu clean

demo: $(VENV)/.installed ## the embedded sweep: 4 checkpoints x 8 guidance scales x COUNT images
	$(BIN)/sdbench run experiments/shapes-demo.yaml --count $(COUNT)

test: $(VENV)/.installed-dev ## every test that this machine can run, a file at a time on each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-oldest: $(VENV)/.installed-dev ## the compiled and the GPU path with the oldest torch that pyproject.toml allows
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target build/oldest torch==2.11.0
	PYTHONPATH=build/oldest $(BIN)/python -m pytest -W ignore::DeprecationWarning tests/test_pretended_gpu.py \
	  tests/reference_model/test_computation.py tests/reference_model/test_group_norm.py

check: lint test ## what must hold before a commit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev ## the documentation as a site, in build/docs
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

bench-gpu: $(if $(BENCH_PYTHON),,$(VENV)/.installed-dev) ## under 9 minutes of a GPU; BENCH_PYTHON=python3 installs nothing
	PYTHONPATH=$(CARRIED):$$PYTHONPATH $(or $(BENCH_PYTHON),$(BIN)/python) -m sdbench bench --minutes 8.5 --out build/bench-gpu.json

wheels-gpu: ## what a machine with torch and transformers lacks for bench-gpu, to be carried there with the repository
	$(PYTHON) -m pip install --quiet --upgrade --target $(CARRIED) pydantic ftfy array-api-compat pyarrow pillow
	$(PYTHON) -m pip install --quiet --upgrade --no-deps --target $(CARRIED) open-clip-torch torch-fidelity diffusers

clean:
	rm -rf $(VENV) build dist

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
