# Two commands for a fresh machine with python3 (with venv), git and make: `make demo` and `make test`.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
SHELL := bash.exe
else
BIN := .venv/bin
endif
STAMP := .venv/installed

.PHONY: demo test lint test-long test-slow test-browser test-export test-cluster chaos corrupt study study-publish study-check fuzz speed gpu speed-quality judges first-weights coverage lean growth scale copies docs house lock install-locked test-oldest wheel clean

$(STAMP): pyproject.toml requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP)  ## the whole way once, on simulated phantoms
	$(BIN)/bus demo --study demo-study

lint: $(STAMP)
	$(BIN)/ruff check .
	mkdir -p .venv/src && ln -sfn ../.. .venv/src/bus  # mypy wants the package under its name
	MYPYPATH=.venv/src $(BIN)/mypy

USUAL := not slow and not browser and not cluster
test: lint  ## the fast tests, in less than 8 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "$(USUAL) and not long"

test-long: $(STAMP)  ## what takes seconds each: whole trainings, commands, real data sets; 10 to 15 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "$(USUAL) and long"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

test-browser: $(STAMP)  ## the report in Chromium; needs chromium, node and npm
	$(BIN)/python -m pip install --quiet playwright
	npm install --no-save --silent axe-core
	$(BIN)/python -m pytest -q -m browser

test-export: $(STAMP)  ## exported scans and networks, read by datasets and onnxruntime; installs both
	$(BIN)/python -m pip install --quiet --no-build-isolation -e ".[export]" datasets
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/cli/test_export.py

CLUSTER := slurm-wlm munge slurmdbd slurm-wlm-mysql-plugin mariadb-server
test-cluster: $(STAMP)  ## a whole study on a real Slurm of one node, and by Snakemake; installs both (Debian, root)
	command -v slurmctld || (apt-get -q update && apt-get -q install -y --no-install-recommends $(CLUSTER))
	test -x .venv-snakemake/bin/snakemake || ($(PYTHON) -m venv .venv-snakemake && .venv-snakemake/bin/python -m pip install -q snakemake)
	OMP_NUM_THREADS=1 SNAKEMAKE=$(CURDIR)/.venv-snakemake/bin/snakemake $(BIN)/python -m pytest -q -s -m cluster

SEED ?= 0
chaos: $(STAMP)  ## kill the commands 40 times at random points; every file must be as if nothing had happened
	OMP_NUM_THREADS=1 $(BIN)/python tests/chaos.py --kills 40 --seed $(SEED)

corrupt: $(STAMP)  ## damage every kind of file of a study in every way, and run what uses it first; 10 minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/corrupt.py --seed $(SEED)

study: $(STAMP)  ## the study on BUSI as docs/busi-study/plan.md says; stop it and start it again as you like; DATA=BUSI EXTERNAL=BrEaST STUDY=folder [BANK=folder that outlives the machine]
	$(BIN)/python docs/busi-study/study.py --data "$(DATA)" --external "$(EXTERNAL)" --study "$(STUDY)" $(if $(BANK),--bank "$(BANK)")

study-publish: $(STAMP)  ## what the finished study leaves for others, into docs/busi-study/; STUDY=folder [BANK=its bank]
	OMP_NUM_THREADS=1 $(BIN)/python docs/busi-study/publish.py --study "$(STUDY)" $(if $(BANK),--bank "$(BANK)")

study-check: $(STAMP)  ## every number of a report's tables from its predictions again, by other code; REPORT=folder [UNSEEN=1 where Holm's correction counts networks that it does not show]
	OMP_NUM_THREADS=1 $(BIN)/python tests/study_check.py "$(REPORT)" $(if $(UNSEEN),--unseen)

SECONDS ?= 300
fuzz: $(STAMP)  ## mutate scans, DICOM, zips and tables; installs atheris
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python tests/fuzz.py $(SECONDS)

