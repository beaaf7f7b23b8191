"""What `promote` leaves behind if it cannot begin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.adapters.process.signals import Interrupts
from pipeline.app.promote import Prepared, Promotion
from pipeline.core.errors import RefusedError


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
    reader = SimpleNamespace(app=SimpleNamespace(interrupts=Interrupts()))
    leased = SimpleNamespace(reader=reader, document=lambda: None, begin=full)
    given: Any = {"leased": leased, "request": None, "image": None}
    with pytest.raises(RefusedError, match="No space left"):
        Promotion(**given).run(lambda _: True)
    assert discarded == [plan]
