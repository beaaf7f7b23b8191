"""All environments on one screen."""

from __future__ import annotations

import json
from datetime import timedelta

from pipeline.core.errors import RefusedError
from pipeline.core.overview import Overview, failed_overview
from pipeline.ui.housekeeping.overview import overview_document, overview_text
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
