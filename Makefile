# make demo  - install the runtime alone, run the main job on the example pair
# make test  - install everything, run every check
# make lock  - choose the flight image's versions anew, with the hash of every file (needs pip-tools)
# make sbom  - out/sbom.json: what the runtime's environment holds, as CycloneDX
# make docs  - build the documentation's site into out/site; a warning is an error
PYTHON ?= python3
DEV := .venv
LEAN := .venv-runtime
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types imports unit docs pictures lock sbom install clean

demo: $(LEAN)/.installed
	$(LEAN)/bin/lunar-infer examples/pair/left.png examples/pair/right.png \
	  --rig examples/pair/rig.json --altitude-m 13163 --out out/demo --overwrite
	@echo "pictures: out/demo/preview.png (left image, depth, relief, slope, confidence); every file is listed in out/demo/report.json"

test: lint types imports unit

lint: $(DEV)/.installed
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/clang-format --dry-run -Werror runtime/lunar_runtime/kernels/*.[ch]

types: $(DEV)/.installed
	$(DEV)/bin/mypy

imports: $(DEV)/.installed
	$(DEV)/bin/lint-imports

# Two processes, each with one thread a library: on two cores more would only wait for each other.
unit: $(DEV)/.installed
	OMP_NUM_THREADS=1 $(DEV)/bin/python -m pytest -n 2 --dist loadfile

docs: $(DEV)/.installed
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --strict
	@echo "the site: out/site/index.html"

pictures: $(DEV)/.installed
	$(DEV)/bin/python docs/pages/architecture_picture.py
	$(DEV)/bin/python docs/pages/concept_pictures.py
	$(DEV)/bin/python docs/pages/landing_pictures.py

# Once for each Python that flies: LOCK_PYTHON=python3.10 and LOCK_PYTHON=python3.12.
LOCK_PYTHON ?= python3.12
lock:
	$(LOCK_PYTHON) -m piptools compile --quiet --upgrade --generate-hashes --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-header --extra sign \
	  --output-file requirements/flight-python$$($(LOCK_PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt \
	  pyproject.toml requirements/flight.in

sbom: $(LEAN)/.installed
	mkdir -p out
	$(LEAN)/bin/python requirements/sbom.py > out/sbom.json

install: $(DEV)/.installed

KERNELS := hatch_build.py $(wildcard runtime/lunar_runtime/kernels/*.[ch])
$(DEV)/.installed: pyproject.toml constraints.txt $(KERNELS)
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(LEAN)/.installed: pyproject.toml constraints.txt $(KERNELS)
	$(PYTHON) -m venv $(LEAN)
	$(LEAN)/bin/pip install --quiet --constraint constraints.txt --editable .
	touch $@

clean:
	rm -rf $(DEV) $(LEAN) out
