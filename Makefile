# PYTHON can be given: make run PYTHON=/path/to/python3.11
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name))) python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

# What MLflow needs on top, and its older versions of what .venv has, are kept apart from it.
TRACKING := .venv-tracking

.PHONY: run test test-slow coverage test-tracking fuzz install lint viz docs docs-serve check-results
.PHONY: prune clean help

run: install ## the default pipeline on the simulated twin; prints where the results are
	$(BIN)/kedro run

PARALLEL := --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
test: install ## the tests that people run: units, leaks, architecture, a run from end to end
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-slow: install ## the others: kills, fuzz, browser, cluster, notebooks, wheel, docs, long runs
	$(BIN)/python -m pytest $(PARALLEL) -m slow

coverage: install ## all of them, and which lines they run; slower
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

test-tracking: $(TRACKING)/.installed ## the tests of tracking by MLflow, with that installed
	$(TRACKING)/bin/python -m pytest tests/runs/test_tracking.py

fuzz: install ## a million strange names and headers, about 40 minutes
	FUZZ_EXAMPLES=1000000 $(BIN)/python -m pytest tests/corpora/reading/test_fuzz.py

install: $(INSTALLED) ## a virtual environment with everything in it

lint: install ## style, types and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

viz: install ## the graph in the browser
	$(BIN)/kedro viz run

docs: install ## the documentation, as a site in build/docs
	$(BIN)/sphinx-build -q -W --keep-going -n docs build/docs
	@echo "The site is in build/docs; open build/docs/index.html"

docs-serve: docs ## the same, on http://localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/docs 8000

# make check-results ROW=rooms
check-results: install ## trains a ROW of the results table again; fails if its scores differ
	$(BIN)/python benchmarks/record_results.py --check $(or $(ROW),$(error name the row: make $@ ROW=rooms))

# make prune KEEP=5 YES=1
KEEP ?= 3
prune: install ## old versions in data: lists, asks, removes; KEEP=3 of each stay
	$(BIN)/kedro prune --keep=$(KEEP) $(if $(YES),--yes)

clean: ## everything that can be made again, except data
	rm -rf .venv $(TRACKING) .viz build dist docs/generated
	rm -rf .pytest_cache .hypothesis .ruff_cache .mypy_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { \
	  echo "Python 3.11 or 3.12 is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo missing)."; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cpu,dev]"
	@touch $(INSTALLED)

$(TRACKING)/.installed: $(INSTALLED)
	$(BIN)/python -m venv --clear $(TRACKING)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(TRACKING)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beside.pth"
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["tracking"], sep="\n")' \
	  > $(TRACKING)/requirements.txt
	$(TRACKING)/bin/python -m pip install --quiet --disable-pip-version-check -r $(TRACKING)/requirements.txt
	@touch $@
