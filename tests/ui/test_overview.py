"""All environments on one screen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from pipeline.core.errors import RefusedError
from pipeline.core.overview import Overview, failed_overview
from pipeline.core.state.deployment import Outcome, Result
from pipeline.ui.housekeeping.overview import overview_document, overview_text
from pipeline.ui.status_document import status_document
from tests.fakes import an_image
from tests.ui import status_examples
from tests.ui.status_examples import NOW


def overviews() -> tuple[Overview, ...]:
    baked = an_image(created=(NOW - timedelta(days=9)).isoformat(), version="1.4.0")
    newer = an_image(version="1.5.0", ids={"eu-central-1": "ami-9"})
    broken = RefusedError("reading AWS", "AccessDenied", "ask")
    return (
        Overview(
            environment="production",
            status=status_examples.serving(),
            image=baked,
            newer=newer,
            source="ami-7",
        ),
        Overview(environment="staging", status=status_examples.in_flight()),
        Overview(environment="stuck", status=status_examples.needs_attention()),
        Overview(environment="new", status=status_examples.nothing()),
        failed_overview("broken", broken),
    )


def test_each_environment_is_one_line() -> None:
    lines = overview_text(overviews(), NOW).split("\n")
    assert [" ".join(each.split()) for each in lines] == [
        "ENVIRONMENT SERVING VERSION IMAGE AGE NEWER IN FLIGHT HEALTH",
        "production r000124 1.4.0 9d image 1.5.0, source ami-7 - ✔ 3 of 3 members healthy",
        "staging r000124 1.4.0 - - ▸ promote in attach ✔ 3 of 3 members healthy",
        "stuck r000124 1.4.0 - - ✖ needs attention: promote in retire ✔ 3 of 3 members healthy",
        "new - - - - - ○ no release",
        "broken - - - - - ? unknown",
        "",
        "broken: reading AWS: AccessDenied",
        "",
        "details: ami-pipeline status -e production",
    ]


def test_a_terminal_of_80_columns_has_the_widest_cells_below_the_row() -> None:
    lines = overview_text(overviews(), NOW, 80).split("\n")
    assert max(map(len, lines)) <= 80
    assert [" ".join(each.split()) for each in lines[:6]] == [
        "ENVIRONMENT SERVING VERSION IMAGE AGE HEALTH",
        "production r000124 1.4.0 9d ✔ 3 of 3 members healthy",
        "newer: image 1.5.0, source ami-7",
        "staging r000124 1.4.0 - ✔ 3 of 3 members healthy",
        "in flight: ▸ promote in attach",
        "stuck r000124 1.4.0 - ✔ 3 of 3 members healthy",
    ]


def test_the_newest_deployment_is_named_if_it_failed() -> None:
    deployment = status_examples.in_flight().environment.deployment
    assert deployment
    ended = (NOW - timedelta(minutes=5)).isoformat()
    outcome = Outcome(result=Result.ROLLED_BACK, reason="unhealthy")
    failed = replace(
        status_examples.serving(), latest=replace(deployment, ended=ended, outcome=outcome)
    )
    found = (Overview(environment="production", status=failed),)
    shown = overview_text(found, NOW)
    assert "\n\nproduction: promote r" in shown
    assert f": rolled back 5m ago; see: ami-pipeline report {deployment.id}\n\n" in shown
    assert max(map(len, overview_text(found, NOW, 80).split("\n"))) <= 80
    (document,) = overview_document(found, NOW)["environments"]
    assert document["latest"]["outcome"] == "rolled back"
    assert status_document(failed, NOW)["latest"] == document["latest"]
    assert status_document(status_examples.nothing(), NOW)["latest"] is None


def test_a_removal_that_is_pending_is_named() -> None:
    serving = status_examples.serving()
    name, record = next(iter(serving.environment.releases.items()))
    left = replace(record, removal=(NOW - timedelta(minutes=2)).isoformat())
    status = replace(serving, environment=serving.environment.with_release(left))
    found = (Overview(environment="production", status=status),)
    line = f"production: removal pending for 2m: {name}, which the next deployment removes first"
    assert f"\n\n{line}\n" in overview_text(found, NOW)
    assert overview_document(found, NOW)["environments"][0]["removal_pending"] == [name]


def test_a_program_gets_the_same() -> None:
    found = json.loads(json.dumps(overview_document(overviews(), NOW)))["environments"]
    production, staging, stuck, new, broken = found
    assert (production["version"], production["healthy"]) == ("1.4.0", True)
    assert production["image_age_seconds"] == 9 * 86400
    assert production["newer_image"]["version"] == "1.5.0"
    assert production["newer_source"] == "ami-7"
    assert staging["in_flight"]["phase"]
    assert stuck["in_flight"]
    assert (new["serving"], new["health"], new["error"]) == (None, None, None)
    assert broken["error"] == "reading AWS: AccessDenied"


def test_a_configuration_without_environments_says_so() -> None:
    assert overview_text((), NOW).startswith("no environments: pipeline.toml has no")
