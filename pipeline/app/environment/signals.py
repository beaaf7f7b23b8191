"""Build the signals of a deployment: what may end it besides health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.deploy.ports import Ledger
from pipeline.core.deploy.signals.alarms import AlarmSignal
from pipeline.core.deploy.signals.base import Signal
from pipeline.core.probe.settings import Probe
from pipeline.core.state.deployment import Deployment, Policy


def signals_of(
    reader: EnvironmentReader, policy: Policy, ledger: Ledger, deployment: Deployment
) -> Iterator[Signal]:
    """Yield the signals that a policy asks for."""
    if policy.alarms:
        yield AlarmSignal(alarms=reader.alarms)
    if policy.probe:
        yield from _probe(reader, policy.probe, ledger, deployment)


def probe_check(reader: EnvironmentReader) -> Callable[[], str] | None:
    """Return what tries the probe before a deployment, None without a probe."""
    from pipeline.adapters.probe.sender import try_probe

    probe = reader.policy.probe
    return partial(try_probe, probe, reader.app.masker(reader.environment)) if probe else None


def _probe(
    reader: EnvironmentReader, probe: Probe, ledger: Ledger, deployment: Deployment
) -> Iterator[Signal]:
    from pipeline.adapters.probe.sender import Sender
    from pipeline.core.deploy.signals.probe import PROBED, ProbeSignal, totals_of
    from pipeline.core.probe.tally import Tally

    if deployment.kind in PROBED:
        yield ProbeSignal(
            prober=Sender(probe, reader.app.masker(reader.environment)),
            tally=Tally(probe=probe, totals=totals_of(deployment)),
            report=reader.app.report,
            keep=ledger.keep,
            clock=time.monotonic,
            sleep=reader.app.interrupts.sleep,
        )
