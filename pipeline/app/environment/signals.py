"""Build the signals of a deployment: what may end it besides health."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from pipeline.app.environment.reader import EnvironmentReader
from pipeline.core.analysis.entry import Entry, query_of
from pipeline.core.analysis.policy import Analysis
from pipeline.core.deploy.ports import Ledger
from pipeline.core.deploy.signals.alarms import AlarmSignal
from pipeline.core.deploy.signals.base import Signal
from pipeline.core.probe.settings import Probe
from pipeline.core.state.deployment import Deployment, Policy
from pipeline.core.state.environment import Environment


def signals_of(
    reader: EnvironmentReader, policy: Policy, ledger: Ledger, deployment: Deployment
) -> Iterator[Signal]:
    """Yield the signals that a policy asks for."""
    if policy.alarms:
        yield AlarmSignal(alarms=reader.alarms)
    if policy.probe:
        yield from _probe(reader, policy.probe, ledger, deployment)
    if policy.analysis:
        yield from _analysis(reader, policy.analysis, ledger, deployment)


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
            addresses=partial(reader.groups.addresses, ledger.read().group(deployment.green)),
            start_limit=reader.policy.limit("verify") / reader.pace.speed,
        )


def _analysis(
    reader: EnvironmentReader, analysis: Analysis, ledger: Ledger, deployment: Deployment
) -> Iterator[Signal]:
    from pipeline.core.deploy.signals.analysis import ANALYZED, AnalysisSignal

    if deployment.kind in ANALYZED:
        yield AnalysisSignal(
            metrics=reader.metrics,
            analysis=analysis,
            find_entries=partial(
                entries_of,
                reader,
                analysis,
                ledger.read(),
                blue=deployment.blue,
                greens=deployment.target_groups,
            ),
            group=ledger.read().group(deployment.green),
            report=reader.app.report,
        )


def entries_of(
    reader: EnvironmentReader,
    analysis: Analysis,
    document: Environment,
    *,
    blue: str,
    greens: tuple[str, ...] = (),
) -> tuple[Entry, ...]:
    """Return the load balancers to compare; of a pair, those of green and of blue.

    `greens` are the target groups of green, if they are recorded: otherwise those that blue does
    not use. Raises RefusedError for one that has no such metrics.
    """
    from pipeline.adapters.aws.metrics import sources

    if not analysis.compare or not blue:
        return ()
    place = reader.place(reader.found_balancers[0], document)
    found = sources(reader.clients, reader.app.settings.region, place.all_balancers)
    record = document.releases.get(blue)
    recorded = record.target_groups if record else ()
    shared = [(each, each) for each in place.balancers]
    news = [
        (pair, pair.target_of(greens) if greens else pair.other(pair.target_of(recorded)))
        for pair in place.pairs
    ]
    paired = [(new, pair.other(new)) for pair, new in news]
    return tuple(
        Entry(name=new.name, green=found[new.identifier], blue=found[old.identifier])
        for new, old in (*shared, *paired)
    )


def require_metrics(
    reader: EnvironmentReader, analysis: Analysis, document: Environment, green: str
) -> None:
    """Raise RefusedError unless every metric of an analysis can be read."""
    queries = [query_of(each, document.group(green)) for each in analysis.metrics]
    for entry in entries_of(reader, analysis, document, blue=document.serving):
        queries += entry.blue.queries
    if queries:
        now = reader.metrics.minute(ago=0)
        reader.metrics.read(queries, now - 1, now)
