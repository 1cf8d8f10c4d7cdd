.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV := .tools/uv/bin/uv
# `sam build` runs the pip of the Python 3.13 that it finds first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := functions:.
export SAM_CLI_TELEMETRY := 0
SAM := .tools/sam/bin/sam
ENVIRONMENT ?= default
SEEDS ?= 100000

.PHONY: help setup demo up down watch feed test simulate check format build deploy mutate bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up: every other target does what it needs of this by itself ---

$(UV): infra/local/requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("seedance-poller needs Python 3.11 or newer to set itself up; set PYTHON=") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv --clear .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/installed: tests/requirements.txt | $(UV)
	@$(UV) venv --quiet --clear --python 3.13 .venv
	@$(UV) pip install --quiet --require-hashes --python .venv -r $<
	@touch $@

.tools/%/installed: infra/local/requirements/%.txt | $(UV)
	@$(UV) venv --quiet --clear --python 3.13 .tools/$*
	@$(UV) pip install --quiet --require-hashes --python .tools/$* -r $<
	@touch $@

setup: .venv/installed .tools/sam/installed .tools/ministack/installed .tools/microburst/installed .tools/awscli/installed ## Install everything below .venv and .tools (the targets below do it by themselves)

# --- Try it, without an AWS account ---

demo: setup ## Run the whole service locally: five videos saved, one refused, everything checked
	@.venv/bin/python -m infra.local.demo

up: setup ## Start the local stack and leave it running; again: deploy what changed; PARAMETERS="Name=value …"
	@.venv/bin/python -m infra.local.up $(PARAMETERS)

down: .venv/installed ## Stop what `make up` started
	@.venv/bin/python -m infra.local.down

watch: .venv/installed ## Watch the tasks live; STACK=name for a stack on AWS, JSON=1 for one look
	@.venv/bin/python -m infra.watch $(if $(STACK),--stack $(STACK)) $(if $(JSON),--json)

feed: .venv/installed ## Insert many tasks; FILE=tasks.csv or .jsonl, STACK=name for a stack on AWS
	@.venv/bin/python -m infra.feed "$(FILE)" $(if $(STACK),--stack $(STACK))

# --- Work on it ---

check: .venv/installed .tools/sam/installed ## Format, lint, types and template lint
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.tools/sam/bin/cfn-lint
	@AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint > .tools/validate.log 2>&1 || { cat .tools/validate.log; exit 1; }

format: .venv/installed ## Format the code and mend what lint can mend
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format --quiet .

test: setup ## Every test: unit, integration, simulation, then the real stack
	@.venv/bin/pytest

simulate: .venv/installed ## Run the simulation with many seeds; SEEDS=100000
	@.venv/bin/python -m tests.simulation --seeds $(SEEDS)

mutate: .venv/installed ## Test the tests: mutate the parser and the lifecycle
	@.venv/bin/python -m tests.mutation

bench: setup .tools/servers/installed ## Measure everything, in ratios, and bring the README up to date (15 minutes)
	@.venv/bin/python -m tests.benchmarks

lock: $(UV) ## Pin all packages anew, by version and hash
	@compile='$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.13'; \
	$$compile pyproject.toml -o requirements.txt && \
	$$compile pyproject.toml --group dev -o tests/requirements.txt && \
	for group in sam ministack microburst awscli servers uv; do $$compile --group $$group -o infra/local/requirements/$$group.txt || exit; done

# --- Run it on AWS ---

build: .venv/installed .tools/sam/installed ## Build the Lambdas
	@$(SAM) build --config-env $(ENVIRONMENT)

deploy: build ## Build, then deploy to AWS; ENVIRONMENT=prod for the other environment
	@$(SAM) deploy --config-env $(ENVIRONMENT)

clean: ## Remove everything that was installed or built here
	@rm -rf .venv .tools .aws-sam .local
