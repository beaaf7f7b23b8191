from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.adapters.notify.slack import Slack, slack_text
from pipeline.adapters.notify.target import SendError
from pipeline.core.state.deployment import Result
from tests.adapters.notify.receivers import SLACK_PATH, receiving, slack
from tests.core.notifications.examples import RUN, an_end, over


def test_slack_takes_a_message_with_a_title_in_bold_and_the_link() -> None:
    failed = over(Result.ROLLED_BACK, phase="verify", reason="curl: <!channel> & 500")
    with receiving(slack) as server:
        Slack(url=lambda: server.url + SLACK_PATH)(an_end(failed))
    assert server.asked[0].json() == {
        "text": ":leftwards_arrow_with_hook: *web production: promote of r000125 (1.5.0, ami-2) "
        "failed in verify and was rolled back, r000124 serves*\n"
        "reason: curl: &lt;!channel&gt; &amp; 500\n"
        "next: ami-pipeline report 20261121T154224Z-4f2a\nby: ann (GitHub Actions)\n"
        f"<{RUN}|CI job>"
    }


def test_the_longest_message_is_taken_with_its_link() -> None:
    failed = over(
        Result.NEEDS_ATTENTION, phase="soak", reason="<" * 9000, rollback_error="&" * 9000
    )
    with receiving(slack) as server:
        Slack(url=lambda: server.url + SLACK_PATH)(an_end(failed))
    assert server.asked[0].json()["text"].endswith(f"\n<{RUN}|CI job>")


def test_a_message_outside_of_a_ci_job_has_the_configured_link() -> None:
    local = replace(an_end(), link="")
    assert slack_text(local, "https://runbook.example.com/?a=1&b=2|3").endswith(
        "\n<https://runbook.example.com/?a=1&amp;b=2%7C3|more>"
    )
    assert "<" not in slack_text(local)


def test_the_answer_of_slack_is_the_error() -> None:
    with receiving(slack) as server, pytest.raises(SendError) as caught:
        Slack(url=lambda: f"{server.url}/services/T0/B0/gone")(an_end())
    assert str(caught.value) == "answered 404 Not Found: no_service"


def test_a_url_that_anyone_can_read_is_not_used() -> None:
    with pytest.raises(SendError, match=r"^the URL does not begin with https://$"):
        Slack(url=lambda: "http://hooks.slack.com/services/T0/B0/x")(an_end())
