"""Cases of the sweep by name: one fault of one action of AWS in one command."""

from __future__ import annotations

from dataclasses import dataclass

FAULTS = {
    "throttle": "throttled once",
    "empty-before": "an empty 503",
    "html-before": "an HTML 502",
    "reset-before": "reset before the effect",
    "reset-after": "reset after the effect",
}
"""The faults, by the local cloud's name, and as the table names them."""
PROMOTE, ROLLBACK, TERRAFORM, PACKER = "promote", "rollback", "terraform", "packer"
FLIP, FLIP_BACK = "promote, flip", "rollback, flip"
SCENARIOS = {
    PROMOTE: "ami-pipeline",
    ROLLBACK: "ami-pipeline",
    FLIP: "ami-pipeline",
    FLIP_BACK: "ami-pipeline",
    TERRAFORM: "Terraform",
    PACKER: "Packer",
}
"""The scenarios, and the program whose calls of AWS fail in them."""
AGENTS = {**SCENARIOS, PACKER: "aws-sdk-go"}
"""A part of that program's User-Agent. Packer 1.6.6 names only its SDK."""
DONE, RESTORED = 0, 4
EXPECTED = {
    PROMOTE: (DONE,),
    ROLLBACK: (DONE,),
    FLIP: (DONE,),
    FLIP_BACK: (DONE,),
    TERRAFORM: (DONE, RESTORED),
    PACKER: (DONE, RESTORED),
}
"""The exit codes that are right. A tool of another maker may fail; everything is restored then."""
_WEIGHTS = frozenset({"DescribeListeners", "DescribeRules", "ModifyListener", "ModifyRule"})
_ONLY = {FLIP: _WEIGHTS, FLIP_BACK: _WEIGHTS}
"""The actions of a scenario whose other actions are those of another one."""


@dataclass(frozen=True, kw_only=True, order=True)
class SweepCase:
    """One fault of one action in a scenario."""

    scenario: str
    service: str
    action: str
    fault: str

    @property
    def name(self) -> str:
        return "|".join((self.scenario, f"{self.service}.{self.action}", self.fault))

    @classmethod
    def named(cls, name: str) -> SweepCase:
        scenario, call, fault = name.split("|")
        service, _, action = call.partition(".")
        return cls(scenario=scenario, service=service, action=action, fault=fault)

    @property
    def order(self) -> dict[str, str]:
        """Return the fault as the local cloud takes it."""
        return {
            "service": self.service,
            "action": self.action,
            "kind": self.fault,
            "agent": AGENTS[self.scenario],
        }


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a case ended; `struck` is False if the command never made the call."""

    name: str
    code: int
    struck: bool
    violations: tuple[str, ...]
    requests: int = 0
    failed: int = 0
    seconds: float = 0.0
    output: str = ""


def cases_of(scenario: str, actions: list[tuple[str, str]]) -> list[SweepCase]:
    """Return every fault of every action."""
    return [
        SweepCase(scenario=scenario, service=service, action=action, fault=fault)
        for service, action in sorted(actions)
        if action in _ONLY.get(scenario, {action})
        for fault in FAULTS
    ]
