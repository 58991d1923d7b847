# `make help` lists the targets. Each one sets up what it needs; nothing is installed outside
# this folder. PYTHON names the interpreter to build the environments with.
PYTHON ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
ARGS ?=
CHAOS_SECONDS ?= 180

PIP_INSTALL = -m pip --disable-pip-version-check --quiet install
RUN = $(VENV)/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help demo test chaos check lint types imports docs bench clean

help:  ## list the targets
	@echo "make TARGET [PYTHON=python3.12] [ARGS='-k name']"
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | \
		while IFS='	' read -r name text; do printf '  %-8s %s\n' "$$name" "$$text"; done

demo: $(DEMO_VENV)/.ready  ## show abreast at work: tasks side by side, then a service
	@$(DEMO_VENV)/bin/abreast demo --serve $(ARGS)

test: $(VENV)/.test  ## run all tests (ARGS goes to pytest)
	@sh scripts/system_packages.sh
	@$(RUN) pytest $(ARGS)

chaos: $(VENV)/.test  ## kill processes at random, for CHAOS_SECONDS=180: is anything lost?
	@CHAOS_SECONDS=$(CHAOS_SECONDS) $(RUN) pytest -s tests/durable/test_chaos.py $(ARGS)

check: lint types imports docs  ## lint, types, import rules, documentation

lint: $(VENV)/.dev
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(VENV)/.dev
	@$(RUN) mypy

imports: $(VENV)/.dev
	@$(VENV)/bin/lint-imports

docs: $(VENV)/.dev  ## build the documentation in docs/_build/html, warnings are errors
	@$(RUN) sphinx --quiet --fail-on-warning --keep-going -b html docs docs/_build/html

bench: $(VENV)/.test  ## measure abreast and its peers side by side
	@$(VENV)/bin/python benchmarks/run.py $(ARGS)

clean:  ## remove environments, caches and built files
	rm -rf $(VENV) $(DEMO_VENV) docs/_build build dist \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environments. A stamp says what is inside; it is made anew when pyproject.toml changes.
SETUP = pyproject.toml scripts/requirements.py scripts/setup_check.sh

$(DEMO_VENV)/.ready: $(SETUP)
	@sh scripts/setup_check.sh "$(PYTHON)"
	@echo "setting up $(DEMO_VENV): what abreast and its service need to run ..."
	@"$(PYTHON)" -m venv $(DEMO_VENV)
	@echo '*' > $(DEMO_VENV)/.gitignore
	@$(DEMO_VENV)/bin/python $(PIP_INSTALL) -e '.[server]'
	@touch $@

$(VENV)/.test $(VENV)/.dev: $(SETUP)
	@sh scripts/setup_check.sh "$(PYTHON)"
	@echo "setting up $(VENV) with the $(subst .,,$(notdir $@)) requirements ..."
	@"$(PYTHON)" -m venv $(VENV)
	@echo '*' > $(VENV)/.gitignore
	@$(VENV)/bin/python scripts/requirements.py $(subst .,,$(notdir $@)) > $@.txt
	@$(VENV)/bin/python $(PIP_INSTALL) -r $@.txt -e .
	@touch $@
