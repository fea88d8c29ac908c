# `make scan` sets everything up and scans the loopback lab; `make test` sets up and passes the tests; `make help`: the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup scan test check servers oracles crash hostile pace simulate founding bench bench-peers lab lock sbom clean
# the list to scan and further flags: make scan LIST=my.csv ARGS="--ehlo-name scan.example.org -o out/rows.jsonl"
LIST   ?=
ARGS   ?=

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY)  ## virtual environment with the locked dependencies

$(READY): requirements.lock requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock 1>&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . 1>&2
	@touch $@

scan: $(READY)  ## scan the embedded lab, or LIST=my.csv; rows on stdout
	@$(BIN)/starttls scan $(if $(LIST),$(LIST),--lab inputs/lab.csv) $(ARGS)

test: $(READY)  ## the tests that need nothing but loopback
	@$(BIN)/python -m pytest -n auto --dist loadfile

check: $(READY)  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

servers: $(READY)  ## real Postfix, Exim, Knot, Unbound ...: installs them from Debian (root), own network namespace
	@tests/servers/run $(BIN)/python

oracles: $(READY)  ## another MTA-STS implementation on the same bytes: installed apart, from the package registry
	@tests/oracles/run $(BIN)/python

crash: $(READY)  ## 1,000 random kills with resume, 2,000 power losses (the short forms are in `make test`, as of all below)
	@KILLS=1000 IMAGES=2000 $(BIN)/python -m pytest tests/crash -q -s

hostile: $(READY)  ## 500 hostile peers beside 500 good ones
	@HOSTILE=500 $(BIN)/python -m pytest tests/hostile -q -s

pace: $(READY)  ## 10,000 real connections, counted at the peer
	@PACE=10000 $(BIN)/python -m pytest tests/pace -q -s

simulate: $(READY)  ## 2,000 whole runs on a virtual clock; SEED=n replays one
	@SEEDS=$${SEEDS:-2000} $(BIN)/python -m pytest tests/simulation/test_simulation.py -k no_world -q -s

founding: $(READY)  ## the founding case against real servers, 50 times (root, Debian)
	@FOUNDING=50 SERVERS_LONGEST_S=1800 tests/servers/run $(BIN)/python -k founding

bench: $(READY)  ## measurements of speed and memory, on loopback, with ratios side by side
	@for each in floor processes concentration latency names small many_domains memory judgement; do \
		PYTHONPATH=. $(BIN)/python benchmarks/$$each.py || exit 1; done

bench-peers: $(READY)  ## others on the same servers: sslyze, checkdmarc, posttls-finger, openssl; installed apart
	@benchmarks/peers $(BIN)/python

lab: $(READY)  ## serve the lab in the foreground
	@$(BIN)/starttls lab

lock:  ## refresh both lock files (needs uv); no index addresses inside
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade --group dev pyproject.toml -o requirements-dev.lock

sbom:  ## bill of materials of the locked dependencies, CycloneDX; its tool is installed apart
	@test -x build/sbom/bin/cyclonedx-py || ($(PYTHON) -m venv build/sbom && build/sbom/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0)
	@build/sbom/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --of JSON --output-reproducible -o build/sbom.json

clean:  ## everything that can be made again
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
