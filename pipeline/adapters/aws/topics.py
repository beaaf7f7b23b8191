"""Publish a message to an SNS topic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.adapters.aws.client import Clients, translate_errors
from pipeline.adapters.aws.retry import call

LONGEST_SUBJECT = 99
"""Characters: a subject is shorter than 100 (SNS API Reference, Publish)."""
FOR_PROGRAMS = ("http", "https", "lambda", "sqs")
"""The protocols whose subscribers get JSON; people get text."""


class Topic:
    """One topic; its region is that of its ARN."""

    def __init__(self, clients: Clients, arn: str) -> None:
        self._clients = clients
        self._arn = arn
        self._region = arn.split(":")[3]

    def publish(
        self,
        *,
        key: str,
        group: str,
        subject: str,
        text: str,
        document: Mapping[str, Any],
        attributes: Mapping[str, str],
    ) -> None:
        """Publish text for people and JSON for programs; raises RefusedError.

        A FIFO topic drops a message of the same key within five minutes, and keeps the order of
        those of one group (SNS API Reference, Publish).
        """
        data = json.dumps(document, ensure_ascii=False)
        message = {"default": text, **dict.fromkeys(FOR_PROGRAMS, data)}
        named = {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        }
        fifo = {}
        if self._arn.endswith(".fifo"):
            digest = hashlib.sha256(key.encode()).hexdigest()
            fifo = {"MessageGroupId": group, "MessageDeduplicationId": digest}
        with translate_errors(f"publishing to {self._arn}", self._region):
            call(
                self._clients.sns(self._region).publish,
                TopicArn=self._arn,
                Subject=subject.encode("ascii", "replace").decode()[:LONGEST_SUBJECT],
                Message=json.dumps(message, ensure_ascii=False),
                MessageStructure="json",
                MessageAttributes=named,
                **fifo,
            )
