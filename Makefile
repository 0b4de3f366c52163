# Two commands on a fresh machine: `make serve` and `make test`. Each makes what it needs and nothing twice.

PYTHON ?= python3
VENV ?= .venv
# Which onnxruntime: cpu or cuda (NVIDIA, x86-64), by the name of its lock in requirements/.
ACCELERATOR ?= cpu
STORE ?= $(or $(FACE_STORE),models)
# A folder of photos: any for `make bench`; one with dev/ and formats/ for the tests that want more than packages have.
PHOTOS ?=
# Where `make bench` leaves report.html and result.json.
OUT ?= benchmark
# What `make serve` needs weights for, as the service itself reads it.
MODEL := $(or $(FACE_MODEL),4)
# For `make fuzz`: all, or a target of tests/fuzz/targets.py; and how long.
TARGET ?= all
SECONDS ?= 300
# A folder with .dat files to take instead of downloading them.
FACE_WEIGHTS ?=
CACHE := .cache

BIN := $(VENV)/bin
export FACE_STORE := $(STORE)

.PHONY: serve quick test test-slow fuzz bench parity check format lock convert convert-all clean image rehearse-images emulated
.PHONY: environment test-environment bench-environment

## Run the service: environment, weights, conversion, key, and the server in the foreground.
serve: environment
	@$(BIN)/python -m service settings > /dev/null # a wrong setting shows before anything is fetched
	@$(MAKE) --no-print-directory convert
	@$(BIN)/python -m service key
	@exec $(BIN)/python -m service serve

## Fetch the weights of FACE_MODEL and turn its networks into ONNX, proven against dlib. Seconds when done before.
convert: environment $(CACHE)/photos/.complete
	@$(BIN)/python -m model_store fetch --model $(MODEL) $(FROM)
	@$(BIN)/python -m conversion --model $(MODEL) $(ON_DEVICE) --photos $(CACHE)/photos

## The same for every model whose weights can be fetched.
convert-all: environment $(CACHE)/photos/.complete
	@$(BIN)/python -m model_store fetch $(FROM)
	@$(BIN)/python -m conversion --photos $(CACHE)/photos

ON_DEVICE = $(if $(filter cuda,$(ACCELERATOR)),--device)
FROM = $(if $(FACE_WEIGHTS),--from "$(FACE_WEIGHTS)")

## What the Dockerfiles run: the service ready for whoever runs it, without what only made it. The checks run every
## loop of every model, which leaves its machine code in the package, to be read from a read-only tree too.
## In a checkout, the next make has to make the environment anew.
image: convert
	@$(PYTHON) requirements/bare.py $(VENV) $(ACCELERATOR) dlib
	@$(BIN)/python -m compileall -q service model_store
	FACE_MODEL=3 $(BIN)/python -m service check
	FACE_MODEL=4 $(BIN)/python -m service check

## The unit tests for each save: under a minute on two cores, without weights and photos, and without a network once
## `make test-environment` has run.
quick: test-environment
	$(BIN)/python -m pytest -m quick tests/unit $(ARGS)

## All tests that fit into ten minutes on two cores, types and style first.
test: check convert-all
	FACE_TEST_PHOTOS="$(PHOTOS)" $(BIN)/python -m pytest -m "not slow" $(ARGS)

## The tests that take minutes.
test-slow: test-environment convert-all
	FACE_TEST_PHOTOS="$(PHOTOS)" $(BIN)/python -m pytest -m "slow and not images and not emulated" $(ARGS)

## Fuzz the readers of photos, forms, requests and weights for SECONDS in all; TARGET=png for one, SEED=1 for the same
## mutations again. Inputs that are a finding are left in fuzz-findings/, and the exit status is 1.
fuzz: test-environment
	$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

## Both images without Docker: their own lines in a Debian of their own, up to answered photos. Needs root, debootstrap
## and a Debian mirror, and is skipped with the reason where one is not there; minutes, and for CUDA some gigabytes.
## ARGS="-k cpu" for one.
rehearse-images: test-environment $(CACHE)/photos/.complete
	$(BIN)/python -m pytest -m images $(ARGS)

## Models 1 to 4 on emulated processors: AVX2, no AVX, arm64. Needs qemu-user-static; for arm64 root and debootstrap.
emulated: test-environment convert-all
	$(BIN)/python -m pytest -m emulated $(ARGS)

## Before an upgrade: your PHOTOS against dlib, in two minutes, with a page to look at in OUT; ARGS=--full for all.
bench: bench-environment convert-all
	$(BIN)/python -m benchmarks $(if $(PHOTOS),"$(PHOTOS)") --out "$(OUT)" $(ARGS)

## The same answers only, for every photo at its size, models 1 to 4.
parity: bench-environment convert-all
	$(BIN)/python -m benchmarks $(if $(PHOTOS),"$(PHOTOS)") --out "$(OUT)" --full --only parity $(ARGS)

check: test-environment
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: test-environment
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

## Lock all dependencies anew (needs uv).
lock:
	sh requirements/compile.sh

clean:
	rm -rf $(VENV) $(VENV).lock $(CACHE)

environment:
	@$(PYTHON) requirements/environment.py $(VENV) $(ACCELERATOR) dlib convert

bench-environment: environment
	@$(PYTHON) requirements/environment.py $(VENV) bench

test-environment: environment
	@$(PYTHON) requirements/environment.py $(VENV) test images

$(CACHE)/photos/.complete: requirements/photos.txt conversion/validation/package_photos.py | environment
	$(BIN)/python -m conversion.validation.package_photos $(CACHE)/photos
	@touch $@
