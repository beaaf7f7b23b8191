from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.adapters.terraform.stream import RunOutput, StreamReader, last_lines
from pipeline.core.terraform.root_module import Diagnostic

CAPTURES = Path(__file__).parents[2] / "captures/terraform-1.11.4"
GROUP = 'module.release.aws_autoscaling_group.this["r000002"]'


def read(data: bytes, size: int = 1 << 16) -> tuple[RunOutput, list[str]]:
    told: list[str] = []
    reader = StreamReader(told.append)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    return reader.close(), told


def capture(name: str) -> bytes:
    return (CAPTURES / f"{name}.log").read_bytes()


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def planned(action: str, **more: Any) -> dict[str, Any]:
    resource = {"addr": GROUP, "resource_type": "aws_autoscaling_group"}
    return {"type": "planned_change", "change": {"resource": resource, "action": action, **more}}


def summed(**counts: int) -> dict[str, Any]:
    changes = {"add": 0, "change": 0, "remove": 0, "import": 0, "operation": "plan", **counts}
    return {"type": "change_summary", "changes": changes}


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_a_plan_is_parsed_from_any_chunks(size: int) -> None:
    said, told = read(capture("launch"), size)
    assert [(each.kind, each.action) for each in said.planned] == [
        ("aws_launch_template", "create"),
        ("aws_autoscaling_group", "create"),
        ("aws_autoscaling_policy", "create"),
    ]
    assert [each.address for each in said.standing] == [
        'module.release.aws_launch_template.this["r000001"]',
        'module.release.aws_autoscaling_group.this["r000001"]',
        'module.release.aws_autoscaling_policy.this["r000001/cpu"]',
    ]
    assert said.summary == "Plan: 3 to add, 0 to change, 0 to destroy."
    assert said.breaches == ()
    assert (said.errors, list(said.plain), told) == ([], [], [])


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTURES.glob("*.log")))
def test_the_totals_of_each_capture_match_its_changes(name: str) -> None:
    said, _ = read(capture(name))
    assert (said.breaches == ()) == (name != "apply-launch")
    assert not said.plain


def test_an_apply_reports_each_resource() -> None:
    _, told = read(capture("apply-launch"))
    assert told == [
        "terraform: creating aws_launch_template r000002",
        "terraform: created aws_launch_template r000002",
        "terraform: creating aws_autoscaling_group r000002",
        "terraform: created aws_autoscaling_group r000002",
        "terraform: creating aws_autoscaling_policy r000002/cpu",
        "terraform: created aws_autoscaling_policy r000002/cpu",
    ]


def test_a_long_deletion_and_a_failure_are_reported_and_data_sources_are_not() -> None:
    resource = {"addr": "aws_lb.a", "resource_type": "aws_lb", "resource_key": None}
    hook = {"resource": resource, "action": "delete", "elapsed_seconds": 20}
    data = {"resource": resource, "action": "read"}
    _, told = read(
        lines(
            {"type": "apply_start", "hook": data},
            {"type": "apply_complete", "hook": data},
            {"type": "apply_progress", "hook": hook},
            {"type": "apply_errored", "hook": hook},
            {"type": "apply_complete", "hook": {**hook, "action": "update"}},
        )
    )
    assert told == [
        "terraform: still deleting aws_lb.a, 20s",
        "terraform: deleting aws_lb.a failed",
        "terraform: changed aws_lb.a",
    ]


def test_errors_are_kept_and_warnings_are_not() -> None:
    said, _ = read(capture("errored"))
    assert [each.summary for each in said.errors] == ["Resource precondition failed"] * 3
    assert said.errors[0].file.endswith("terraform/release/main.tf")
    assert said.last_lines.split("\n")[0] == "Resource precondition failed"
    assert read(capture("adopt"))[0].errors == []


def test_many_errors_are_cut_to_the_last_ten_lines() -> None:
    errors = [Diagnostic(summary=f"s{n}", detail=f"d{n}\n\n") for n in range(8)]
    assert last_lines(errors) == "\n".join(f"{k}{n}" for n in range(3, 8) for k in "sd")


