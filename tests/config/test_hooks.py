"""[[promote.hooks]]: defaults, what contradicts, and the keys of an earlier version."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.config.hook_files import unusable_programs
from pipeline.core.errors import ConfigurationError
from pipeline.core.hooks.hook import DEFAULT_ON, Hook, On, Point, Runs
from tests.config.examples import MINIMAL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path / "pipeline.toml"


def told(file: Path, toml: str) -> str:
    file.write_text(f"{MINIMAL}{toml}\n")
    with pytest.raises(ConfigurationError) as found:
        load(file)
    return f"{found.value.what}; {found.value.remedy}"


def test_a_hook_on_instances_has_a_release_for_each_point(file: Path) -> None:
    tables = [
        f'[[promote.hooks]]\nat = "{at}"\nrun = "instance"\ncommand = ["warm"]' for at in Point
    ]
    file.write_text(MINIMAL + "\n".join(tables))
    hooks = load(file).promote.policy.hooks
    assert {hook.at: hook.on for hook in hooks} == DEFAULT_ON
    blue = {each for each in Point if DEFAULT_ON[each] is On.BLUE}
    assert blue == {"before-launch", "after-drain", "before-retire", "on-failure"}


def test_every_key_of_a_hook_is_read(file: Path) -> None:
    file.write_text(
        f'{MINIMAL}[[promote.hooks]]\nat = "before-retire"\nrun = "instance"\non = "green"\n'
        'once = true\ncommand = ["/opt/m"]\ntimeout = "1h"\n'
    )
    assert load(file).promote.policy.hooks == (
        Hook(
            at=Point.BEFORE_RETIRE,
            command=("/opt/m",),
            timeout=3600.0,
            run=Runs.INSTANCE,
            on=On.GREEN,
            once=True,
        ),
    )


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        (
            'at = "before_traffic", command = ["a"]',
            "'before_traffic' is not a point: write before-traffic",
        ),
        ('command = ["a"]', 'is missing; add to [[promote.hooks]]: at = "before-traffic"'),
        (
            'at = "after", command = ["a"], on = "green"',
            'has no effect: the hook runs here; add run = "instance", or remove on',
        ),
        (
            'at = "before-launch", command = ["a"], run = "instance", on = "green"',
            "before-launch on green cannot run: the new release has no instances yet",
        ),
        (
            'at = "after", command = ["a"], run = "instance", on = "blue"',
            "after on blue cannot run: the old release may be deleted by then",
        ),
        (
            'at = "after", command = ["bin/a"], run = "instance"',
            (
                "is relative, and on an instance there is no folder of pipeline.toml; "
                "write the path that it has in the image, from /"
            ),
        ),
        (
            'at = "after-drain", command = ["a"], once = true',
            (
                "a hook at after-drain cannot run once for an image: the deployment may still go "
                "back, or may never come there; choose one of before-launch, after-launch, "
                "before-traffic, before-retire, after"
            ),
        ),
        (
            'at = "before-launch", command = ["a"], run = "instance", once = true',
            'a first release has no instances before its launch; write at = "after-launch"',
        ),
    ],
)
def test_a_hook_that_cannot_run_as_it_says_is_rejected(
    file: Path, hook: str, expected: str
) -> None:
    assert expected in told(file, f"[promote]\nhooks = [{{ {hook} }}]")


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (
            '[[promote.verify]]\ncommand = ["./smoke.sh", "--fast"]\ntimeout = "1m"',
            (
                'is now hooks, in which each hook has at = "before-traffic"; '
                "write instead, in [promote]: hooks = [{ "
                'at = "before-traffic", command = ["./smoke.sh", "--fast"], timeout = "1m" }]'
            ),
        ),
        (
            "[environments.staging.promote]\nverify = []",
            (
                'is now hooks, in which each hook has at = "before-traffic"; '
                "write instead, in [environments.staging.promote]: hooks = []"
            ),
        ),
    ],
)
def test_the_verify_hooks_of_an_earlier_version_are_refused_with_the_lines_to_write(
    file: Path, toml: str, expected: str
) -> None:
    assert told(file, toml) == expected
    line = expected.rpartition("]: ")[2]
    table = "[promote]" if "promote.verify" in toml else "[environments.staging.promote]"
    file.write_text(f"{MINIMAL}{table}\n{line}\n")
    load(file)


def test_a_program_on_instances_is_not_looked_for_on_this_machine(file: Path) -> None:
    hook = '[[promote.hooks]]\nat = "after"\nrun = "instance"\ncommand = ["%s"]\n'
    file.write_text(MINIMAL + hook % "/opt/not/here" + hook % "not-on-this-path")
    programs = [each.command[0] for each in load(file).promote.hooks]
    assert programs == ["/opt/not/here", "not-on-this-path"]
    document = tomllib.loads(file.read_text())
    assert [*unusable_programs(file.parent, document)] == []
