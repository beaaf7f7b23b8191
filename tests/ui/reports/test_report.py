from __future__ import annotations

import json

from pipeline.core.timeline.record import DeploymentRecord, shortened
from pipeline.ui.reports.report import report_document, report_text
from pipeline.ui.results import as_json
from tests.ui.reports.report_examples import failed_record
from tests.ui.status_examples import NOW, a_deployment

TEXT = """\
r000124 still serves production

outcome    rolled back, 3m 32s
request    promote r000125 (1.5.0, ami-00000000000000125), replacing r000124
phase      attach
reason     i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
remaining  none
evidence   .ami-pipeline/deployments/20260104T030700-7f3a/evidence.txt
probe      950 requests, 8 failed
phases     launch 1m 12s, verify 4.2s, attach 1m 31s (failed), reattach 1.1s,
           detach 20s, delete 11s
id         20260104T030700-7f3a
next       fix the cause above, then: RETRY

when
  03:07:00+00:00 to 03:10:31+00:00, by ada on ci-7

phases
  ✔ launch        +10s        5s
  ✔ verify        +20s        5s
  ✖ attach        +30s       55s
      i-00125000000000001: unhealthy in web-tg: Target.FailedHealthChecks
  ✔ reattach   +1m 35s        5s
  ✔ detach     +1m 45s        5s
  ✔ delete     +1m 55s        5s

members
  TIME  PHASE   r000124         r000125
  +35s  attach  3 healthy of 3  1 healthy, 2 starting of 3

requests
  VERSION  STATUS  REQUESTS
  1.4.0    200     450
  1.5.0    200     396
  1.5.0    503     9

activities
  2026-01-04T03:07:30+00:00 r000125 Failed: We currently do not have
    sufficient t3.micro capacity

messages
  +1m 20s the probe's first failed request, in attach: HTTP 503
  +1m 30s rolling back: attach: i-00125000000000001: unhealthy in web-tg:
    Target.FailedHealthChecks

evidence.txt
  group web-production-r000125
  i-00125000000000001 InService, unhealthy in web-tg
  console of i-00125000000000001
  app.service: Main process exited, code=exited, status=1/FAILURE"""


def test_the_text_of_a_report() -> None:
    retry = "ami-pipeline bake -e production && ami-pipeline promote -e production"
    assert report_text(failed_record(), NOW, 80).replace(retry, "RETRY") == TEXT


def test_a_deployment_without_a_timeline_has_the_phases_of_its_record() -> None:
    text = report_text(DeploymentRecord(deployment=a_deployment()), NOW, 80)
    assert "✔ drain     +2m 34s     45.1s" in text
    assert "members" not in text


def test_a_program_gets_points_phases_messages_activities_and_files() -> None:
    document = json.loads(as_json(report_document(failed_record())))
    timeline = document["timeline"]
    assert document["outcome"] == "rolled back"
    assert [each["name"] for each in timeline["phases"]][:3] == ["launch", "verify", "attach"]
    assert timeline["points"][-1]["members"]["r000125"] == {
        "desired": 3,
        "healthy": 1,
        "starting": 2,
    }
    assert timeline["points"][-1]["answers"][-1] == {
        "version": "1.5.0",
        "status": "503",
        "count": 9,
    }
    assert timeline["activities"][0]["release"] == "r000125"
    assert timeline["messages"][0]["text"].startswith("the probe's first failed request")
    assert document["files"]["evidence.txt"].startswith("group web")


def test_of_a_long_file_the_last_part_is_shown() -> None:
    text = shortened("a" * 30_000 + "the end")
    assert text.startswith("... (10007 characters before)\n")
    assert text.endswith("the end")
