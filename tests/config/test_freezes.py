"""[[freeze]] and [[policy]]: what they mean, and what a mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.core.errors import ConfigurationError
from tests.config.examples import MINIMAL

TWO = "[environments.staging]\n[environments.production]\n"
WEEKEND = '[[freeze]]\nfrom = "friday 16:00"\nuntil = "Mon 8:00"\nwhy = "weekend"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path / "pipeline.toml"


def told(file: Path, toml: str) -> str:
    file.write_text(f"{MINIMAL}{TWO}{toml}")
    with pytest.raises(ConfigurationError) as found:
        load(file, with_files="command" in toml)
    return f"{found.value.what}; {found.value.remedy}"


def test_a_window_is_for_the_environments_that_it_names(file: Path) -> None:
    berlin = WEEKEND + 'time_zone = "Europe/Berlin"\nenvironments = ["production"]\n'
    dates = '[[freeze]]\nfrom = 2026-12-24\nuntil = 2027-01-02T08:00:00\nwhy = "holidays"\n'
    nights = '[[freeze]]\nfrom = 18:00:00\nuntil = "08:00"\nwhy = "nights"\n'
    file.write_text(MINIMAL + TWO + berlin + dates + nights)
    windows = {name: load(file).windows_for(name) for name in ("production", "staging")}
    assert [f"{each}: {each.why}" for each in windows["production"]] == [
        "Fri 16:00 to Mon 08:00 Europe/Berlin: weekend",
        "2026-12-24 00:00 to 2027-01-02 08:00 UTC: holidays",
        "18:00 to 08:00 UTC: nights",
    ]
    assert windows["staging"] == windows["production"][1:]


def test_a_policy_has_a_limit_and_asks_about_every_environment_by_default(file: Path) -> None:
    file.write_text(f'{MINIMAL}{TWO}[[policy]]\ncommand = ["./check", "-v"]\n')
    (policy,) = (each.program for each in load(file).policy)
    assert (policy.command, policy.timeout, policy.rollback) == (("./check", "-v"), 60.0, False)
    assert policy.decides("staging", is_rollback=False)


MISTAKES = [
    (WEEKEND.replace("Mon 8:00", "08:00"), '"Fri 16:00" is weekly and "08:00" is daily'),
    (WEEKEND.replace("Mon 8", "Fri 16"), 'begins and ends at "Fri 16:00"'),
    (WEEKEND.replace("Mon", "Mo"), "is not a time: write a time such as"),
    (WEEKEND + 'time_zone = "Europe/Berln"\n', "is not a time zone: write Europe/Berlin"),
    (WEEKEND + 'time_zone = "Europe"\n', "'Europe' is not a time zone"),
    (WEEKEND + 'time_zone = "../UTC"\n', "is not allowed: write a time zone such as"),
    (WEEKEND + 'environments = ["prod"]\n', "write one of staging, production"),
    (WEEKEND.replace("why", "reason"), 'is missing; add to [[freeze]]: why = "weekend"'),
    ('[[freeze]]\nuntil = "Mon"\nwhy = "x"\n', 'add to [[freeze]]: from = "Fri 16:00"'),
    ('[[policy]]\ncommand = ["./absent"]\n', "there is no file"),
    ("[[policy]]\ncommand = []\n", "is empty"),
    ('[[policy]]\ncommand = ["true"]\nenvironments = ["x"]\n', "there is no environment 'x'"),
]


@pytest.mark.parametrize(("toml", "text"), MISTAKES)
def test_a_mistake_is_named(file: Path, toml: str, text: str) -> None:
    assert text in told(file, toml)


def test_the_program_of_a_shared_policy_begins_in_the_shared_folder(file: Path) -> None:
    (file.parent / "web").mkdir()
    (file.parent / "common.toml").write_text('[[policy]]\ncommand = ["./check"]\n')
    own = file.parent / "web/pipeline.toml"
    own.write_text(f'extends = "../common.toml"\n{MINIMAL}')
    assert load(own).policy[0].command == ("../check",)


def test_a_machine_without_time_zones_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    assert "no table of time zones: install tzdata" in told(
        file, WEEKEND + 'time_zone = "Europe/Nowhere"\n'
    )
