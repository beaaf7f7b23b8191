"""The table of the sweep says what was measured, and what was not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.sweep import report
from tests.sweep.case import FAULTS, SweepCase, SweepResult, cases_of
from tests.sweep.documented import differences, documented

if TYPE_CHECKING:
    import pytest

CASES = cases_of("promote", [("ec2", "DescribeImages")])


def test_a_case_is_repeated_by_its_name() -> None:
    assert [SweepCase.named(each.name) for each in CASES] == CASES
    assert CASES[0].name == "promote|ec2.DescribeImages|throttle"
    assert CASES[0].order["agent"] == "ami-pipeline"
    assert [each.fault for each in CASES] == [*FAULTS]


def test_a_cell_is_the_exit_code_or_why_there_is_none() -> None:
    names = [each.name for each in CASES]
    results = [
        SweepResult(name=names[0], code=0, struck=True, violations=()),
        SweepResult(name=names[1], code=0, struck=False, violations=()),
        SweepResult(name=names[2], code=5, struck=True, violations=("exit code 5",), failed=3),
    ]
    row = report.table(CASES, results).splitlines()[-1]
    assert row == (
        "| promote | ami-pipeline | `ec2:DescribeImages` "
        "| 0 | not reached | **5, exit code 5** | not run | not run |"
    )
    assert report.last_line(5, results, 60) == (
        "sweep: 3 of 5 cases in 60 s, 2 faults struck, 1 violations, 0 requests, 3 failed"
    )
    assert "python -m tests.sweep --replay 'promote|ec2.DescribeImages|html-before'" in (
        report.violation(results[2])
    )


def test_the_table_replaces_the_one_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- table: sweep -->\nold\n<!-- end -->\nbelow\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.write_page("| new |\n")
    text = "above\n<!-- table: sweep -->\n| new |\n<!-- end -->\nbelow\n"
    assert page.read_text() == text


def test_a_call_that_no_policy_allows_is_found() -> None:
    assert "autoscaling:AttachTrafficSources" in documented("ami-pipeline")
    found = list(differences([("ec2", "RebootInstances"), ("elb", "DescribeLoadBalancers")]))
    assert found[0] == "ec2:RebootInstances is called, but permissions.md does not list it"
    assert "autoscaling:AttachTrafficSources is listed in" in "\n".join(found)
    assert "DescribeLoadBalancers is listed" not in "\n".join(found)
