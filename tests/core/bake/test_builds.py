from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.bake.builds import check_builds, expected_builds, selected
from pipeline.core.bake.model import Builder, Template
from pipeline.core.bake.regions import architecture_of, check_architectures
from pipeline.core.errors import ConfigurationError
from tests.fakes import AWAY, TEMPLATE, a_request

OLD = replace(TEMPLATE, old_style=True)


def template(old_style: bool, **builds: str) -> Any:
    return replace(TEMPLATE, old_style=old_style, builds=builds)


def images(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "amazon-ebs")


EXPECTED: list[Any] = [
    (images("a", "b"), (), ("app",), ("a", "app", "b")),
    (images("app"), (), ("app",), ("app",)),
    ({"app": "amazon-ebs", "x": "docker"}, (), ("app", "x"), ("app",)),
    ({"app": "amazon-ebs", "x": "amazon-ebsvolume"}, (), ("x", "app"), ("app",)),
    ({"app": "amazon-ebs", "x": "docker"}, (), ("docker.x", "amazon-ebs.app"), ("amazon-ebs.app",)),
    ({"app": "amazon-ebs", "x-{{timestamp}}": "null"}, (), ("app", "x-1"), ("app",)),
    (images("app", "x"), ("app",), ("app",), ("app",)),
    (images("app"), (), ("amazon-ebs.app",), ("amazon-ebs.app",)),
    (images("app", "x"), (), ("amazon-ebs.app",), ("amazon-ebs.app", "x")),
    (images("{{user `n`}}"), (), ("app",), ("app",)),
    (images("a, b"), (), ("a, b",), ("a, b",)),
    (images("app"), ("nope",), (), ()),
    ({"app": "docker"}, (), ("app",), ()),
    (images("app"), (), (), ("app",)),
]


@pytest.mark.parametrize(("builds", "only", "ran", "expected"), EXPECTED)
def test_these_builds_must_each_make_an_image(
    builds: dict[str, str], only: tuple[str, ...], ran: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert expected_builds(replace(OLD, builds=builds), only, ran) == expected


@pytest.mark.parametrize(
    ("old_style", "only", "found"),
    [
        (True, ("app*",), []),
        (True, ("app 1",), ["app {{user `n`}}"]),
        (True, ("a, b",), ["a, b"]),
        (False, ("app*",), ["app {{user `n`}}"]),
        (False, ("a, ?",), ["a, b"]),
        (False, ("nope", "*"), ["app {{user `n`}}", "a, b"]),
    ],
)
def test_only_hcl2_templates_take_patterns(
    old_style: bool, only: tuple[str, ...], found: list[str]
) -> None:
    builds = images("app {{user `n`}}", "a, b")
    assert list(selected(replace(TEMPLATE, old_style=old_style, builds=builds), only)) == found


def test_several_builds_that_make_an_image_are_refused_with_their_names() -> None:
    several = replace(TEMPLATE, builds={**images("debian", "amazon"), "volume": "amazon-ebsvolume"})
    with pytest.raises(ConfigurationError) as raised:
        check_architectures(a_request(), several, {})
    assert str(raised.value) == (
        "[bake] only:\n"
        "  2 builds of app.pkr.hcl each make an AMI: debian, amazon; a bake makes one image of "
        "each architecture in 1 region\n"
        'next: select one in pipeline.toml, such as: only = ["debian"]'
    )


def of_types(*types: str) -> Template:
    """Return a template with a build of each instance type."""
    names = [f"amazon-ebs.{number}" for number in range(len(types))]
    return replace(
        TEMPLATE,
        builds=dict.fromkeys(names, "amazon-ebs"),
        builders={name: Builder(type=each) for name, each in zip(names, types, strict=True)},
    )


@pytest.mark.parametrize(
    ("types", "refused"),
    [
        (('"t3.micro"', '"t4g.micro"'), ""),
        (("var.small", '"c7gn.large"'), ""),
        (("var.known", '"c7gn.large"'), "2 builds of app.pkr.hcl each make an AMI for arm64: "),
        (("var.unknown", "var.unknown"), "2 builds of app.pkr.hcl each make an AMI: "),
        (('"t3.micro"', '"m5.large"', '"a1.large"'), "2 builds of app.pkr.hcl each make an AMI "),
        (("var.a", "var.b", "var.c"), "3 builds of app.pkr.hcl each make an AMI: "),
    ],
)
def test_builds_of_different_architectures_are_one_bake(
    types: tuple[str, ...], refused: str
) -> None:
    variables = {"known": "t4g.small", "small": "t3.small"}
    if not refused:
        check_architectures(a_request(), of_types(*types), variables)
        return
    with pytest.raises(ConfigurationError) as raised:
        check_architectures(a_request(), of_types(*types), variables)
    assert raised.value.what.startswith(refused)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("t3.micro", "x86_64"),
        ("g4ad.xlarge", "x86_64"),
        ("g6.xlarge", "x86_64"),
        ("gr6.4xlarge", "x86_64"),
        ("u7i-12tb.224xlarge", "x86_64"),
        ("t4g.nano", "arm64"),
        ("im4gn.large", "arm64"),
        ("is4gen.large", "arm64"),
        ("g5g.xlarge", "arm64"),
        ("x2gd.metal", "arm64"),
        ("a1.large", "arm64"),
        ("mac2-m2.metal", "arm64"),
    ],
)
def test_the_name_of_an_instance_type_tells_its_architecture(name: str, architecture: str) -> None:
    assert architecture_of(name) == architecture


@pytest.mark.parametrize(
    ("only", "regions"), [(("debian",), ()), (("a*",), ()), ((), (AWAY,)), (("debian", "x"), ())]
)
def test_one_build_for_each_region_is_accepted(
    only: tuple[str, ...], regions: tuple[str, ...]
) -> None:
    several = replace(TEMPLATE, builds={**images("debian", "amazon"), "x": "null"})
    check_builds(a_request(only=only, regions=regions), several)


def test_an_only_that_matches_nothing_lists_the_names() -> None:
    several = replace(TEMPLATE, builds=images("debian", "amazon"))
    with pytest.raises(ConfigurationError) as raised:
        check_builds(a_request(only=("debain",)), several)
    assert str(raised.value) == (
        "[bake] only:\n"
        "  debain matches no build of app.pkr.hcl\n"
        "next: set it to one of: debian, amazon"
    )


@pytest.mark.parametrize(
    ("only", "where", "listed"),
    [((), "[bake] template", "gcp, disk"), (("gcp",), "[bake] only", "gcp")],
)
def test_a_template_without_a_build_that_makes_an_ami_is_refused(
    only: tuple[str, ...], where: str, listed: str
) -> None:
    foreign = replace(TEMPLATE, builds={"gcp": "googlecompute", "disk": "amazon-ebsvolume"})
    with pytest.raises(ConfigurationError) as raised:
        check_builds(a_request(only=only), foreign)
    assert raised.value.where == where
    assert raised.value.what == f"no build of app.pkr.hcl makes an AMI: {listed}"
