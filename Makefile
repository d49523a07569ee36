# Faster, Cheaper: every target, described by `make help`.
PYTHON ?= python3
BIN := .venv/bin
FIRST := notebooks/0_foundations/00_start_here.ipynb
need_nn = @test -n "$(NN)" || { echo "which lesson? For example: make $@ NN=36"; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help lab test test-unit test-contract test-notebooks test-isa lesson bench sweep data data-check scoreboard lock clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "the course needs Python 3.11 or newer, %s is %s; name another with: make PYTHON=/path/to/python3" % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lab: .venv/installed ## open the course in JupyterLab (prints the URL when there is no browser); LAB_ARGS adds options
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/$(FIRST) $(LAB_ARGS)

test: .venv/installed ## run everything: unit tests, the contract of cards and notebooks, every notebook
	$(BIN)/python -m pytest

test-unit: .venv/installed ## only the unit tests of utils
	$(BIN)/python -m pytest tests --ignore=tests/test_contract.py

test-contract: .venv/installed ## only the contract of cards, notebooks and dependency files
	$(BIN)/python -m pytest tests/test_contract.py

test-notebooks: .venv/installed ## only the notebooks, compared with their stored outputs
	$(BIN)/python -m pytest notebooks

test-isa: .venv/installed ## the notebooks at three instruction sets: outputs must not depend on the processor
	for isa in default avx2 avx512; do echo "ATEN_CPU_CAPABILITY=$$isa"; ATEN_CPU_CAPABILITY=$$isa $(BIN)/python -m pytest notebooks || exit 1; done

lesson: .venv/installed ## NN=36: execute one notebook from a fresh kernel and store clean outputs (FRESH=1: also new pictures)
	$(need_nn)
	@$(BIN)/python -m utils.course.notebook $(NN) $(if $(FRESH),--fresh)

bench: .venv/installed ## [NN=36]: seconds, peak memory and slowest cell per lesson, on one core
	@$(BIN)/python -m utils.course.bench $(NN)

sweep: .venv/installed ## NN=36 [SEEDS=5]: run a lesson under several seeds, print every claim's values and margin
	$(need_nn)
	@$(BIN)/python -m utils.course.sweep $(NN) $(if $(SEEDS),--seeds $(SEEDS))

data: .venv/installed ## rebuild what data/ ships, from code and seeds (NAME=… for one recipe)
	@$(BIN)/python -m utils.course.build $(NAME)

data-check: .venv/installed ## say whether data/ holds what its manifest lists, hash by hash
	@$(BIN)/python -m utils.course.build --check

scoreboard: .venv/installed ## renew the scoreboard in README and in the first notebook from the stored outputs
	@$(BIN)/python -m utils.course.scoreboard

lock: .venv/installed ## resolve pyproject.toml's ranges into requirements.lock (torch stays at the tested release)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --no-header --no-annotate pyproject.toml \
	  | grep -vE '^(cuda|nvidia|triton)' > requirements.tmp && mv requirements.tmp requirements.lock

clean: ## remove the environment and every cache
	rm -rf .venv *.egg-info .pytest_cache requirements.tmp
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
