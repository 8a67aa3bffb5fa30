# Two commands do everything on a machine with Python >= 3.11: `make smoke` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# One torch for everybody; on a GPU machine this is the CUDA build of the same version.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# The official 2025 pipeline pins transformers 4.51.3: an overlay in which exported models are loaded once more.
COMPAT := $(VENV)/compat-4.51

.PHONY: env smoke test lint format clean

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@echo "installing into $(VENV) (some minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet "$(TORCH)"
	@$(BIN)/python -m pip install --quiet --editable ".[dev,eval,report]"
	@$(BIN)/python -m pip install --quiet --upgrade --target $(COMPAT) --no-deps \
		transformers==4.51.3 tokenizers==0.21.1 huggingface-hub==0.31.0 requests urllib3 charset-normalizer certifi
	@touch $@

smoke: env
	@rm -rf checkpoints/smoke
	@$(BIN)/python -m babylm.train configs/smoke.yaml
	@$(BIN)/python -m babylm.evaluate checkpoints/smoke
	@$(BIN)/python -m babylm.submit checkpoints/smoke

test: env
	@$(BIN)/python -m pytest -n 2 --dist worksteal

lint: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: env
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) checkpoints/smoke corpora/prepared
