"""The modules' own tests use only what `terraform test` and `tofu test` both have."""

from __future__ import annotations

import re

from tests.terraform.modules import REPOSITORY

COMMON = {
    *("variables", "run", "assert", "mock_provider", "mock_resource", "mock_data"),
    *("override_data", "override_resource", "override_module", "providers", "module"),
}
"""The blocks of `terraform test` 1.7 and `tofu test` 1.8 (their documentation)."""


def test_the_tests_of_the_modules_need_neither_program() -> None:
    files = list(REPOSITORY.glob("terraform/*/tests/*.tftest.hcl"))
    blocks = re.compile(r'^(?: {2})?([a-z_]+)(?: "[\w-]+")? \{$', re.MULTILINE)
    used = {block for file in files for block in blocks.findall(file.read_text())}
    assert {"run", "assert", "mock_provider", "override_data"} <= used <= COMMON


def test_the_modules_have_no_files_for_one_program() -> None:
    assert not [*REPOSITORY.glob("terraform/**/*.tofu*")]
