# make help tells what there is.  Variables: make reproduce PROFILE=smoke RUN=mine PYTHON=python3.12 VENV=/tmp/env
PROFILE ?= cpu
RUN ?=
ARGS ?=
# make ablations: trainings at the same time, a Dask scheduler, DRY=1 to see the cells and their time only
JOBS ?=
SCHEDULER ?=
DRY ?=
PYTHON ?= python3
VENV ?= .venv
# Where torch comes from: empty (pip's own index), an index (https://…/whl/cpu), or a folder of wheels.
TORCH_INDEX ?=

python := $(VENV)/bin/python
pip := $(python) -m pip --disable-pip-version-check
ready := $(VENV)/.ready
torch := $(shell grep '^torch==' requirements/reference.in)
torch_from := $(if $(TORCH_INDEX),$(if $(wildcard $(TORCH_INDEX)/.),--find-links $(TORCH_INDEX),--index-url $(TORCH_INDEX)))
CHECKED := tarot_lite tests .ci notebooks

.DEFAULT_GOAL := help
.PHONY: help environment reproduce verify ablations report lines test test-unsloth test-extras test-colab gpu-check lint notebooks book example colab lab lock wheel clean clean-all update-pins golden

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  variables    PROFILE=cpu RUN=name ARGS='-p seed 1' PYTHON=python3.12 VENV=.venv TORCH_INDEX=index or folder"

environment: $(ready) ## make the virtual environment (skipped when it is up to date)

$(ready): requirements/reference.in requirements/reference.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "tarot_lite needs Python 3.11 to 3.13, $(PYTHON) is `$(PYTHON) --version 2>&1`; try make PYTHON=python3.12" >&2; exit 2; }
	@test -x $(python) || { echo "environment: $(VENV), some minutes the first time"; $(PYTHON) -m venv $(VENV); }
	@echo "environment: $(torch)"
	@$(pip) install -q $(torch) $(torch_from)
	@echo "environment: everything else"
	@$(pip) install -q -r requirements/reference.in -c requirements/reference.txt
	@$(pip) install -q --no-deps --no-build-isolation -e .
	@touch $(ready)

reproduce: $(ready) ## the five notebooks with PROFILE, then reports/<run>/index.html; goes on where it was stopped
	@$(python) -m tarot_lite run --profile $(PROFILE) $(if $(RUN),--run $(RUN)) $(ARGS)

ablations: $(ready) ## the whole grid of PROFILE: stages 1, 3 and 5; JOBS=2, SCHEDULER=tcp://host:8786, DRY=1 to see its cells
	@$(python) -m tarot_lite ablations --profile $(PROFILE) $(if $(RUN),--run $(RUN)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(SCHEDULER),--scheduler $(SCHEDULER)) $(if $(DRY),--dry-run) $(ARGS)

verify: $(ready) ## run reports/RUN (default: example) again in a scratch folder and compare every table; ARGS='--stage 3'
	@$(python) -m tarot_lite verify reports/$(or $(RUN),example) $(ARGS)

report: $(ready) ## write the front page of a run anew
	@$(python) -m tarot_lite report reports/$(or $(RUN),$(PROFILE))

lines: ## lines of Python by room
	@git ls-files 'tarot_lite/*.py' | while read -r file; do echo "$$(wc -l < $$file) $$file"; done | awk '{ sub("tarot_lite/", "", $$2); \
	  sub("/.*", "", $$2); sub(".py$$", "", $$2); lines[$$2] += $$1; files[$$2]++; all += $$1; n++ } \
	  END { for (room in lines) printf "%6d  %3d  %s\n", lines[room], files[room], room; printf "%6d  %3d  all\n", all, n }' | sort -rn
	@echo "$$(git ls-files 'tests/*.py' | grep -v cpython/programs | xargs cat | wc -l) in tests"

lint: $(ready) ## style, formatting, types of the package
	$(python) -m ruff check $(CHECKED)
	$(python) -m ruff format --check tarot_lite tests .ci
	$(python) -m mypy

test: $(ready) lint ## everything: lint, types, doctests, tests, and the five notebooks with the smoke profile
	MPLBACKEND=agg $(python) -m pytest -n 2 tests tarot_lite notebooks --doctest-modules --ignore=tarot_lite/notebooks --nbval-lax --nbval-cell-timeout=300 $(ARGS)

unsloth := build/unsloth/bin/python

