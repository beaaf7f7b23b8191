# Everything a developer or CI does. `make demo` and `make test` are the two to know.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# The load balancer of the demo: classic or alb.
LB ?= classic

.DEFAULT_GOAL := help
.PHONY: help demo test matrix crash rivals e2e unit check format docs lock bench moto-suites strangers clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(STAMP) ## Bake, promote, fail and roll back under traffic on the local cloud; no AWS account (LB=alb, ARGS="--kill soak")
	@tools/need packer ssh terraform
	@TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m tools.demo $(LB) $(ARGS)

test: $(STAMP) ## Check, and the tests with real Packer and Terraform, all but the long ones
	@tools/need packer ssh terraform
	@mkdir -p .build; $(MAKE) --no-print-directory check > .build/check.log 2>&1 & check=$$!; \
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m pytest -n 3 -m "not long"; tests=$$?; \
	wait $$check; checked=$$?; cat .build/check.log; exit $$((tests + checked))

matrix: $(STAMP) ## Faults over deployments under load, a dozen scenarios on the stand-in for Terraform
	@tools/need packer ssh terraform
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m pytest -n 2 -m "not rare" tests/e2e/test_matrix.py tests/e2e/test_matrix_calls.py

crash: $(STAMP) ## Kill a run at every boundary there is, and mend it by one command (ARGS="--sample 100")
	@tools/need packer ssh
	$(BIN)/python -m tests.crash $(ARGS)

rivals: $(STAMP) ## The same deaths for the usual shell recipe and Terraform alone (ARGS="--way shell")
	@tools/need packer ssh terraform
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m tests.crash.rivals $(ARGS)

e2e: $(STAMP) ## The long tests too: every test there is
	@tools/need packer ssh terraform
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m pytest -n 2 --terraform=real

unit: $(STAMP) ## The tests that need neither Packer nor Terraform
	$(BIN)/python -m pytest -n 2 tests/core tests/adapters tests/ui tests/cli tests/config tests/docs

check: $(STAMP) ## Format, lint, types, layers, words
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.check_words

format: $(STAMP) ## Format the code and mend what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(STAMP) ## Write the generated pages and pictures of the documentation
	$(BIN)/python -m tools.command_reference
	$(BIN)/ami-pipeline config schema > docs/reference/pipeline.schema.json
	$(BIN)/python -m tools.diagrams
	$(BIN)/python -m tools.demo.picture

bench: $(STAMP) ## Measure; writes benchmarks/latest.json and docs/development/benchmarks.md (PARTS="decisions deployments")
	@tools/need packer ssh terraform
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m benchmarks.run $(PARTS)

moto-suites: $(STAMP) ## moto's own tests of what we hook, compared with plain moto
	$(BIN)/python tools/moto_suites.py

strangers: $(STAMP) ## Terraform as others write it, on the local cloud: apply, plan, update, destroy
	@tools/need terraform
	TF_CLI_CONFIG_FILE="$$(tools/terraform-rc)" $(BIN)/python -m tools.third_party_modules

lock: ## Pin every dependency anew, with hashes
	$(PYTHON) -m venv .build/uv && .build/uv/bin/pip install --quiet uv
	.build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
		--upgrade pyproject.toml -o requirements.lock

clean: ## Remove what make made
	rm -rf $(VENV) .build .pytest_cache .mypy_cache .ruff_cache

$(STAMP): requirements.lock pyproject.toml
	@tools/need python PYTHON="$(PYTHON)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
