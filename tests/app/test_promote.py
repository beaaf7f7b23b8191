"""What `promote` leaves behind if it cannot begin."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.app import promote
from pipeline.app.promote import Prepared, Promotion
from pipeline.app.survey import given_to
from pipeline.core.errors import RefusedError
from pipeline.core.terraform.plan_guard import Change, Plan, kind_of


def full(*_: object) -> None:
    raise RefusedError("[state]", "No space left on device", "make room")


def test_a_deployment_that_cannot_be_recorded_discards_its_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk, or a lease that was lost while a person read the plan."""
    plan, discarded = object(), list[object]()
    reconciler: Any = SimpleNamespace(resources=SimpleNamespace(discard=discarded.append))
    preview: Any = SimpleNamespace(plan=plan, deployment=None)
    green: Any = None
    prepared = Prepared(reconciler=reconciler, preview=preview, green=green)
    monkeypatch.setattr(Promotion, "_prepare", lambda *_: prepared)
    monkeypatch.setattr(promote, "gate_of", lambda *_: None)
    reader = SimpleNamespace(app=SimpleNamespace(interrupts=Interrupts()))
    leased = SimpleNamespace(reader=reader, document=lambda: None, begin=full)
    given: Any = {"leased": leased, "request": None, "image": None}
    with pytest.raises(RefusedError, match="No space left"):
        Promotion(**given).run(lambda _: True)
    assert discarded == [plan]


def test_what_the_next_release_gets_is_read_from_the_plan_and_the_inputs() -> None:
    def change(address: str, action: str = "create") -> Change:
        return Change(address=address, kind=kind_of(address), action=action)

    plan = Plan(
        file=None,
        changes=(
            change('module.release.aws_autoscaling_group.this["r000002"]'),
            change('module.release.aws_autoscaling_schedule.this["r000002/night"]'),
            change('module.release.aws_autoscaling_policy.this["r000002/cpu"]'),
            change('module.release.aws_autoscaling_policy.this["r000001/cpu"]', "noop"),
            change('module.release.aws_autoscaling_policy.this["r000003/memory"]'),
        ),
    )
    inputs = {"lifecycle_hooks": [{"name": "drain"}], "tags": {"team": "shop"}}
    given = given_to(plan, "r000002", inputs)
    assert given.planned["aws_autoscaling_schedule"] == {"night"}
    assert given.planned["aws_autoscaling_policy"] == {"cpu"}
    assert (given.hooks, given.tags) == (frozenset({"drain"}), frozenset({"team"}))
    assert given_to(plan, "r000002", {}) == replace(given, hooks=frozenset(), tags=frozenset())
    other = given_to(plan, "r000002", None)
    assert (other.hooks, other.tags) == (None, None)
