# `make demo` tries baserate on real data; `make test` is what CI runs. Both make .venv and install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Most of what is installed is never imported, so Python compiles what is when it is.
INSTALL := $(PIP) install --quiet --no-compile -c constraints.txt
SOURCES := $(shell find bench tasks models baselines -type d -not -name __pycache__)

.PHONY: demo test test-slurm check dev clean

demo: $(VENV)/.demo
	$(BIN)/baserate run --suite quickstart --workers 2 --results results/demo
	@echo
	@echo "Every run, its scores and its artifacts in MLflow:"
	@echo "  $(BIN)/mlflow ui --workers 1 --backend-store-uri sqlite:///results/demo/mlflow.db"
	@echo "then open http://127.0.0.1:5000/#/experiments/1/runs"

# A worker a core, and one thread each: teams of threads on the same cores slow one another.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# On a Slurm of one node, which the script starts on this machine and ends; needs slurm-wlm and munge of Debian.
test-slurm: $(VENV)/.dev
	tests/slurm.sh $(BIN)/python

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p baserate
	$(BIN)/lint-imports

dev: $(VENV)/.dev

$(VENV)/.demo: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[data]"
	touch $@

# The strict editable form links every file, so that type checkers and import-linter see one package; the folders are
# prerequisites because a file that is added has to be linked too.
$(VENV)/.dev: pyproject.toml constraints.txt $(SOURCES)
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[data,tune,cluster,dev]" --config-settings editable_mode=strict
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist *.egg-info
