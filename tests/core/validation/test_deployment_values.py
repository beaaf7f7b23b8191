from __future__ import annotations

from pipeline.core.deploy.fleet import Fleet
from pipeline.core.deploy.phases import promotion, rollback
from pipeline.core.validation.deployment_values import PAUSES
from pipeline.core.validation.phases import PHASES


def test_the_phases_are_those_of_the_phase_table() -> None:
    table = (*promotion("r1", "r2"), *rollback("r1", "r2", Fleet()))
    assert tuple(phase.name for phase in table) == PHASES


def test_every_pause_belongs_to_a_phase() -> None:
    assert set(PAUSES.values()) <= set(PHASES)
