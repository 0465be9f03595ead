# make help lists the commands. Each sets up what it needs. DATA is one deployment's landing zone, tables and instance.

# The lowest that this machine has.
PYTHON ?= $(firstword $(shell for minor in 11 12 13; do python3.$$minor -c '' 2>&1 && echo python3.$$minor; done | grep ^python))
ROWS ?= 200000
DATA ?= data/demo
PORT ?= 3000
WORKERS ?= 3
# What make test-long takes.
LONG ?= long or minutes

VENV ?= .venv
BIN := $(VENV)/bin
HOME_DIR := $(abspath $(DATA))

INSTANCE := $(HOME_DIR)/dagster

# An empty DATA would be the root of this machine's disk, and two words two folders.
$(if $(filter 1,$(words $(DATA))),,$(error DATA is '$(DATA)': expected one folder, its name without spaces))
$(if $(filter-out cuda cpu,$(TORCH_BUILD)),$(error TORCH_BUILD is '$(TORCH_BUILD)': expected cuda or cpu))
$(if $(filter-out kind gke,$(OVERLAY)),$(error OVERLAY is '$(OVERLAY)': expected kind or gke))

# What is started starts others, by the dozen: each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# Only these look at DATA; the tests and the checks have instances of their own.
demo dev: export DAGSTER_HOME := $(INSTANCE)
demo dev: export CTR_LANDING_URL ?= $(HOME_DIR)/landing
demo dev: export CTR_TRUTH_FOLDER ?= $(HOME_DIR)/truth
demo dev serve: export CTR_STORE_URL ?= $(HOME_DIR)/store

# What a person might do next. Not on the standard output, which may be piped; CI is no person.
next = $(if $(CI),,@echo >&2; echo "Next: $(strip $(1))" >&2)

.PHONY: help setup demo dev serve test test-long test-avazu test-gpu bench lint validate lock reference docs docs-serve images manifests screenshots clean

help: ## Show this list
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Try it

demo: $(VENV)/.laptop $(INSTANCE)/dagster.yaml ## Make demo impressions, materialize the whole graph, print the results (ROWS=200000)
	@$(BIN)/python -m ctr_assets.quickstart --rows $(ROWS) --home $(HOME_DIR)

dev: $(VENV)/.laptop $(INSTANCE)/dagster.yaml ## Open the Dagster UI on the demo's instance, or another (DATA=data/demo, PORT=3000)
	@$(BIN)/python -m ctr_assets.dev --port $(PORT)

serve: $(VENV)/.serving ## Answer with the champion: HTTP on 8080, gRPC on 8081 (DATA=data/demo, OPTIONS="--http-port 9000")
	@$(BIN)/python -m ctr_assets.serving --store-url $(CTR_STORE_URL) $(OPTIONS)

## Change it

setup: $(VENV)/.dev ## Install everything that the commands below need
	$(call next, make test)

test: $(VENV)/.dev ## Run the tests (WORKERS=3 at a time: many of them wait more than they compute)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
	$(call next, make lint validate test-long)

test-long: $(VENV)/.dev ## Run the tests that take long: kills, outages, daemon, browser, chaos (OPTIONS="--chaos-seconds 3600")
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "($(LONG)) and not cluster and not avazu" $(OPTIONS)
	$(call next, make dev)

test-avazu: $(VENV)/.dev ## Run the tests that read the log on your own download of it (DIR=folder of train.gz and test.gz)
	$(if $(DIR),,$(error DIR is not set: expected the folder of Kaggle's train.gz and test.gz))
	CTR_TESTS_AVAZU=$(abspath $(DIR)) $(BIN)/python -m pytest -m avazu

test-gpu: $(VENV)/.dev ## Run the tests that need a GPU and a torch with CUDA
	$(BIN)/python -m pytest -m gpu

lint: $(VENV)/.dev ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(call next, make validate test)

validate: $(VENV)/.dev ## Load the definitions as a code server would
	$(BIN)/dg check defs --no-check-yaml
	CTR_DEPLOYMENT=kubernetes $(BIN)/dg check defs --no-check-yaml
	$(call next, make dev)

lock: | $(BIN)/uv ## Write requirements.lock anew after a change of pyproject.toml (OPTIONS="--upgrade" for the newest versions)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --all-extras --group build \
	  --group gcs-connector --custom-compile-command "make lock" pyproject.toml --output-file requirements.lock $(OPTIONS)
	$(call next, git diff requirements.lock; make setup test)

bench: $(VENV)/.dev .bench/peers/.ready ## Measure everything beside other libraries, keep the page in docs/benchmarks (SECTIONS="tables peers")
	$(BIN)/python -m ctr_assets_tests.benchmarks $(SECTIONS)
	$(BIN)/python -m ctr_assets_tests.docs
	$(call next, git diff docs/benchmarks README.md)

## Deploy it

images: ## Build the four images (REGISTRY=, TORCH_BUILD=cuda or cpu)
	set -a; . docker/images.env; for image in code-server spark pytorch serving; do \
	  docker build -f docker/$$image.Dockerfile \
	    $$([ $$image = pytorch ] && echo --build-arg TORCH_BUILD=$(or $(TORCH_BUILD),cuda)) \
	    -t $(if $(REGISTRY),$(REGISTRY)/)ctr-assets-$$image:$$TAG . || exit 1; \
	done
	$(call next, push them or load them into kind: deploy/README.md)

manifests: $(VENV)/.dev ## Print what kubectl apply -k would send (OVERLAY=kind or gke)
	@$(BIN)/kubectl kustomize deploy/kustomize/overlays/$(or $(OVERLAY),kind)
	$(call next, kubectl apply -k deploy/kustomize/overlays/$(or $(OVERLAY),kind); deploy/README.md says what comes before)

## Show it

reference: $(VENV)/.dev ## Fill in anew what the docs and the README take from the code and from the benchmarks
	$(BIN)/python -m ctr_assets_tests.docs

docs: $(VENV)/.dev ## Build the documentation site in site/; a broken link is an error
	$(BIN)/zensical build --strict
	$(call next, make docs-serve)

docs-serve: $(VENV)/.dev ## Show the documentation site while it is written (http://localhost:8000)
	$(BIN)/zensical serve

screenshots: $(VENV)/.dev ## Take the tutorial's pictures of the demo's instance
	$(BIN)/python -m ctr_assets_tests.ui.screenshots --home $(HOME_DIR)
	$(call next, git diff --stat docs/assets/ui)

## Start again

clean: ## Remove the virtual environment; data/ stays
	rm -rf $(VENV)
	$(call next, make demo)

# --- Nothing below is meant to be called by its name.

INSTALLED := $(VENV)/.laptop $(VENV)/.serving $(VENV)/.dev
NEEDED = $(error Python 3.11, 3.12 or 3.13 is needed, and none is found: install one, or say PYTHON=/path/to/python)

$(BIN)/uv:
	@$(or $(PYTHON),$(NEEDED)) deploy/laptop/install.py --venv $(VENV)

# By the first command that needs it, and again when the requirements change.
$(INSTALLED): $(VENV)/.%: pyproject.toml requirements.lock | $(BIN)/uv
	@$(or $(PYTHON),$(NEEDED)) deploy/laptop/install.py --venv $(VENV) $*
	@touch $@

$(INSTANCE)/dagster.yaml: deploy/laptop/dagster.yaml
	@mkdir -p $(INSTANCE) $(HOME_DIR)/landing
	@cp $< $@

.bench/peers/.ready: ctr_assets_tests/benchmarks/peers/requirements.txt
	$(or $(PYTHON),$(NEEDED)) -m venv --clear .bench/peers
	.bench/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
