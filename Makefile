# A fresh machine needs Python 3.11 (up to 3.13) and make. Each command first makes what it needs, once, in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3.11)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# An index with PyTorch for processors alone, as in the Dockerfile: where the ordinary one brings CUDA, it spares 3 GB.
TORCH_INDEX ?=
BENCHMARKS ?= evaluation detector objects training pruning server whole_job

.PHONY: help run test check bench lock

help:
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 14

run: $(VENV)/run.stamp ## serve the pages
	@$(BIN)/otx-web serve

test: $(VENV)/test.stamp $(VENV)/browser.stamp ## all tests, those in a browser included
	$(BIN)/python -m pytest

check: $(VENV)/test.stamp ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy jobs otx_web app.py

bench: $(VENV)/test.stamp ## speed against the peers, as ratios: some minutes, on a machine that does nothing else
	@set -e; for one in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$one; done

$(VENV)/run.stamp: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed. Install one, or name it: make run PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "No environment could be made. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV), once: about 2 GB, some minutes"
	@$(PIP) install --no-deps $(addprefix --extra-index-url=,$(TORCH_INDEX)) $$(grep '^torch==' requirements.lock)
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp requirements-test.lock
	@$(PIP) install -r requirements-test.lock
	@touch $@

$(VENV)/browser.stamp: $(VENV)/test.stamp tests/e2e/install_browser.sh
	@PATH="$(abspath $(BIN)):$$PATH" bash tests/e2e/install_browser.sh
	@touch $@

lock: ## pin all packages anew, after a change of dependencies in pyproject.toml
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet .
	{ echo "# All that serves and works, as tested on Python 3.11. Written by \`make lock\`."; \
		$(VENV)-lock/bin/pip freeze --exclude otx-web | sed 's/+cpu$$//'; } > requirements.lock
	$(VENV)-lock/bin/pip install --quiet '.[test]'
	{ echo "# What tests and checks need besides. Written by \`make lock\`."; echo "-r requirements.lock"; \
		$(VENV)-lock/bin/pip freeze --exclude otx-web | sed 's/+cpu$$//' | grep -vxFf requirements.lock; } > requirements-test.lock
	rm -rf $(VENV)-lock
