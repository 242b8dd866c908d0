# Two commands for a fresh machine with python3 (with venv), git and make: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test lint test-slow test-browser wheel clean

$(STAMP): pyproject.toml requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP)  ## the whole way once, on simulated phantoms
	$(BIN)/bus demo --study demo-study

lint: $(STAMP)
	$(BIN)/ruff check .
	mkdir -p .venv/src && ln -sfn ../.. .venv/src/bus  # mypy wants the package under its name
	MYPYPATH=.venv/src $(BIN)/mypy

test: lint  ## everything that takes less than 10 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

test-browser: $(STAMP)  ## the report in Chromium; needs chromium, node and npm
	$(BIN)/python -m pip install --quiet playwright
	npm install --no-save --silent axe-core
	$(BIN)/python -m pytest -q -m browser

wheel: $(STAMP)
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:
	rm -rf .venv build dist *.egg-info
