"""Build the signals of a deployment: what may end it besides health."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.deploy.signals import AlarmSignal, Signal
from pipeline.core.state.deployment import Policy


def signals_of(reader: EnvironmentReader, policy: Policy) -> Iterator[Signal]:
    """Yield the signals that a policy asks for."""
    if policy.alarms:
        yield AlarmSignal(alarms=reader.alarms)
