# Everything one does with a clone of webkit. `make` alone lists it.
#
# Nothing has to be installed first: each command that needs packages makes a virtual environment in .venv
# and fills it. A stamp file in there remembers that it was done, so the next call starts at once; a change
# of pyproject.toml makes the stamp stale. `make run` installs only what the showcase needs.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
CREATED := $(VENV)/.created
FOR_RUN := $(VENV)/.installed-for-run
FOR_DEV := $(VENV)/.installed-for-dev
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The figures in the documentation are those of Python 3.13: it is taken where there is one, on the PATH or of pyenv.
BENCH_PYTHON ?= $(shell for python in python3.13 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13.*/bin/python; do \
	$$python -c 'import sys; print(sys.executable)' 2>/dev/null && exit; done; echo $(PYTHON))
BENCH_VENV := .venv-bench
FOR_BENCH := $(BENCH_VENV)/.installed-for-bench

.DEFAULT_GOAL := help
.PHONY: help install run test test-matrix check docs bench bench-quick screenshot clean

help: ## list these commands
	@echo "make PYTHON=python3.12 COMMAND chooses the interpreter (now: $(PYTHON)), 3.11 or newer."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(FOR_DEV) ## make .venv and install webkit there with all that its development needs

run: $(FOR_RUN) ## serve the showcase on http://localhost:8080
	$(BIN)/python -m webkit -n localhost -p 8080 examples.showcase.init

test: $(FOR_DEV) ## run the tests (ARGS="-k static -x" goes to pytest)
	$(BIN)/python -m pytest $(ARGS)

test-matrix: ## run them on the oldest and newest Python and aiohttp, and with -O
	PYTHON="$(PYTHON)" tests/matrix.sh $(ARGS)

check: $(FOR_DEV) ## check format, lint, types and the layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_layers.py

docs: $(FOR_DEV) ## build the documentation into docs/_build
	$(BIN)/sphinx-build -W -n --keep-going -b html docs docs/_build

bench: $(FOR_BENCH) ## measure webkit beside bare aiohttp and its peers, and write the page about it (half an hour)
	$(BENCH_VENV)/bin/python -m bench.run $(ARGS)

bench-quick: $(FOR_BENCH) ## the same with four peers, in two minutes (ARGS="--only in-process" for a part)
	$(BENCH_VENV)/bin/python -m bench.run --quick $(ARGS)

screenshot: $(FOR_DEV) ## take the picture in the README anew, with the installed Chromium
	$(BIN)/python docs/take_screenshot.py

clean: ## remove all that these commands have made, .venv too
	rm -rf $(VENV) $(BENCH_VENV) .venv-matrix docs/_build bench/results/quick.json build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.exit("webkit needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": say make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(FOR_RUN): $(CREATED) pyproject.toml
	@echo "Installing webkit and what the showcase needs into $(VENV): once."
	@$(PIP_INSTALL) --editable ".[showcase,uvloop]"
	@touch $@

# The development's packages include those of `make run`: both stamps are fresh afterwards.
$(FOR_DEV): $(CREATED) pyproject.toml
	@echo "Installing webkit and what its development needs into $(VENV): once, it takes a minute."
	@$(PIP_INSTALL) --editable ".[dev]"
	@touch $(FOR_RUN) $@

# Nothing of the development's is in here: the peers' packages must not meet ours.
$(FOR_BENCH): bench/requirements.txt bench/install.py pyproject.toml
	@echo "Installing webkit and its peers into $(BENCH_VENV): once, it takes a minute."
	$(BENCH_PYTHON) -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m bench.install
	@touch $@
