"""The dependency lock file as Terraform 1.11.4 writes it."""

from __future__ import annotations

from pipeline.core.terraform.plan_guard import Plan
from pipeline.core.terraform.provider_lock import (
    ProviderUpgrade,
    hashes_in,
    is_signed,
    new_lock,
    versions_in,
)

HEAD = """\
# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

"""
AWS = "registry.terraform.io/hashicorp/aws"
RANDOM = "registry.terraform.io/hashicorp/random"


def provider(name: str, version: str, *hashes: str) -> str:
    lines = "".join(f'    "{each}",\n' for each in hashes)
    return (
        f'provider "{name}" {{\n  version     = "{version}"\n'
        f'  constraints = ">= 5.0.0, < 7.0.0"\n  hashes = [\n{lines}  ]\n}}\n'
    )


SIGNED = provider(AWS, "5.100.0", "h1:linux=", "zh:aa", "zh:bb")
UNSIGNED = provider(RANDOM, "3.7.0", "h1:linux=")
BOTH = f"{HEAD}{SIGNED}\n{UNSIGNED}"


def test_versions_and_hashes_are_read() -> None:
    assert versions_in(BOTH) == {AWS: "5.100.0", RANDOM: "3.7.0"}
    assert hashes_in(SIGNED) == {"h1:linux=", "zh:aa", "zh:bb"}
    assert versions_in("# no provider\n") == {}


def test_a_file_is_signed_if_all_its_providers_are() -> None:
    assert is_signed(HEAD + SIGNED)
    assert not is_signed(BOTH)


def test_a_known_platform_gets_the_file_as_it_is() -> None:
    assert new_lock(BOTH, "linux_amd64").text_for("linux_amd64") == BOTH


def test_a_new_platform_gets_the_versions_and_the_signed_hashes() -> None:
    text = new_lock(BOTH, "linux_amd64").text_for("darwin_arm64")
    assert versions_in(text) == versions_in(BOTH)
    assert hashes_in(text) == hashes_in(SIGNED)
    # Terraform rejects an empty list of hashes.
    assert text.count("hashes") == 1


def test_the_hashes_of_two_platforms_are_joined() -> None:
    lock = new_lock(BOTH, "linux_amd64")
    written = BOTH.replace("h1:linux=", "h1:mac=")
    merged = lock.with_file(written, "darwin_arm64")
    assert merged.platforms == ("darwin_arm64", "linux_amd64")
    assert hashes_in(merged.text) == hashes_in(BOTH) | {"h1:mac="}
    assert merged.text.startswith(HEAD)
    assert lock.with_file(BOTH, "linux_amd64") == lock


def test_a_new_provider_makes_the_other_platforms_new_again() -> None:
    lock = new_lock(HEAD + SIGNED, "darwin_arm64", "linux_amd64")
    assert lock.with_file(BOTH, "linux_amd64").platforms == ("linux_amd64",)


def test_the_hashes_of_another_version_are_not_joined() -> None:
    lock = new_lock(HEAD + SIGNED, "linux_amd64")
    newer = HEAD + provider(AWS, "6.0.0", "h1:new=")
    assert lock.with_file(newer, "linux_amd64").text == newer


def test_an_upgrade_lists_what_changes() -> None:
    lock = new_lock(HEAD + provider(AWS, "6.0.0", "h1:new="), "linux_amd64")
    before = {AWS: "5.100.0", RANDOM: "3.7.0"}
    upgrade = ProviderUpgrade(before=before, lock=lock, plan=Plan(file=None, changes=()))
    assert upgrade.changes == ((AWS, "5.100.0", "6.0.0"), (RANDOM, "3.7.0", ""))
