"""Refuse in a freeze: to put a release into service, and to continue a paused promotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.adapters.store.records.freezes import Freezes
from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core import commands
from pipeline.core.events import Message
from pipeline.core.freezing.freeze import FreezeState, frozen_error
from pipeline.core.freezing.state import state_at
from pipeline.core.state.deployment import Kind

if TYPE_CHECKING:
    from pipeline.core.deploy.plan import PromoteRequest


def read_freezes(reader: EnvironmentReader) -> FreezeState:
    """Return which freezes of the environment last now, by the store's clock."""
    record = Freezes(reader.store, reader.environment).read()
    windows = reader.app.settings.windows_for(reader.environment)
    return state_at(reader.now(), record, windows)


def gate_of(request: PromoteRequest, kind: Kind) -> FreezeGate | None:
    """Return what a freeze means for a deployment; a way back ignores it."""
    if kind in {Kind.ROLLBACK, Kind.DRILL}:
        return None
    again = commands.promote(request.environment, request.image)
    if kind is Kind.REBUILD:
        again = commands.rebuild(request.environment)
    return FreezeGate(
        again=commands.despite_freeze(again),
        overrides=request.override_freeze,
        plan_only=request.plan_only,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FreezeGate:
    """What a command does in a freeze: it refuses, unless it `overrides` it or only plans.

    `again` is the command that overrides the freeze, for pasting.
    """

    again: str
    overrides: bool = False
    plan_only: bool = False

    def require(self, reader: EnvironmentReader) -> FreezeState:
        """Return the freezes that the command may ignore; raises RefusedError if it must not."""
        state = read_freezes(reader)
        if state.active and not (self.overrides or self.plan_only):
            now = reader.now().astimezone()
            by_hand = any(not each.window for each in state.active)
            lift = f"to lift it: {commands.unfreeze(reader.environment)}; " if by_hand else ""
            where = f"environment {reader.environment}"
            raise frozen_error(where, state, now, f"{lift}to continue anyway: {self.again}")
        return state

    def override(self, reader: EnvironmentReader) -> str:
        """Return the freezes that a deployment overrides as it begins, empty for none.

        Raises RefusedError if a person has frozen the environment meanwhile.
        """
        found = self.require(reader).describe()
        if found:
            text = f"{reader.environment} is frozen {found}; --override-freeze was given"
            reader.app.report(Message(text=text))
        return found
