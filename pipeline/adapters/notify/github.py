"""Show deployments on GitHub: a deployment of the image's commit, and its statuses.

GitHub REST API, "Deployments" and "Deployment statuses" (version 2022-11-28). The deployment of an
earlier notification is found by its payload, so a repeated notification makes no second one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from pipeline.adapters.notify.http import Answer, request, require_private
from pipeline.adapters.notify.target import SendError
from pipeline.core.notifications.notification import Notification, Occasion

VERSION: Final = "2022-11-28"
LONGEST: Final = 140
"""Characters of a description at most (REST API, "Create a deployment status")."""
PAYLOAD: Final = "ami_pipeline"
SEARCHED: Final = 100
"""Deployments of the environment that are searched, the newest ones: one page."""
_STATES: Final = {
    Occasion.BEGAN: "in_progress",
    Occasion.PAUSED: "pending",
    Occasion.PROMOTED: "success",
    Occasion.REBUILT: "success",
    Occasion.NEEDS_ATTENTION: "error",
    Occasion.TEST: "inactive",
}


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """One repository; `token` is read when a notification is sent.

    `fallback` is the commit of a deployment whose image has none, empty for none.
    """

    api: str
    repository: str
    token: Callable[[], str]
    link: str = ""
    fallback: str = ""

    def __call__(self, notification: Notification) -> None:
        """Send a notification; raises SendError."""
        if notification.occasion is Occasion.TEST:
            self._test(notification)
            return
        number = self._find(notification)
        if number is None:
            number = self._create(notification, notification.commit or self.fallback)
        self._set_status(number, notification)

    def _test(self, notification: Notification) -> None:
        """Prove every permission: make a deployment, make it inactive, delete it."""
        number = self._create(notification, self.fallback or self._default_branch())
        self._set_status(number, notification)
        self._ask("DELETE", f"/deployments/{number}")

    def _default_branch(self) -> str:
        found = self._ask("GET", "").json()
        return str(found.get("default_branch", "")) if isinstance(found, dict) else ""

    def _find(self, notification: Notification) -> int | None:
        query = urlencode({"environment": notification.environment, "per_page": SEARCHED})
        found = self._ask("GET", f"/deployments?{query}").json()
        listed = found if isinstance(found, list) else []
        ours = (each for each in listed if _payload(each) == notification.deployment)
        return next((_number(each) for each in ours), None)

    def _create(self, notification: Notification, ref: str) -> int:
        if not ref:
            raise SendError("no commit of the image is known, and GITHUB_SHA is not set")
        # GitHub neither merges the default branch nor waits for checks: the deployment has begun.
        body = {
            "ref": ref,
            "auto_merge": False,
            "required_contexts": [],
            "environment": notification.environment,
            "description": notification.title[:LONGEST],
            "payload": {PAYLOAD: notification.deployment or notification.key},
        }
        return _number(self._ask("POST", "/deployments", body).json())

    def _set_status(self, number: int, notification: Notification) -> None:
        body: dict[str, Any] = {
            "state": state_of(notification),
            "description": notification.title[:LONGEST],
            "environment": notification.environment,
        }
        if link := notification.link or self.link:
            body["log_url"] = link
        self._ask("POST", f"/deployments/{number}/statuses", body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        if not self.repository:
            raise SendError("repository is not set, and neither is GITHUB_REPOSITORY")
        url = f"{require_private(self.api).rstrip('/')}/repos/{quote(self.repository)}{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token()}",
            "X-GitHub-Api-Version": VERSION,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        return request(url, method=method, headers=headers, body=data)


def state_of(notification: Notification) -> str:
    """Return the state of a deployment status; a rollback that a person began is a success."""
    if notification.occasion is Occasion.ROLLED_BACK:
        promoted = notification.facts.get("outcome") == "promoted"
        return "success" if promoted else "failure"
    return _STATES[notification.occasion]


def _payload(found: object) -> str:
    """Return the deployment that a deployment of GitHub shows; GitHub may return text."""
    payload = found.get("payload") if isinstance(found, dict) else None
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return ""
    return str(payload.get(PAYLOAD, "")) if isinstance(payload, dict) else ""


def _number(found: object) -> int:
    number = found.get("id") if isinstance(found, dict) else None
    if not isinstance(number, int):
        raise SendError("answered without the id of a deployment")
    return number
