"""Crash runs by name, and how each ended; what happens in one is laid down in `acting`.

A run is named by what it does, and its name is all that is needed to play it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.crash.boundaries import Death

MENDS = ("recover", "again", "rollback", "other", "rebuild")
"""The commands of which one follows: what was typed again, or another image's promotion."""
DIED = -9


@dataclass(frozen=True, kw_only=True)
class Case:
    """One crash run to be played; `second` is where the command that mends dies itself.

    With `fresh` what mends is typed on a machine that has nothing but the project.
    """

    scenario: str
    kind: str
    store: str
    death: Death
    mend: str
    second: Death | None = None
    fresh: bool = False

    @property
    def name(self) -> str:
        parts = [self.scenario, self.kind, self.store, self.death.name, self.mend]
        more = [self.second.name] if self.second else []
        return "|".join([*parts, *more, *(["fresh"] if self.fresh else [])])

    @classmethod
    def named(cls, name: str) -> Case:
        scenario, kind, store, death, mend, *more = name.split("|")
        second = [each for each in more if each != "fresh"]
        return cls(
            scenario=scenario,
            kind=kind,
            store=store,
            death=Death.named(death),
            mend=mend,
            second=Death.named(second[0]) if second else None,
            fresh="fresh" in more,
        )


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a crash run ended: `violations` are sentences, `seconds` what the mending took.

    `died` is how often a command was killed, `struck` whether it had a fault to live with.
    """

    name: str
    died: int
    struck: int
    violations: tuple[str, ...]
    requests: int
    failed: int
    orphans: int
    seconds: float
    said: str = ""
