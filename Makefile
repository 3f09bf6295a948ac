# make demo  - install the runtime alone, run the main job on the example pair
# make test  - install everything, run every check
# make docs  - build the documentation's site into out/site; a warning is an error
PYTHON ?= python3
DEV := .venv
LEAN := .venv-runtime
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types imports unit docs pictures install clean

demo: $(LEAN)/.installed
	$(LEAN)/bin/lunar-infer examples/pair/left.png examples/pair/right.png \
	  --rig examples/pair/rig.json --altitude-m 13163 --out out/demo --overwrite
	@echo "pictures: out/demo/preview.png (left | depth | slope); every file is listed in out/demo/report.json"

test: lint types imports unit

lint: $(DEV)/.installed
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/.installed
	$(DEV)/bin/mypy

imports: $(DEV)/.installed
	$(DEV)/bin/lint-imports

unit: $(DEV)/.installed
	$(DEV)/bin/python -m pytest

docs: $(DEV)/.installed
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/python -m mkdocs build --strict
	@echo "the site: out/site/index.html"

pictures: $(DEV)/.installed
	$(DEV)/bin/python docs/pages/architecture_picture.py
	$(DEV)/bin/python docs/pages/concept_pictures.py

install: $(DEV)/.installed

$(DEV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(LEAN)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LEAN)
	$(LEAN)/bin/pip install --quiet --constraint constraints.txt --editable .
	touch $@

clean:
	rm -rf $(DEV) $(LEAN) out
