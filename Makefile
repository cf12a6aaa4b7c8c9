# Every target sets up what it needs; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
CFG    ?= configs/streets/pidnet_s.yaml
OPTS   ?=
STAGE  ?= float
INPUT  ?=
MODEL  ?=
IMAGES ?=
LABELS ?=
GATE   ?=
RUNTIME ?=
TARGET ?=
FOLDER ?=
FILE   ?=
BASELINE ?=
SUBMISSION ?=
BOXES ?=
JOBS   ?= 2
N      ?= 1000
TORCH  ?= torch
ARGS    = -c $(CFG) $(if $(TARGET),QUANT.TARGET $(TARGET)) $(if $(RUNTIME),COMPILE.RUNTIME $(RUNTIME)) $(OPTS)
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo new train check calib debug qat eval infer compile handover takeover regress report export show bench bench-runtimes bench-threads bench-scale test test-fast fuzz kill style docs clean

help: ## list the targets
	@echo "rtseg-qat: make TARGET [CFG=configs/...yaml] [OPTS=\"KEY VALUE ...\"]"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16 | sed 's/^/  /'

setup: $(READY) ## make .venv with the pinned versions of constraints.txt

# torch first: the second step keeps the build that is there. In the environment, the pins hold for the build tools too.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(PY) -m pip install -q --disable-pip-version-check

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(TORCH)
	$(PIP) -e ".[dev,runtimes,video]"
	@touch $@

demo: $(READY) ## float -> calib -> int8 on the generated streets, mIoU after every stage
	$(PY) tools/demo.py $(ARGS)

train: $(READY) ## train the float network of CFG
	$(PY) tools/train.py $(ARGS)

new: $(READY) ## a ready config and descriptor from MODEL=net.py:function|net.onnx, IMAGES=folder and LABELS=folder
	$(PY) tools/new.py --model "$(MODEL)" --images "$(IMAGES)" $(if $(LABELS),--labels "$(LABELS)") $(OPTS)

check: $(READY) ## violations before, rewrites, violations after, for TARGET=x86|j5|j5_ptq
	$(PY) tools/check.py $(ARGS)

calib: $(READY) ## calibrate: choose every activation's scale from training images
	$(PY) tools/calib.py $(ARGS)

debug: $(READY) ## where accuracy is lost: layer errors, sensitivity, qconfig check, advice
	$(PY) tools/debug.py $(ARGS)

qat: $(READY) ## fine-tune the calibrated network with fake-quantisation, taught by the float network
	$(PY) tools/finetune.py $(ARGS)

eval: $(READY) ## mIoU of STAGE=float|calib|qat|int_infer|compiled (RUNTIME=ort|...), GATE=0.99 fails below
	$(PY) tools/eval.py --stage $(STAGE) $(if $(GATE),--gate $(GATE)) $(ARGS)

infer: $(READY) ## colour overlays of INPUT=picture-folder-or-video with STAGE; SUBMISSION=1: the test set for a server; BOXES=file: where persons are
	$(PY) tools/infer.py --stage $(STAGE) $(if $(SUBMISSION),--submission,--input "$(INPUT)")$(if $(BOXES), --boxes "$(BOXES)") $(ARGS)

compile: $(READY) ## every artefact of the calibrated network, each proven and run in every runtime
	$(PY) tools/compile.py $(ARGS)

handover: $(READY) ## the bundle for the vendor's image, which makes the board's file (TARGET=j5)
	$(PY) tools/handover.py $(ARGS)

takeover: $(READY) ## what the bundle in FOLDER brought back: the plugin's rows beside ours (TARGET=j5)
	$(PY) tools/takeover.py "$(FOLDER)" $(ARGS)

regress: $(READY) ## every stage and runtime anew, each figure held against BASELINE (the config's own by default)
	$(PY) tools/regress.py $(if $(BASELINE),--baseline "$(BASELINE)") $(ARGS)

report: $(READY) ## report.html: every stage's figures, classes, worst pictures, layers, in one file
	$(PY) tools/report.py $(ARGS)

export: $(READY) ## FILE=net.onnx, .safetensors or .npz of the float network of CFG
	$(PY) tools/export.py --output "$(FILE)" $(ARGS)

show: $(READY) ## what FILE is, or the network of CFG: ends, layers, parameters, MACs
	$(PY) tools/show.py $(or $(FILE),$(CFG))

bench-runtimes: $(READY) ## speed of the artefacts: each in every runtime, beside this CPU's peak
	$(PY) tools/bench_runtimes.py $(ARGS)

bench-threads: $(READY) ## speed by threads: every file in every runtime on 1, 2, 4, 8 threads
	$(PY) tools/bench_threads.py $(ARGS)

bench: $(READY) ## speed: int8 against float, evaluation against its forward, calibration
	$(PY) tools/bench.py $(ARGS)

bench-scale: $(READY) ## speed: a calibration's and an evaluation's pass in one process and in two, a thread each
	OMP_NUM_THREADS=1 $(PY) tools/bench_scale.py $(ARGS) DEVICE cpu WORKERS 0
	OMP_NUM_THREADS=1 $(PY) tools/bench_scale.py --processes 2 $(ARGS) DEVICE cpu WORKERS 0

# Apart: tests/faults forks its process, which may not outlive the threads of several runtimes' native libraries.
RUNTIME_TESTS := tests/compile tests/program tests/runtimes tests/accuracy

# A process that dies ends the tests: xdist may wait for ever for what the dead one had taken.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --max-worker-restart=0 --dist loadfile

test: style ## style, then all tests, in JOBS=2 processes
	$(PYTEST) $(addprefix --ignore=,$(RUNTIME_TESTS))
	$(PYTEST) $(RUNTIME_TESTS)

test-fast: $(READY) ## the tests that take moments: no whole runs of a command, no training, no builds; under two minutes
	$(PYTEST) -m "not slow" $(addprefix --ignore=,$(RUNTIME_TESTS))
	$(PYTEST) -m "not slow" $(RUNTIME_TESTS)

kill: N = 100
kill: $(READY) ## N=100 commands, each ended by a signal at a random point and run again: a table of outcomes, and the seeds of those not held
	OMP_NUM_THREADS=1 $(PY) -m tests.faults.kills $(N)

fuzz: $(READY) ## N=1000 damaged files of every format that is read: a table of outcomes, and the seeds of those that end in a traceback
	OMP_NUM_THREADS=1 $(PY) -m tests.faults.fuzz $(N)

style: $(READY) ## ruff, mypy and the layers that imports keep to
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

docs: $(READY) ## the documentation as a site, in site/; a dead link fails
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

clean: ## remove what runs made (output, log, data, caches); the environment stays
	rm -rf output log data build site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