ROWS ?= all
speed: $(STAMP)  ## our work against what a user would run instead; on a quiet machine; ROWS=gan,classify for some
	$(BIN)/python tests/speed/run.py --rows $(ROWS)

gpu:  ## what a graphics card computes and how fast, 8 minutes; installs nothing; DATA=scans or a prepared study
	$$(test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)) tests/speed/gpu.py $(if $(DATA),--data "$(DATA)")

MINUTES ?= 20
speed-quality: $(STAMP)  ## scores after core-minutes, default against 2017, until they are strict; DATA=BUSI MINUTES=5,10,20
	$(BIN)/python tests/speed/quality.py --data "$(DATA)" --minutes "$(MINUTES)"

judges: $(STAMP)  ## what every judge says of a study's synthetic scans, as a table; STUDY=folder
	$(BIN)/python tests/speed/judges.py $(STUDY)

first-weights: $(STAMP)  ## first weights as the package holds, made from phantoms; 40 minutes; FOLDER=where
	OMP_NUM_THREADS=1 $(BIN)/python tests/first_weights.py "$(or $(FOLDER),build/first-weights)"

STUDIES ?= 400
coverage: $(STAMP)  ## whether intervals keep their promise, on simulated studies; 20 minutes on one core
	OMP_NUM_THREADS=1 $(BIN)/python tests/speed/coverage.py --studies $(STUDIES)

lean: $(STAMP)  ## how much of the spread between a study's cells is training, translator, scans; STUDY=folder
	OMP_NUM_THREADS=1 $(BIN)/python tests/speed/lean.py "$(STUDY)"

growth: $(STAMP)  ## time and peak memory over the number of scans, their side, and cells
	$(BIN)/python tests/speed/growth.py

scale: $(STAMP)  ## a study's cost, foreseen and measured, and carried on to 100,000 scans; store and detector at 100,000; an hour
	OMP_NUM_THREADS=1 $(BIN)/python tests/speed/scale.py
	$(BIN)/python tests/speed/many.py

GROUPS ?=
copies: $(STAMP)  ## recall and precision of the near-duplicate detector by kind of copy; DATA=path to BUSI GROUPS=its groups.csv
	$(BIN)/python tests/speed/copies.py $(if $(DATA),--data "$(DATA)" --groups "$(GROUPS)")

docs: $(STAMP)  ## these pages as a site in site/, with every option; installs mkdocs-material
	$(BIN)/python -m pip install --quiet "mkdocs-material>=9.5"
	$(BIN)/python -m mkdocs build --strict --quiet

house:  ## who imports whom, who knows which file format, how long and how typed the code is
	$(PYTHON) tests/speed/house.py

lock: $(STAMP)  ## requirements.lock anew from requirements.txt, and sbom.cdx.json from that
	$(BIN)/python -m pip install --quiet --dry-run --ignore-installed --report .venv/report.json -r requirements.txt
	$(BIN)/python .ci/pins.py lock .venv/report.json > requirements.lock
	$(BIN)/python -m pip install --quiet cyclonedx-bom
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --mc-type application \
	  --of JSON --output-reproducible -o sbom.cdx.json
	$(BIN)/python .ci/pins.py components sbom.cdx.json > .venv/sbom.json && mv .venv/sbom.json sbom.cdx.json

install-locked:  ## the tested set, every file checked against its hash
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	touch $(STAMP)

OLD := .venv-oldest/bin
FREE ?=
test-oldest:  ## the tests with the lowest versions that pyproject.toml admits; FREE="torch torchvision" lets those be newer
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) .ci/pins.py oldest pyproject.toml $(FREE) > .venv-oldest/pins.txt
	$(OLD)/python -m pip install --quiet "setuptools>=77" -r .venv-oldest/pins.txt
	$(OLD)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 $(OLD)/python -m pytest -q -n 2 --dist loadfile

wheel: $(STAMP)
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:
	rm -rf .venv .venv-oldest build dist *.egg-info
