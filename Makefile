.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV := .tools/uv/bin/uv
# `sam build` runs the pip of the Python 3.13 that it finds first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := functions:.
export SAM_CLI_TELEMETRY := 0
# The tests start `aws` and `sam` a hundred times; what they import is compiled at the first, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
SAM := .tools/sam/bin/sam
ENVIRONMENT ?= default
SEEDS ?= 100000
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# What was installed or built here.
INSTALLED := .venv .tools .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis

# SAM and boto3 read the one, people set the other.
ifneq ($(AWS_REGION),)
ifeq ($(AWS_DEFAULT_REGION),)
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif
endif

# What all commands on tasks understand, and what names tasks.
ON := $(if $(STACK),--stack "$(STACK)") $(if $(JSON),--json)
TASKS := $(if $(TASK),--task "$(TASK)")

.PHONY: help setup demo up down feed watch list show get retry cancel gallery smoke consumer arrivals test simulate check format \
	build deploy package sbom delete mutate bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up: every other target does what it needs of this by itself ---

$(UV): infra/local/requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("seedance-poller needs Python 3.11 or newer to set itself up; set PYTHON=") if sys.version_info < (3, 11) else None'
	@echo 'Installing tools into .venv and .tools: up to 220 MB to download, once …' >&2
	@$(PYTHON) -m venv --clear .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/installed: tests/requirements.txt | $(UV)
	@$(UV) venv --quiet --clear --python 3.13 .venv
	@$(UV) pip install --quiet --require-hashes --python .venv -r $<
	@touch $@

# Only the tests and the benchmarks draw.
.venv/plots: infra/local/requirements/plots.txt .venv/installed
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

# --- Every day: on the local stack where it is up, else on seedance-poller on AWS; STACK=name for another, JSON=1 for scripts ---

feed: .venv/installed ## Insert tasks; FILE=tasks.csv, .jsonl, ids or -, or TASK=id; KEY='trailer/{task_id}.mp4' DRY=1 AGAIN=1
	@.venv/bin/python -m infra.feed "$(FILE)" $(ON) $(TASKS) $(if $(filter command,$(origin KEY)),--key "$(KEY)") $(if $(DRY),--dry) $(if $(AGAIN),--again)

watch: .venv/installed ## Watch health and tasks, live; STATUS=failed,copying lists only these
	@.venv/bin/python -m infra.watch $(ON) $(if $(STATUS),--status "$(STATUS)")

list: .venv/installed ## List tasks; STATUS=failed,expired or pending or ended, CODE=error_code
	@.venv/bin/python -m infra.tasks list $(ON) $(if $(STATUS),--status "$(STATUS)") $(if $(CODE),--code "$(CODE)")

show: .venv/installed ## Show all that is known of a task; TASK=id
	@.venv/bin/python -m infra.tasks show $(ON) $(TASKS)

get: .venv/installed ## Download videos; TASK="id id" or TASK=-, TO=folder
	@.venv/bin/python -m infra.tasks get $(ON) $(TASKS) $(if $(TO),--to "$(TO)")

retry: .venv/installed ## Ask for ended tasks again; TASK="id id" or TASK=-, or CODE=error_code; DRY=1
	@.venv/bin/python -m infra.tasks retry $(ON) $(TASKS) $(if $(CODE),--code "$(CODE)") $(if $(DRY),--dry)

cancel: .venv/installed ## Cancel tasks that have not ended; TASK="id id" or TASK=-, or CODE=error_code; DRY=1
	@.venv/bin/python -m infra.tasks cancel $(ON) $(TASKS) $(if $(CODE),--code "$(CODE)") $(if $(DRY),--dry)

gallery: .venv/installed ## Write one page with all videos, to open in a browser; STATUS=success, TO=file.html
	@.venv/bin/python -m infra.gallery $(ON) $(if $(STATUS),--status "$(STATUS)") $(if $(TO),--to "$(TO)")

smoke: .venv/installed ## Prove that a deployed stack does its work, in three minutes; TASK_ID=id follows a real render, VIDEO_URL=
	@.venv/bin/python -m infra.smoke $(ON) $(if $(TASK_ID),--task-id "$(TASK_ID)") $(if $(VIDEO_URL),--video-url "$(VIDEO_URL)")

consumer: .venv/installed .tools/sam/installed ## Deploy the example that is told of every video; CONSUMER=name for a second one
	@.venv/bin/python -m infra.consumer deploy $(ON) $(if $(CONSUMER),--name "$(CONSUMER)")

