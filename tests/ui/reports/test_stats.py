"""The figures as a table and as JSON."""

from __future__ import annotations

from pipeline.core.stats.figures import Figures, Spread
from pipeline.ui.reports.stats import stats_document, stats_text
from tests.ui.status_examples import NOW

SINCE, UNTIL = "2025-10-06T03:11:00+00:00", "2026-01-04T03:11:00+00:00"
PRODUCTION = Figures(
    environment="production",
    since=SINCE,
    until=UNTIL,
    deployments=34,
    per_week=2.644,
    lead=Spread(count=97, median=11520.0, most=93900.0),
    bake=Spread(count=1, median=1260.0, most=1260.0),
    counted=35,
    failed=2,
    without_traffic=3,
    restore=Spread(count=2, median=250.0, most=300.0),
)
NEW = Figures(environment="staging", since=SINCE, until=UNTIL)
NIGHTLY = Figures(
    environment="batch",
    since=SINCE,
    until=UNTIL,
    deployments=1,
    per_week=0.0778,
    bake=Spread(count=1, median=1260.0, most=1260.0),
    counted=1,
)


def test_the_table_has_a_line_for_each_environment_and_says_what_it_counts() -> None:
    assert (
        stats_text([PRODUCTION, NEW, NIGHTLY], NOW)
        == """\
since 2025-10-06 03:11+00:00; times are medians

ENVIRONMENT  DEPLOYMENTS    LEAD TIME  FAILURE RATE    TIME TO RESTORE
production   34 (2.6/week)  3h 12m     5.7% (2 of 35)  4m 10s
staging      0              -          -               -
batch        1 (0.1/week)   21m        0.0% (0 of 1)   -

production: lead time of 97 commits, 90 % within 26h 05m
production: from the bake of 1 deployment, 90 % within 21m
production: not counted: 3 failed before the release had traffic
batch: lead time from the bake of 1 deployment, 90 % within 21m

definitions: ami-pipeline docs stats"""
    )


def test_without_environments_the_text_says_so() -> None:
    assert stats_text([], NOW).startswith("no environments: pipeline.toml has no")
    assert stats_document([]) == {"environments": []}


def test_the_document_has_seconds_and_null_for_what_was_not_measured() -> None:
    production, new, _ = stats_document([PRODUCTION, NEW, NIGHTLY])["environments"]
    assert production["lead_time"] == {"count": 97, "median": 11520.0, "p90": 93900.0}
    assert production["deployments_per_week"] == 2.644
    assert (new["change_failure_rate"], new["time_to_restore"]["median"]) == (None, None)
    assert set(new) == set(production)
