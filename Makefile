# Two commands for a newcomer: `make demo` and `make test`.
PYTHON ?= python3
COUNT ?= 64
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint docs bench-gpu clean

demo: $(VENV)/.installed ## the embedded sweep: 4 checkpoints x 8 guidance scales x COUNT images
	$(BIN)/sdbench run experiments/shapes-demo.yaml --count $(COUNT)

test: $(VENV)/.installed-dev ## every test that this machine can run, a file at a time on each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: lint test ## what must hold before a commit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev ## the documentation as a site, in build/docs
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

bench-gpu: $(if $(BENCH_PYTHON),,$(VENV)/.installed-dev) ## under 9 minutes of a GPU; BENCH_PYTHON=python3 installs nothing
	$(or $(BENCH_PYTHON),$(BIN)/python) -m sdbench bench --minutes 8.5 --out build/bench-gpu.json

clean:
	rm -rf $(VENV) build dist

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
