"""What a program is called, which files it reads, and what a change of it means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.core.terraform.encryption import encryption_remedy, passphrases
from pipeline.core.terraform.program import (
    OPENTOFU,
    TERRAFORM,
    ProgramChoice,
    change_of,
    recognize,
    source_files,
)
from tests.core.terraform.samples import TERRAFORM_1_11, TOFU_1_12

FOLDER = ["a.tf", "a.tofu", "b.tf.json", "b.tofu", "c.tofu.json", "c.tf.json", "d.tf", "e.sh"]
TESTS = ["t.tftest.hcl", "t.tofutest.hcl", "u.tftest.json", "v.tofutest.json"]


def test_each_program_reads_its_own_files() -> None:
    assert source_files(TERRAFORM, FOLDER) == ("a.tf", "b.tf.json", "c.tf.json", "d.tf")
    assert source_files(OPENTOFU, FOLDER) == (
        *("a.tofu", "b.tf.json", "b.tofu", "c.tofu.json", "d.tf"),
    )
    assert source_files(TERRAFORM, TESTS) == ("t.tftest.hcl", "u.tftest.json")
    assert source_files(OPENTOFU, TESTS) == ("t.tofutest.hcl", "u.tftest.json", "v.tofutest.json")


def test_a_change_of_program_names_both_registries() -> None:
    assert change_of(TERRAFORM_1_11, ProgramChoice(recorded="terraform")) == ""
    assert change_of(TERRAFORM_1_11, ProgramChoice()) == ""
    assert change_of(TOFU_1_12, ProgramChoice(recorded="terraform")) == (
        "changes from Terraform to OpenTofu 1.12.6: provider addresses in the state change "
        "from registry.terraform.io to registry.opentofu.org"
    )


@pytest.mark.parametrize("text", ["", "Terraform v1.2.3", "Nomad v1.0.0\non linux_amd64\n"])
def test_another_program_is_not_recognized(text: str) -> None:
    assert recognize(text, path="/bin/x", command="x") is None


NO_KEY = """\
| Failed to load state: Unsupported state file format: This state file is
| encrypted and can not be read without an encryption configuration"""
OTHER_KEY = "decryption failed for all provided methods: attempted decryption failed for state"
NOT_ENCRYPTED = "encountered unencrypted payload without unencrypted method configured"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (NO_KEY, "set TF_ENCRYPTION to the configuration that encrypted the state, then"),
        (OTHER_KEY, "correct TF_ENCRYPTION: its key did not encrypt the state, or the state"),
        (NOT_ENCRYPTED, 'the state is not encrypted yet: add to TF_ENCRYPTION method "unencr'),
    ],
)
def test_errors_of_encryption_have_a_next_step(text: str, remedy: str) -> None:
    assert encryption_remedy(text, TOFU_1_12).startswith(remedy)
    assert encryption_remedy("Failed to load state: no such bucket", TOFU_1_12) == ""


def test_a_state_that_terraform_cannot_read_may_be_encrypted() -> None:
    """The text is Terraform 1.11.4's for a state that OpenTofu encrypted."""
    text = (
        "Error message: Unsupported state file format: The state file does not have a "
        '"version" attribute, which is required to identify the format version.'
    )
    assert encryption_remedy(text, TERRAFORM_1_11) == (
        'if OpenTofu encrypted the state: set program = "tofu" below [terraform] and '
        "TF_ENCRYPTION, then try again"
    )
    assert encryption_remedy(text, TOFU_1_12) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('key_provider "pbkdf2" "k" { passphrase = "long enough one" }', ("long enough one",)),
        (
            '{"key_provider": {"pbkdf2": {"k": {"passphrase": "long enough one"}}}}',
            ("long enough one",),
        ),
        ('method "aes_gcm" "m" { keys = key_provider.pbkdf2.k }', ()),
        ('key_provider "pbkdf2" "k" { passphrase = "short" }', ()),
        ("", ()),
    ],
)
def test_passphrases_are_secrets(text: str, found: tuple[str, ...]) -> None:
    assert passphrases({"TF_ENCRYPTION": text}) == found


def test_a_program_is_shown_with_its_version() -> None:
    assert str(replace(TOFU_1_12, version="1.10.0")) == "OpenTofu 1.10.0"