test-unsloth: $(ready) ## the tests of the Unsloth path, in an environment of its own on top of ours
	$(python) -m venv build/unsloth
	$(python) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "`$(unsloth) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'`/ours.pth"
	$(unsloth) -m pip --disable-pip-version-check install -q --no-deps -r requirements/unsloth.txt
	$(unsloth) -m pytest tests/test_unsloth.py tests/test_preflight.py $(ARGS)

extras := build/extras/bin/python

test-extras: $(ready) ## the tests of optional trackers and of DeepSpeed, in an environment of its own on top of ours
	$(python) -m venv build/extras
	$(python) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "`$(extras) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'`/ours.pth"
	$(extras) -m pip --disable-pip-version-check install -q setuptools wheel
	DS_BUILD_OPS=0 $(extras) -m pip --disable-pip-version-check install -q --no-build-isolation -r requirements/extras.txt
	$(extras) -m pytest tests/test_extras.py $(ARGS)

# Colab's Python; on a machine without it `make test-colab COLAB_PYTHON=python3.12`
COLAB_PYTHON ?= python3.13

test-colab: $(ready) ## the first cell and the notebooks beside Colab's own versions, in an environment of theirs
	$(COLAB_PYTHON) -m venv build/colab
	build/colab/bin/python -m pip --disable-pip-version-check install -q $(torch) $(torch_from)
	build/colab/bin/python -m pip --disable-pip-version-check install -q -r requirements/colab.txt
	COLAB=$(CURDIR)/build/colab $(python) -m pytest tests/test_colab.py $(ARGS)

gpu-check: $(ready) ## prove and measure training on this GPU by Unsloth and by plain TRL; without one, tiny on the CPU
	$(python) benchmarks/gpu_check.py $(ARGS)

notebooks: $(ready) ## run the five notebooks in place, as they open, storing their outputs
	rm -rf reports/smoke
	$(python) -m nbconvert --to notebook --execute --inplace --log-level=WARN notebooks/0*.ipynb

book: $(ready) ## the five chapters as the committed example ran them, and the API reference: build/book/html/index.html
	rm -rf build/book && mkdir -p build/book/source && ln -sfn ../reports build/reports
	cp -r notebooks/book/. build/book/source
	$(python) notebooks/book/chapters.py build/book/source
	$(python) -m sphinx -q -W --keep-going -d build/book/doctrees build/book/source build/book/html
	$(python) notebooks/book/links.py build/book/html

results: $(ready) ## write the README's results anew from the tables of the committed reports
	@$(python) .ci/results.py

# make example: the name that reports/RUN is committed under
TO ?= example
example: ## make reports/RUN a committed one, reports/TO: its pages, tables and figures, no weights and no raw rows
	rm -rf reports/$(TO) && mkdir reports/$(TO)
	tar -C reports/$(or $(RUN),$(PROFILE)) --exclude=cells --exclude=students --exclude=probes --exclude=training \
	  --exclude='*.jsonl' --exclude='.lock' --exclude='.manifest.lock' --exclude=progress.log -c . | tar -C reports/$(TO) -x
	@$(python) -m tarot_lite report reports/$(TO)

colab: $(ready) ## renew the Colab cell and badges; with REPO=owner/name the repository's address as well
	@$(python) .ci/colab.py $(if $(REPO),--repo $(REPO))

lab: $(ready) ## open the notebooks in JupyterLab
	$(python) -m jupyterlab notebooks

lock: ## resolve requirements/reference.in in a fresh environment and write requirements/reference.txt
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install -q $(torch) $(torch_from)
	build/lock/bin/python -m pip install -q -r requirements/reference.in
	{ sed -n '/^#/p' requirements/reference.txt; build/lock/bin/python -m pip freeze --all --exclude pip | sed 's/+[a-z0-9.]*$$//' | LC_ALL=C sort -f; } > build/reference.txt
	mv build/reference.txt requirements/reference.txt

update-pins: $(ready) ## move the pins to the newest versions that pyproject.toml allows, if the tests pass with them
	@$(python) .ci/update_pins.py $(torch_from)

golden: $(ready) ## record the golden trajectory of tests/ anew
	@$(python) tests/golden.py --record

wheel: $(ready) ## build the wheel, with notebooks and profiles inside, into dist/
	$(python) -m build --no-isolation .

clean: ## remove what tests and builds leave; runs and the environment stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find tarot_lite tests -name __pycache__ -prune -exec rm -rf {} +

clean-all: clean ## remove the environment as well
	rm -rf $(VENV)
