"""The page of notifications: its example verifies what the pipeline signs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.adapters.notify.webhook import signature
from pipeline.core.notifications.notification import CONFIGURABLE

PAGE = (Path(__file__).resolve().parents[2] / "docs/guide/notifications.md").read_text()


def example() -> Callable[[str, dict[str, str], bytes], bool]:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    made: dict[str, Any] = {}
    exec(found[1], made)  # noqa: S102 - our own page
    verify: Callable[[str, dict[str, str], bytes], bool] = made["verify"]
    return verify


def headers(secret: str, body: bytes, at: float) -> dict[str, str]:
    moment = str(int(at))
    return {
        "webhook-id": "production.1.began",
        "webhook-timestamp": moment,
        "webhook-signature": signature(secret, "production.1.began", moment, body),
    }


def test_the_example_accepts_what_is_signed_and_nothing_else() -> None:
    verify, now, body = example(), time.time(), b'{"event": "began"}'
    good = headers("a secret", body, now)
    assert verify("a secret", good, body)
    assert not verify("another secret", good, body)
    assert not verify("a secret", good, body + b" ")
    assert not verify("a secret", {**good, "webhook-id": "production.2.began"}, body)
    assert not verify("a secret", headers("a secret", body, now - 900), body)


def test_every_event_is_explained() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)
    assert rows[: len(CONFIGURABLE)]
    assert sorted(rows) == sorted(map(str, CONFIGURABLE))
