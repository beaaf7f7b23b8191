from __future__ import annotations

from pipeline.core.validation.deployment_values import PAUSES
from pipeline.core.validation.phases import PHASES


def test_every_pause_belongs_to_a_phase() -> None:
    assert set(PAUSES.values()) <= set(PHASES)
