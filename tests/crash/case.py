"""Crash runs by name, and the result of each; `run` executes them.

The name of a run is all that is needed to repeat it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.crash.boundaries import Injection

FIXES = ("recover", "again", "rollback", "other", "rebuild")
"""The commands that may follow a kill; "again" repeats the command, "other" promotes another image.
"""
KILLED = -9


@dataclass(frozen=True, kw_only=True)
class Case:
    """One crash run; `second` is an injection into the command that fixes the first one.

    If `fresh`, the fixing command runs on a machine that has nothing but the project.
    """

    scenario: str
    kind: str
    store: str
    injection: Injection
    fix: str
    second: Injection | None = None
    fresh: bool = False

    @property
    def name(self) -> str:
        parts = [self.scenario, self.kind, self.store, self.injection.name, self.fix]
        more = [self.second.name] if self.second else []
        return "|".join([*parts, *more, *(["fresh"] if self.fresh else [])])

    @classmethod
    def named(cls, name: str) -> Case:
        scenario, kind, store, injection, fix, *more = name.split("|")
        second = [each for each in more if each != "fresh"]
        return cls(
            scenario=scenario,
            kind=kind,
            store=store,
            injection=Injection.named(injection),
            fix=fix,
            second=Injection.named(second[0]) if second else None,
            fresh="fresh" in more,
        )


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The result of a crash run: `violations` are sentences, `seconds` is the time of the fixing
    command.

    `killed` counts killed commands, `faulted` is 1 if a fault was injected.
    """

    name: str
    killed: int
    faulted: int
    violations: tuple[str, ...]
    requests: int
    failed: int
    orphans: int
    seconds: float
    output: str = ""
