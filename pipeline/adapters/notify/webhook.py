"""Send notifications to a webhook, signed as Standard Webhooks 1.0 says.

The signature is HMAC-SHA256 over `<id>.<timestamp>.<body>`, so a receiver can use the libraries of
standardwebhooks.com, reject a replayed request and drop a duplicate (ADR 107).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.adapters.notify.http import request, require_web
from pipeline.adapters.notify.target import SendError
from pipeline.core.notifications.notification import Notification, document

PREFIX = "whsec_"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One webhook: its URL and its secret, which are read when a notification is sent.

    `clock` returns Unix seconds.
    """

    url: Callable[[], str]
    secret: Callable[[], str]
    link: str = ""
    clock: Callable[[], float] = time.time

    def __call__(self, notification: Notification) -> None:
        """Send a notification; raises SendError."""
        body = json.dumps(document(notification, self.link), ensure_ascii=False).encode()
        moment = str(int(self.clock()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notification.key,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self.secret(), notification.key, moment, body),
        }
        request(require_web(self.url()), headers=headers, body=body)


def signature(secret: str, key: str, moment: str, body: bytes) -> str:
    """Return the header `webhook-signature`; a secret is `whsec_` and base64, or any text."""
    signed = f"{key}.{moment}.".encode() + body
    digest = hmac.new(_bytes(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _bytes(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SendError(f"the secret begins with {PREFIX} and is not base64 after it") from None
