# Two commands do everything on a machine with Python >= 3.11: `make smoke` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# Not in the lock, since its build depends on the machine: see requirements/README.md.
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EXTRAS := dev eval report
# What `make newest` runs; empty for the whole suite.
TESTS ?=
# Older versions of transformers, in which exported models are used once more.
COMPAT := compat-4.51 compat-5.23
LOCKS := $(patsubst %,requirements/%.txt,env $(COMPAT))
# Parts of torch's CUDA build: they come with it or not at all.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
	cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
UV := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--upgrade --generate-hashes --no-annotate

.PHONY: env smoke interact study studies test newest lint format lock clean

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml $(LOCKS)
	@echo "installing into $(VENV) (some minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps --require-hashes -r requirements/env.txt
	@echo "the locked packages are there; now torch ..."
	@$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@for name in $(COMPAT); do $(PIP) --no-deps --require-hashes --upgrade --target $(VENV)/$$name \
		-r requirements/$$name.txt || exit 1; done
	@$(BIN)/python -m pip check
	@touch $@

smoke: env
	@rm -rf checkpoints/smoke
	@$(BIN)/python -m babylm.train configs/smoke.yaml
	@$(BIN)/python -m babylm.evaluate checkpoints/smoke
	@$(BIN)/python -m babylm.submit checkpoints/smoke

# The smallest study, in seconds: what its statistics find in a planted agent, and not in one without the effect; its
# last line says where the table and the figure are.
study: env
	@$(BIN)/python -m babylm.study configs/studies/relational.yaml scale=smoke student=false name=relational_smoke

# Every study in miniature (the lines "Smoke:" of configs/studies), by the command, from nothing, with a check of its
# tables, figure and remarks, and a page for each. It shows that they work, and nothing about their questions.
STUDIES := checkpoints/studies_smoke
studies: env
	@rm -rf $(STUDIES)
	@STUDIES=$(STUDIES) $(BIN)/python -m pytest -n 2 --dist worksteal --durations=0 tests/studies/smoke_runs.py
	@for study in $(STUDIES)/*; do $(BIN)/python -m babylm.report $$study || exit 1; done

# A student that learns from a teacher on the micro-language, and two controls; a page over the runs; then
# a listener that learns from what its partner says next, beside its controls: the last line says where the curves are.
INTERACT := configs/interaction.yaml
interact: env
	@rm -rf checkpoints/interact_* checkpoints/studies/respect_demo
	@$(BIN)/python -m babylm.train $(INTERACT) name=interact_base objective.name=hybrid budget.epochs=6
	@$(BIN)/python -m babylm.interact $(INTERACT) init_from=checkpoints/interact_base name=interact_score
	@$(BIN)/python -m babylm.interact $(INTERACT) init_from=checkpoints/interact_base name=interact_random \
		interaction.feedback=random
	@$(BIN)/python -m babylm.interact $(INTERACT) init_from=checkpoints/interact_base name=interact_none \
		interaction.feedback=none objective.name=supervised
	@$(BIN)/python -m babylm.report checkpoints/interact_score checkpoints/interact_random checkpoints/interact_none
	@$(BIN)/python -m babylm.study configs/studies/respect.yaml scale=demo name=respect_demo seeds=[1]
	@$(BIN)/python -m babylm.report checkpoints/studies/respect_demo

test: env
	@$(BIN)/python -m pytest -n 2 --dist worksteal

# The suite with the newest of everything but torch (TORCH=torch: that too), on purpose: an environment of its own.
newest:
	@test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	@$(PYTHON) requirements/unbounded.py $(EXTRAS) > .venv-newest/requirements.txt
	@.venv-newest/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@.venv-newest/bin/python -m pip install --quiet --upgrade setuptools -r .venv-newest/requirements.txt
	@.venv-newest/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@for name in $(COMPAT); do .venv-newest/bin/python -m pip install --quiet --no-deps --require-hashes --upgrade \
		--target .venv-newest/$$name -r requirements/$$name.txt || exit 1; done
	@.venv-newest/bin/python -m pytest -n 2 --dist worksteal $(TESTS)

# Resolve again within the bounds of pyproject.toml, for all platforms; then run the tests and commit the files.
lock:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade --target $(VENV)/uv uv
	@$(UV) pyproject.toml requirements/build.in $(addprefix --extra ,$(EXTRAS)) \
		$(addprefix --no-emit-package ,torch $(CUDA)) --output-file requirements/env.txt
	@for name in $(COMPAT); do $(UV) --no-deps requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done

lint: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: env
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-newest checkpoints/smoke corpora/prepared
