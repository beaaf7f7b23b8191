from __future__ import annotations

import pytest

from pipeline.adapters.packer.masked_names import unmasked, unmasked_template
from pipeline.core.bake.model import Template


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("amazon-ebs.<sensitive>", "amazon-ebs.app"),
        ("<sensitive>-ebs.app", "amazon-ebs.app"),
        ("<sensitive>.<sensitive>", "amazon-ebs.app"),
        ("amazon-ebs.app", "amazon-ebs.app"),
        ("amazon-ebs.db", "amazon-ebs.db"),
        ("<sensitive>-chroot.app", "<sensitive>-chroot.app"),
    ],
)
def test_a_masked_name_is_the_one_that_fits(name: str, found: str) -> None:
    assert unmasked(name, ["amazon-ebs.app"]) == found


def test_a_name_that_may_be_one_of_several_stays_masked() -> None:
    assert unmasked("amazon-ebs.<sensitive>", ["amazon-ebs.app", "amazon-ebs.db"]) == (
        "amazon-ebs.<sensitive>"
    )


@pytest.mark.parametrize(
    ("builds", "builders", "old_style", "found"),
    [
        (("amazon-ebs.<sensitive>",), ("amazon-ebs.app",), False, ("amazon-ebs.app",)),
        (("shop.amazon-ebs.<sensitive>",), ("amazon-ebs.app",), False, ("shop.amazon-ebs.app",)),
        (("<sensitive>",), ("app",), True, ("app",)),
    ],
)
def test_a_template_has_the_names_of_its_files(
    builds: tuple[str, ...], builders: tuple[str, ...], old_style: bool, found: tuple[str, ...]
) -> None:
    template = Template(
        old_style=old_style,
        variables=frozenset({"<sensitive>", "region"}),
        builds=dict.fromkeys(builds, "amazon-ebs"),
    )
    named = unmasked_template(template, dict.fromkeys(builders), {"version": 1})
    assert tuple(named.builds) == found
    assert named.variables == {"version", "region"}