PROGRAMS = ["terraform-1.11.4", "terraform-1.15.5", "opentofu-1.12.6"]
PLANS = {
    "plan-create": ["create", "create"],
    "plan-nothing": [],
    "plan-update": ["update", "update"],
    "plan-replace": ["replace", "update"],
    "plan-destroy": ["delete", "delete"],
    "plan-removed": ["remove", "update"],
}


def programs_capture(program: str, name: str) -> RunOutput:
    return read((CAPTURES.parent / program / f"{name}.out").read_bytes())[0]


@pytest.mark.parametrize(
    ("program", "name"),
    # The removal was not captured with OpenTofu.
    [
        (program, name)
        for program in PROGRAMS
        for name in PLANS
        if (CAPTURES.parent / program / f"{name}.out").exists()
    ],
)
def test_the_same_plans_of_each_program_are_parsed_alike(program: str, name: str) -> None:
    said = programs_capture(program, name)
    assert sorted(each.action for each in said.planned) == sorted(PLANS[name])
    assert (said.breaches, list(said.plain), said.errors) == ((), [], [])
    assert said.product.name == ("OpenTofu" if "tofu" in program else "Terraform")


def test_a_replacement_without_a_deletion_is_no_unchanged_resource() -> None:
    """OpenTofu streams it as `noop`; only its total says that an object is forgotten."""
    said = programs_capture("opentofu-1.12.6", "plan-destroy-false")
    assert [each.action for each in said.planned] == ["replace without a deletion", "update"]
    assert said.standing == ()
    assert said.breaches == ()


def test_terraform_has_no_replacement_without_a_deletion() -> None:
    for program in PROGRAMS[:2]:
        [error] = programs_capture(program, "plan-destroy-false").errors
        assert (error.summary, error.line) == ("Unsupported argument", 17)


def test_progress_and_totals_name_the_program() -> None:
    data = (CAPTURES.parent / "opentofu-1.12.6/apply-create.out").read_bytes()
    said, told = read(data)
    assert told[0] == "tofu: creating aws_launch_template.this"
    assert {line.partition(":")[0] for line in told} == {"tofu"}
    said = read(
        lines({"type": "version", "tofu": "1.12.6"}, planned("create"), summed(add=1, forget=1))
    )[0]
    assert said.breaches == ("OpenTofu's total forget is 1, its changes give 0",)


@pytest.mark.parametrize(
    "line",
    [
        b"not JSON",
        b"[1]",
        b'"text"',
        b'{"type": "planned_change"}',
        b'{"type": "planned_change", "change": {"action": "create"}}',
        b'{"type": "planned_change", "change": null}',
        b'{"type": "apply_start", "hook": []}',
        b"\xff\xfe",
    ],
)
def test_an_unreadable_line_is_kept_and_stops_nothing(line: bytes) -> None:
    said, _ = read(lines(planned("create")) + line + b"\n" + lines(summed(add=1)))
    is_event = line.startswith((b"{", b"[", b'"'))
    assert bool(said.breaches) == is_event
    assert list(said.plain) == [line.decode("utf-8", "replace")]
    assert len(said.changes) == 1


@pytest.mark.parametrize(
    "events",
    [
        [],
        [planned("create")],
        [planned("create"), summed()],
        [planned("create"), summed(add=2)],
        [planned("create"), summed(add=1, remove=1)],
        [planned("create"), summed(add=1, action_invocation=1)],
        [planned("create"), summed(add=1, forget=1)],
        [planned("create"), summed(add=1), summed(add=1)],
        [planned("import", importing={"id": "a"}), summed()],
        [planned("replace"), summed(add=1)],
        [summed(change=1)],
        [{"type": "change_summary", "changes": {"operation": "plan"}}],
        [{**summed(), "changes": {**summed()["changes"], "operation": "apply"}}],
    ],
)
def test_a_plan_with_other_totals_is_not_complete(events: list[dict[str, Any]]) -> None:
    assert read(lines(*events))[0].breaches


def test_a_deposed_object_is_distinguished_from_its_successor() -> None:
    said, _ = read(lines(planned("delete", deposed="00000001")))
    assert said.planned[0].action == "delete of a deposed object"
