# Each target sets itself up: a fresh machine needs Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := -e "core[wire]" -e "testing[conformance]" -e "plugins/digitalocean[sandbox]" -e "plugins/linode[sandbox]" -e "plugins/prometheus[sandbox]" -e "plugins/dcgm[sandbox]" -e plugins/observer -e "plugins/virtengine[mnemonic,sandbox]" -e "apps/cli[sandbox]"
PROJECTS := pyproject.toml constraints.txt $(wildcard */pyproject.toml */*/pyproject.toml)
CODE := core/src testing/src plugins/digitalocean/src plugins/linode/src plugins/prometheus/src plugins/dcgm/src plugins/observer/src plugins/virtengine/src apps/cli/src

.PHONY: install demo test check simulate bench docs constraints clean
install: $(VENV)/.installed

$(VENV)/.installed: $(PROJECTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt $(PACKAGES) --group dev
	touch $@

demo: install
	$(BIN)/purveyor demo

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)

# One world's story, or many worlds on all cores.
SEEDS ?= 20000
simulate: install
	$(BIN)/python -m purveyor_testing.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

bench: install
	$(BIN)/python benchmarks/run.py

docs: install
	$(BIN)/python -m pytest tests/test_docs.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Pins what is installed now: names and versions, no addresses.
constraints: install
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable | grep -v -e '^pip==' -e '^setuptools==' > constraints.new
	mv constraints.new constraints.txt
