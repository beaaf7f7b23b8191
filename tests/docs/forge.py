"""The comments of one pull request or merge request, as a server on loopback has them.

It answers as the REST APIs of GitHub ("Issue comments") and GitLab ("Notes API").
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from tests.adapters.notify.receivers import Asked, Receiver, Reply


class Forge:
    """The comments of one pull request; those of `people` are there before."""

    def __init__(self, token: dict[str, str], people: list[dict[str, Any]], change: str) -> None:
        self.comments = people
        self.server: Receiver | None = None
        self._token, self._change = token, change

    def __call__(self, asked: Asked) -> Reply:
        if any(asked.headers.get(name) != value for name, value in self._token.items()):
            return Reply(status=401, body=b'{"message": "401 Unauthorized"}')
        path = urlsplit(asked.path).path
        if asked.method == "GET":
            return Reply(body=json.dumps(self.comments).encode())
        body = asked.json()["body"]
        if asked.method == self._change:
            found = next(each for each in self.comments if path.endswith(f"/{each['id']}"))
            found["body"] = body
            return Reply(body=json.dumps(found).encode())
        assert self.server
        number = len(self.comments) + 1
        url = f"{self.server.url}/repos/example/web/issues/comments/{number}"
        made = {"id": number, "url": url, "body": body, "system": False, "user": {"type": "Bot"}}
        self.comments.append(made)
        return Reply(status=201, body=json.dumps(made).encode())
