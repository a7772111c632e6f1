# Every target does its own set-up; a second call is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the benchmarks compare with has an environment of its own.
PEERS := .venv-peers
PEERS_READY := $(PEERS)/.ready

.PHONY: demo demo-zh test test-all lint bench clean

demo: $(READY)
	$(BIN)/tunelift run examples/tweets/recipe.yaml

demo-zh: $(READY)
	$(BIN)/tunelift doctor --install bundled/gemma3-270m --install bundled/reviews-zh $(if $(ACCEPT_TERMS),--accept-terms)
	$(BIN)/tunelift run examples/reviews-zh/recipe.yaml $(if $(ACCEPT_TERMS),--accept-terms)

test: $(READY)
	$(BIN)/python -m pytest

test-all: $(READY)
	$(BIN)/python -m pytest -m ""

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) $(PEERS_READY)
	set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; $(BIN)/python $$script; done

clean:
	rm -rf $(VENV) $(PEERS) runs

$(READY): pyproject.toml constraints.txt Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[data,serve,zh,ifeval,dev]'
	$(BIN)/tunelift doctor --install bundled
	touch $@

$(PEERS_READY): benchmarks/peers/requirements.txt constraints.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers/requirements.txt
	touch $@