arrivals: .venv/installed ## Show each video that the example was told of
	@.venv/bin/python -m infra.consumer arrivals $(ON) $(if $(CONSUMER),--name "$(CONSUMER)")

# --- Work on it ---

check: .venv/installed .tools/sam/installed .tools/checkov/installed .tools/kingfisher/installed ## Format, lint, types, the templates, and secrets in any version of any file
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary
	@.tools/sam/bin/cfn-lint
	@AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint > .tools/validate.log 2>&1 || { cat .tools/validate.log; exit 1; }
	@.tools/checkov/bin/checkov -f template.yaml infra/observability.yaml --framework cloudformation --compact --quiet \
		--skip-download > .tools/checkov.log 2>&1 || { cat .tools/checkov.log; exit 1; }
	@KF_RULE_CACHE_DIR=.tools/kingfisher/rules .tools/kingfisher/bin/kingfisher scan . --quiet --redact --git-history full \
		--no-validate --no-update-check $(addprefix --exclude ,$(INSTALLED))

format: .venv/installed ## Format the code and mend what lint can mend
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format --quiet .

test: setup .venv/plots ## Every test, side by side: unit, integration, model, simulation, and the deployed stack
	@.venv/bin/pytest -n 6

simulate: .venv/installed ## Run the simulation with many seeds; SEEDS=100000
	@.venv/bin/python -m tests.simulation --seeds $(SEEDS)

mutate: .venv/installed ## Test the tests: mutate every function; FILES="poller shared/task.py" takes a part, AGAIN=1 only what lived
	@.venv/bin/python -m tests.mutation $(if $(AGAIN),--again) $(FILES)

bench: setup .venv/plots .tools/servers/installed ## Measure everything, in ratios, and bring the pages up to date (25 minutes)
	@.venv/bin/python -m tests.benchmarks

lock: $(UV) ## Pin all packages anew, by version and hash
	@compile='$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.13'; \
	$$compile pyproject.toml -o functions/requirements.txt && \
	$$compile pyproject.toml --group dev -o tests/requirements.txt && \
	$$compile --group plots --constraints tests/requirements.txt -o infra/local/requirements/plots.txt && \
	for group in sam ministack microburst awscli checkov kingfisher cyclonedx servers uv; do $$compile --group $$group -o infra/local/requirements/$$group.txt || exit; done

# --- Run it on AWS ---

build: .venv/installed .tools/sam/installed ## Build the Lambdas
	@$(SAM) build --config-env $(ENVIRONMENT)

deploy: .venv/installed .tools/sam/installed ## Build, then deploy to AWS; PARAMETERS="Name=value …", ENVIRONMENT=prod or STACK=name, YES=1
	@.venv/bin/python -m infra.deploy deploy --environment "$(ENVIRONMENT)" $(if $(STACK),--stack "$(STACK)") $(if $(YES),--yes) $(PARAMETERS)

package: .venv/installed .tools/sam/installed ## Put a release into a bucket and write .aws-sam/packaged.yaml, which deploys from there; BUCKET=name
	@[ -n "$(BUCKET)" ] || { echo 'Into which bucket? make package BUCKET=name' >&2; exit 2; }
	@$(SAM) build --config-env $(ENVIRONMENT)
	@$(SAM) package --s3-bucket "$(BUCKET)" --s3-prefix "seedance-poller/$(VERSION)" --output-template-file .aws-sam/packaged.yaml

sbom: .tools/cyclonedx/installed ## Write what the Lambdas are made of as CycloneDX, .aws-sam/sbom.json
	@mkdir -p .aws-sam
	@PYTHONWARNINGS=ignore .tools/cyclonedx/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o .aws-sam/sbom.json \
		functions/requirements.txt

delete: .venv/installed .tools/sam/installed ## Delete the stack on AWS, but neither tasks nor videos; ENVIRONMENT=prod or STACK=name, YES=1
	@.venv/bin/python -m infra.deploy delete --environment "$(ENVIRONMENT)" $(if $(STACK),--stack "$(STACK)") $(if $(YES),--yes)

clean: ## Stop the local stack, and remove everything that was installed or built here
	@if [ -e .local/stack.json ]; then .venv/bin/python -m infra.local.down; fi
	@rm -rf $(INSTALLED) infra/examples/consumer/.aws-sam
