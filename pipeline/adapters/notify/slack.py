"""Send notifications to Slack, through an incoming webhook.

The payload is `text` alone, in Slack's mrkdwn: `&`, `<` and `>` of foreign text are escaped, so
that it cannot mention people or hide a link (Slack docs, "Formatting text"). Slack answers 200 with
`ok`, or an error such as 404 `no_service` ("Sending messages using incoming webhooks").
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.adapters.notify.http import request, require_private
from pipeline.core.notifications.notification import Notification, Occasion

LONGEST = 3000
"""Characters of a text; Slack recommends 4,000 at most and cuts at 40,000."""
_MARKS = {
    Occasion.NEEDS_ATTENTION: ":rotating_light: ",
    Occasion.ROLLED_BACK: ":leftwards_arrow_with_hook: ",
    Occasion.PAUSED: ":double_vertical_bar: ",
    Occasion.NO_REBUILD: ":warning: ",
    Occasion.ROLLBACK_UNPROVEN: ":warning: ",
}
"""What stands before the title of an event that a person should read."""


@dataclass(frozen=True, kw_only=True)
class Slack:
    """One incoming webhook; `url` returns its URL, which is a secret; `link` is the default."""

    url: Callable[[], str]
    link: str = ""

    def __call__(self, notification: Notification) -> None:
        """Send a notification; raises SendError."""
        body = json.dumps({"text": slack_text(notification, self.link)}).encode()
        headers = {"Content-Type": "application/json"}
        request(require_private(self.url()), headers=headers, body=body)


def slack_text(notification: Notification, link: str = "") -> str:
    """Return a notification in mrkdwn: a bold title, the lines, the link."""
    title = f"{_MARKS.get(notification.occasion, '')}*{_plain(notification.heading)}*"
    rows = [f"{each.label}: {_plain(each.text)}" for each in notification.lines]
    shown = notification.link or link
    text = "\n".join([title, *rows])[:LONGEST]
    return f"{text}\n<{_url(shown)}|{_what(notification)}>" if shown else text


def _what(notification: Notification) -> str:
    return "CI job" if notification.link else "more"


def _plain(text: str) -> str:
    """Return foreign text without the characters that control mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _url(url: str) -> str:
    return _plain(url).replace("|", "%7C").replace(" ", "%20")
