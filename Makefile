# `make run` on a fresh machine: environment, packages, model, server. Nothing else is needed.
PYTHON ?= python3
APPLIANCE = .venv/bin/appliance
NODE_TESTS = $(wildcard tests/web/*.test.*)

.DEFAULT_GOAL := help
.PHONY: help install model run demo test tools check fix bench faults ladder engine deb clean node-tests

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: ## make .venv and install everything into it (builds llama.cpp once)
	@$(PYTHON) -m appliance.install

model: install ## fetch the model, or its stand-in where no hub can be reached
	@$(APPLIANCE) models fetch

run: model ## install, fetch the model, serve; restarts after a crash, Ctrl-C ends it
	@$(APPLIANCE) serve --keep-alive

demo: install ## serve scripted answers, without a model
	@$(APPLIANCE) serve --demo

test: ## run every test, the real model and the browser included
	@$(PYTHON) -m appliance.install --group test --group browser
	@$(APPLIANCE) models fetch
	.venv/bin/python -m pytest
	@$(MAKE) --no-print-directory node-tests

check: tools ## what a commit must pass: format, lint, types and every test
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	@$(MAKE) --no-print-directory test

fix: tools ## repair format and lint where that can be done by machine
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: model ## measure the server against a bare decode loop on the same file
	.venv/bin/python benchmarks/serve.py

faults: tools model ## kill it, cut its power, fill its disk: an hour, and a table
	.venv/bin/python -m benchmarks.faults

ladder: tools model ## ask it every set of questions, beside rivals: over an hour, and a table
	.venv/bin/python -m benchmarks.ladder

engine: tools model ## measure the engine beside the llama-server that LLAMA_SERVER names: an hour
	.venv/bin/python -m benchmarks.engine

deb: install ## build a Debian package for this kind of machine into dist/
	@$(PYTHON) -m appliance.install --group test
	@.venv/bin/python deploy/debian/build.py

clean: ## remove the environment, caches and logs; models and data stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './node_modules/*' -prune -exec rm -rf {} +

tools:
	@$(PYTHON) -m appliance.install --group dev

node-tests:
	@if [ -z "$(NODE_TESTS)" ]; then echo "There are no tests in tests/web/."; \
	elif command -v node >/dev/null; then node --test tests/web/; \
	else echo "The page's tests are skipped: node is not installed (apt-get install nodejs)."; fi
