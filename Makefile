# make demo | make test | make dev | make serve: each sets up what it needs. DATA is one deployment's landing zone, tables and instance.
PYTHON ?= python3.11
ROWS ?= 200000
DATA ?= data/demo
PORT ?= 3000
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOME_DIR := $(abspath $(DATA))

INSTANCE := $(HOME_DIR)/dagster

# An empty DATA would be the root of this machine's disk, and two words two folders.
$(if $(filter 1,$(words $(DATA))),,$(error DATA is '$(DATA)': expected one folder, its name without spaces))
$(if $(filter-out cuda cpu,$(TORCH_BUILD)),$(error TORCH_BUILD is '$(TORCH_BUILD)': expected cuda or cpu))
$(if $(filter-out kind gke,$(OVERLAY)),$(error OVERLAY is '$(OVERLAY)': expected kind or gke))

# Only these look at DATA; the tests and the checks have instances of their own.
demo dev: export DAGSTER_HOME := $(INSTANCE)
demo dev: export CTR_LANDING_URL ?= $(HOME_DIR)/landing
demo dev: export CTR_TRUTH_FOLDER ?= $(HOME_DIR)/truth
demo dev serve: export CTR_STORE_URL ?= $(HOME_DIR)/store

.PHONY: help setup demo dev serve test test-long bench lint validate images manifests screenshots clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Make the virtual environment with everything, and find a Java for Spark

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# The GCS connector's jar for the tests; its own requirement of an older pyspark is left out.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps pyspark-gcs
	$(BIN)/python -m ctr_assets.launch.java
	@# The one computes while the other downloads.
	$(BIN)/python -m ctr_assets.launch.class_archive & $(BIN)/python -m ctr_assets_tests.system_packages && wait $$!
	@touch $@

$(INSTANCE)/dagster.yaml: deploy/laptop/dagster.yaml
	@mkdir -p $(INSTANCE) $(HOME_DIR)/landing
	@cp $< $@

demo: $(READY) $(INSTANCE)/dagster.yaml ## Make demo impressions, materialize the whole graph, print the results (ROWS=200000)
	$(BIN)/python -m ctr_assets.quickstart --rows $(ROWS) --home $(HOME_DIR)

dev: $(READY) $(INSTANCE)/dagster.yaml ## Open the Dagster UI on the same instance (DATA=data/demo, PORT=3000)
	$(BIN)/dagster dev --workspace workspace.yaml --port $(PORT)

serve: $(READY) ## Answer with the champion: HTTP on 8080, gRPC on 8081 (DATA=data/demo, OPTIONS="--http-port 9000")
	$(BIN)/python -m ctr_assets.serving --store-url $(CTR_STORE_URL) $(OPTIONS)

test: $(READY) ## Run the tests (WORKERS=3 at a time: many of them wait more than they compute)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-long: $(READY) ## Run the tests that take minutes each: daemon, browser, PostgreSQL, the whole graph on gs://, chaos (OPTIONS="--chaos-seconds 3600")
	$(BIN)/python -m pytest -m long $(OPTIONS)

lint: $(READY) ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY) .bench/peers/.ready ## Measure everything beside other libraries (SECTIONS="tables peers", see -m ctr_assets_tests.benchmarks --help)
	$(BIN)/python -m ctr_assets_tests.benchmarks $(SECTIONS)

.bench/peers/.ready: ctr_assets_tests/benchmarks/peers/requirements.txt
	$(PYTHON) -m venv --clear .bench/peers
	.bench/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

validate: $(READY) ## Load the definitions as a code server would
	$(BIN)/dagster definitions validate --workspace workspace.yaml
	CTR_DEPLOYMENT=kubernetes $(BIN)/dagster definitions validate --workspace workspace.yaml

images: ## Build the four images (REGISTRY=, TORCH_BUILD=cuda or cpu)
	set -a; . docker/images.env; for image in code-server spark pytorch serving; do \
	  docker build -f docker/$$image.Dockerfile \
	    $$([ $$image = pytorch ] && echo --build-arg TORCH_BUILD=$(or $(TORCH_BUILD),cuda)) \
	    -t $(if $(REGISTRY),$(REGISTRY)/)ctr-assets-$$image:$$TAG . || exit 1; \
	done

manifests: $(READY) ## Print what kubectl apply -k would send (OVERLAY=kind or gke)
	$(BIN)/kubectl kustomize deploy/kustomize/overlays/$(or $(OVERLAY),kind)

screenshots: $(READY) ## Take the README's pictures of the demo's instance
	$(BIN)/python -m ctr_assets_tests.ui.screenshots --home $(HOME_DIR)

clean: ## Remove the virtual environment; data/ stays
	rm -rf $(VENV)
