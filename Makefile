# Every target does its own set-up in .venv and needs nothing but make and Python >= 3.11.
# Another Python: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PROGRAMS SEED

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz bench teach claims docs playground functions lint types house map wheel spoil clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/demo.done ## train on digits with and without batch normalization; write the pictures to out/
	@$(BIN)/micrograd demo

test: $(VENV)/test.done ## run the tests, with the outside judges
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 $(ARGS)

fuzz: $(VENV)/test.done ## judge PROGRAMS=2000 random NumPy programs by every route; print what fails, write it to out/fuzz/
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run $(ARGS)

bench: $(VENV)/bench.done ## measure against the peers; print ratios, write JSON and a plot to out/
	@$(BIN)/python -m tests.benchmarks.run $(ARGS)

teach: $(VENV)/test.done ## plant mistakes in correct backwards and have each marked; print the table, write it to out/
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.teach.run $(ARGS)

spoil: $(VENV)/test.done ## make formulas of `derive` wrong in thousands of ways; none may be accepted by a judge
	@OMP_NUM_THREADS=1 $(BIN)/python tests/support/spoilt.py $(ARGS)

claims: $(VENV)/claims.done ## test five claims about batch normalization on real data; page and pictures go to out/claims/
	@$(BIN)/python examples/claims/run.py $(ARGS)

docs: $(VENV)/docs.done ## build the documentation into docs/_build/html, warnings as errors
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

playground: $(VENV)/demo.done ## write the page in which micrograd runs in a browser to out/lab.html; PYODIDE=FOLDER puts Pyodide inside
	@$(BIN)/micrograd playground -o out/lab.html $(if $(PYODIDE),--pyodide $(PYODIDE)) $(ARGS)

functions: $(VENV)/test.done ## run the list of NumPy's functions by every route; write the page of what is right and refused
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/support/numpy_expressions.py --write $(ARGS)

lint: $(VENV)/lint.done ## check style, format and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-cache --no-logo

types: $(VENV)/lint.done ## check types, strictly
	@$(BIN)/mypy --strict micrograd

house: $(VENV)/demo.done ## measure the house: folders, imports, sizes, words; print what is wanted beside it
	@$(BIN)/python tests/support/house.py

map: $(VENV)/demo.done ## write the map of the rooms into the papers
	@$(BIN)/python tests/support/house_map.py

wheel: $(VENV)/wheel.done ## build wheel and sdist into dist/ and check them
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist . > $(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@$(BIN)/python -m twine check --strict dist/*

clean: ## remove everything that make made
	rm -rf $(VENV) build dist out docs/_build docs/jupyter_execute .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- set-up: one virtual environment, one stamp for what each target needs ---------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "micrograd needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)."; \
	  echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "'$(PYTHON) -m venv' failed (on Debian and Ubuntu: apt install python3-venv)."; exit 1; }

# Older pips know no dependency groups (PEP 735).
$(VENV)/pip.done: $(BIN)/python
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 2> $(VENV)/pip.log || { cat $(VENV)/pip.log; exit 1; }
	@touch $@

# $(call install,what pip installs,the words for it): a line for each download; what pip complains of only if it fails.
define install
	@echo "Installing $(2) into $(VENV) (once)"; rm -f $@; \
	{ $(BIN)/python -m pip install --progress-bar off $(1) 2> $(VENV)/pip.log && touch $@; } | while read -r line; do \
	  case "$$line" in \
	    Downloading*.metadata*) ;; \
	    Downloading*) echo "  $$line";; \
	    Installing\ collected*) echo "  Unpacking";; \
	  esac; \
	done; test -f $@ || { cat $(VENV)/pip.log; exit 1; }
endef

$(VENV)/demo.done: $(VENV)/pip.done pyproject.toml
	$(call install,-e '.[cli]',micrograd: about 30 MB)

# The pages of walk are tested in the system's Chromium: installed where that is ours to do, else those tests are skipped.
$(VENV)/chromium.done: $(BIN)/python
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null \
	  && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing chromium with apt-get (once)"; \
	  { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends chromium; } \
	    > $(VENV)/chromium.log 2>&1 || tail -n 3 $(VENV)/chromium.log; \
	fi; touch $@

$(VENV)/test.done: $(VENV)/demo.done $(VENV)/chromium.done
	$(call install,--group test --group judges,the tests and PyTorch$(comma) JAX$(comma) ONNX Runtime and others as judges: some 500 MB)

$(VENV)/bench.done: $(VENV)/demo.done
	$(call install,--group bench,the peers to measure against: some 300 MB)

$(VENV)/claims.done: $(VENV)/demo.done
	$(call install,--group claims,LLVM$(comma) Matplotlib and 5$(comma)000 images of MNIST: some 150 MB)

$(VENV)/docs.done: $(VENV)/demo.done
	$(call install,--group docs,Sphinx)

$(VENV)/lint.done: $(VENV)/demo.done
	$(call install,--group lint,ruff$(comma) mypy and import-linter)

$(VENV)/wheel.done: $(VENV)/demo.done
	$(call install,--group wheel,build and twine)

comma := ,
