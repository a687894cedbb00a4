# The two commands a newcomer types are `make demo` and `make test`; both prepare what they need.

# Many `fn` processes are started here: what Python compiled once is kept, whatever the caller's environment says.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := framework tests benchmarks
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: soak layers help demo test test-quick conformance check format docs bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@echo "making $(VENV)"
	@.ci/venv $(VENV)
	@$(PIP) install --quiet 'pip>=25.1'

$(VENV)/.fn: pyproject.toml .ci/constraints.txt | $(BIN)/python
	@echo "installing fn and its local cloud into $(VENV) (about a minute the first time)"
	@$(PIP) install --quiet --constraint .ci/constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml .ci/constraints.txt $(VENV)/.fn
	@echo "installing what the tests need"
	@$(PIP) install --quiet 'pip>=25.1'
	@$(PIP) install --quiet --constraint .ci/constraints.txt --group dev
	@touch $@

demo: $(VENV)/.fn ## a Perl function from `fn init` to an alias that serves it, on the local cloud
	@PATH="$(abspath $(BIN)):$$PATH" bash docs/demo.sh

test: check ## everything: style, types, import rules, then the whole suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-quick: $(VENV)/.dev ## the suite without what is marked slow
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

soak: $(VENV)/.dev ## an hour or two: a thousand environments, 200,000 invocations, mixed load on the local cloud, a hundred kills, new examples
	$(BIN)/python -m pytest -m soak tests
	$(BIN)/python -m pytest -m "hypothesis and not soak and not layers" --hypothesis-profile=soak tests

layers: $(VENV)/.dev ## build the layers of all runtimes, for both architectures, and hold each to Lambda's contract
	$(BIN)/python -m pytest -m layers -rs tests/runtimes

conformance: $(VENV)/.dev ## AWS's own runtime clients as functions; builds them with the toolchains that are here
	FN_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance -rs

check: $(VENV)/.dev ## style, types and import rules
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	PYTHONPATH=framework $(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.fn ## write docs/cli.md anew from the help texts
	$(BIN)/python -c "from fnroll.cli.manual import manual; print(manual(), end='')" > docs/cli.md

bench: $(VENV)/.fn ## every figure we claim, beside a peer or a floor
	@for name in start validate archive sandbox alone invoke runtimes deploy cloud dev; do echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py || exit 1; done

clean: ## remove what these targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
