# Faster, Cheaper: every target, described by `make help`.
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
FIRST := 0_foundations/00_start_here.ipynb
# PyTorch's own index of CPU builds: on Linux its default package brings several GB of GPU libraries.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
need_nn = @test -n "$(NN)" || { echo "which lesson? For example: make $@ NN=36"; exit 2; }

.DEFAULT_GOAL := help
.PHONY: help lab work test test-unit test-contract test-notebooks test-isa lesson bench sweep data data-check html scoreboard lock clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "the course needs Python 3.11 or newer, %s is %s; name another with: make PYTHON=/path/to/python3" % (sys.executable, sys.version.split()[0]))'
	@mkdir -p "$(VENV)" 2>/dev/null && test -w "$(VENV)" || { echo "$(CURDIR)/$(VENV) cannot be written; name a place for the environment: make VENV=/path/to/environment"; exit 2; }
	@echo "Making the environment in $(VENV), once: 1 to 5 minutes, about 2 GB on disk."
	$(PYTHON) -m venv "$(VENV)"
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
	  $(PIP) --timeout 4 --retries 0 install --no-deps --index-url $(TORCH_CPU_INDEX) "$$(grep '^torch==' requirements.lock)" \
	  || echo "PyTorch's index of CPU builds did not answer; the default package follows."; fi
	$(PIP) install --requirement requirements.lock | { grep -vE '^(Ignoring|Looking in|Requirement already)' || true; }
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

lab: work ## open the course in JupyterLab, on your own copy in work/ (prints the URL without a browser); LAB_ARGS adds options
	JUPYTER_CONFIG_PATH=utils/course/jupyter $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/work/$(FIRST) $(LAB_ARGS)

work: $(VENV)/installed ## copy new and changed lessons to work/, where you may write; what you wrote there is kept
	@$(BIN)/python -m utils.course.work

test: $(VENV)/installed ## run everything: unit tests, the contract of cards and notebooks, every notebook
	$(BIN)/python -m pytest

test-unit: $(VENV)/installed ## only the unit tests of utils
	$(BIN)/python -m pytest tests --ignore=tests/test_contract.py

test-contract: $(VENV)/installed ## only the contract of cards, notebooks and dependency files
	$(BIN)/python -m pytest tests/test_contract.py

test-notebooks: $(VENV)/installed ## only the notebooks, compared with their stored outputs
	$(BIN)/python -m pytest notebooks

test-isa: $(VENV)/installed ## the notebooks at three instruction sets: outputs must not depend on the processor
	for isa in default avx2 avx512; do echo "ATEN_CPU_CAPABILITY=$$isa"; ATEN_CPU_CAPABILITY=$$isa $(BIN)/python -m pytest notebooks || exit 1; done

lesson: $(VENV)/installed ## NN=36: execute one notebook from a fresh kernel and store clean outputs (FRESH=1: also new pictures)
	$(need_nn)
	@$(BIN)/python -m utils.course.notebook $(NN) $(if $(FRESH),--fresh)

bench: $(VENV)/installed ## [NN=36]: seconds, peak memory and slowest cell per lesson, on one core
	@$(BIN)/python -m utils.course.bench $(NN)

sweep: $(VENV)/installed ## NN=36 [SEEDS=5]: run a lesson under several seeds, print every claim's values and margin
	$(need_nn)
	@$(BIN)/python -m utils.course.sweep $(NN) $(if $(SEEDS),--seeds $(SEEDS))

data: $(VENV)/installed ## rebuild what data/ ships, from code and seeds (NAME=… for one recipe)
	@$(BIN)/python -m utils.course.build $(NAME)

data-check: $(VENV)/installed ## say whether data/ holds what its manifest lists, hash by hash
	@$(BIN)/python -m utils.course.build --check

html: work ## [NN=36]: your copies as HTML pages in work/html, graders and solutions folded away
	JUPYTER_CONFIG_PATH=utils/course/jupyter $(BIN)/jupyter nbconvert --log-level=WARN --to html --output-dir work/html work/*/$(or $(NN),[0-9])*.ipynb

scoreboard: $(VENV)/installed ## renew the scoreboard in README and in the first notebook from the stored outputs
	@$(BIN)/python -m utils.course.scoreboard

lock: $(VENV)/installed ## resolve pyproject.toml's ranges into requirements.lock (torch stays at the tested release)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra test --no-header --no-annotate pyproject.toml \
	  | grep -vE '^(cuda|nvidia|triton)' > requirements.tmp && mv requirements.tmp requirements.lock

clean: ## remove the environment and every cache
	rm -rf .venv *.egg-info .pytest_cache requirements.tmp
	find . -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
