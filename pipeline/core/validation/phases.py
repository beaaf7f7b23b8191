"""The phases by name: what configuration and a recorded deployment know of them.

Separate from the tables in `core.deploy.phases`, because a stored deployment records only the
names of its phases. A test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Flag, auto
from types import MappingProxyType
from typing import Final


class PhaseTrait(Flag):
    """What is special about a phase; a phase without traits rolls back when it fails."""

    HOLDS = auto()
    """A failure holds the deployment for a person instead of rolling it back."""
    CREATES = auto()
    """Terraform creates green's group."""
    DETACHED = auto()
    """Green stays detached: no attachment changes."""
    ALONE = auto()
    """Green serves alone."""
    DRAINS = auto()
    """One group leaves the load balancers; Terraform plans the deletion meanwhile."""
    DELETES = auto()
    """Terraform deletes groups; its beginning records the decision for the group that serves."""
    BACK = auto()
    """The phase is on the way back."""
    RESTORES = auto()
    """Blue gets its traffic back."""


ROLL_BACK: Final = PhaseTrait(0)
HOLD: Final = PhaseTrait.HOLDS
CREATES, DETACHED = PhaseTrait.CREATES, PhaseTrait.DETACHED
ALONE, DRAINS, DELETES = PhaseTrait.ALONE, PhaseTrait.DRAINS, PhaseTrait.DELETES
BACK, RESTORES = PhaseTrait.BACK, PhaseTrait.RESTORES

TRAITS: Final[Mapping[str, PhaseTrait]] = MappingProxyType(
    {
        "launch": ROLL_BACK | CREATES | DETACHED,
        "verify": ROLL_BACK | DETACHED,
        "attach": ROLL_BACK,
        "step": ROLL_BACK,
        "batch": ROLL_BACK,
        "soak": ROLL_BACK,
        "shift": ROLL_BACK,
        "drain": ROLL_BACK | ALONE | DRAINS,
        "observe": ROLL_BACK | ALONE,
        "retire": HOLD | DELETES,
        "reattach": HOLD | BACK | RESTORES,
        "detach": HOLD | BACK | DRAINS,
        "delete": HOLD | BACK | DELETES,
    }
)
PHASES: Final = tuple(TRAITS)
PAUSABLE: Final = tuple(name for name, traits in TRAITS.items() if BACK not in traits)
"""Before these phases a promotion may wait for a person, before a step or a batch by its number:
`step-2`, `batch-3`.

On the way back it never waits.
"""


def family(phase: str) -> str:
    """Return the name under which a phase is configured: `step` for `step-2`."""
    name, _, number = phase.partition("-")
    return name if number.isdecimal() else phase


def traits_of(phase: str) -> PhaseTrait:
    """Return the traits of a phase by its name; a name of another version has none."""
    return TRAITS.get(family(phase), ROLL_BACK)
