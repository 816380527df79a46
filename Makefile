# HopGraph. `make demo` and `make test` need Python 3.11 to 3.13, git and make, and install the rest into .venv.
# The variables that may be set: PYTHON, the interpreter that .venv is made from; OUT, where the demo writes.

PYTHON ?= python3
OUT ?= demo
BIN := .venv/bin

.PHONY: help demo catalogue bench test test-all docs lint format wheel clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.venv/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("HopGraph needs Python 3.11 to 3.13; set PYTHON" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,rtx]'
	touch $@

.venv/.dev: .venv/.demo
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,rtx,dev]'
	touch $@

demo: .venv/.demo  ## Train, export and measure four variants of one spec; write demo/report.html
	$(BIN)/hopgraph compare paramixer --variant digits --variants symmetric,asymmetric,broken,vanilla \
		--data digits --seeds 0,1,2 --epochs 12 --to onnx,tensorrt --out $(OUT) --force

catalogue: .venv/.demo  ## Check, compile, train for a few steps, export and run every shipped spec; a line for each
	$(BIN)/python -m benchmarks.catalogue

bench: .venv/.dev  ## Measure every row of the table of speed that a CPU can; benchmarks/README.md says what they are
	$(BIN)/python -m benchmarks

test: .venv/.dev  ## Run the tests that take seconds
	$(BIN)/python -m pytest -m 'not slow and not gpu'

test-all: .venv/.dev  ## Run every test, the slow ones too
	$(BIN)/python -m pytest -n 2 -m 'not gpu'

docs: .venv/.dev  ## Build the documentation into site/; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --clean

lint: .venv/.dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: .venv/.dev  ## Bring the code to its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: .venv/.dev  ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m build

clean:  ## Remove what was built; .venv stays
	rm -rf dist site $(OUT)
